// What an answer is made of, as it arrives: blocks of a stream, lines of a list.

/** What stands before each separator. What no separator follows is not whole, and is left out. */
export async function* readPieces(
	response: Response,
	separator: string,
): AsyncGenerator<string, void, void> {
	const reader = response.body?.getReader();
	if (reader === undefined) return;
	const decoder = new TextDecoder();
	let rest = "";
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			rest += decoder.decode(value, { stream: true });
			const pieces = rest.split(separator);
			rest = pieces.pop() ?? "";
			yield* pieces;
		}
	} finally {
		await reader.cancel().catch(() => {});
	}
}
