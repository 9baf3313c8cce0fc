// The transactions of one owner: one after the other, each with a number, so that one whose answer was lost can be
// told from one that never arrived.

/** Runs the write when those before it have ended; the number is one more than were committed so far. */
export type WriteLine = <T>(
	write: (number: number) => Promise<T>,
) => Promise<T>;

/** A line for one lease. A write that throws has committed nothing, and its number is the next one's. */
export function makeWriteLine(): WriteLine {
	let committed = 0;
	let tail: Promise<unknown> = Promise.resolve();
	return (write) => {
		const result = tail.then(async () => {
			const value = await write(committed + 1);
			committed += 1;
			return value;
		});
		tail = result.catch(() => {});
		return result;
	};
}
