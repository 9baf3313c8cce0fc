// Patterns in which `*` stands for any text, none included. Everything else stands for itself.

/** Whether the whole text fits. In time that grows with the text and not, as with a regular expression, out of all bounds. */
export function fits(pattern: string, text: string): boolean {
	const [head = "", ...rest] = pattern.split("*");
	const tail = rest.pop();
	if (tail === undefined) return text === pattern;
	if (!text.startsWith(head)) return false;
	let at = head.length;
	for (const part of rest) {
		const found = text.indexOf(part, at);
		if (found < 0) return false;
		at = found + part.length;
	}
	return text.length - tail.length >= at && text.endsWith(tail);
}

/**
 * Whether all that fits `inner` fits `outer` too, where texts themselves have no `*`: that of `inner` can only be taken by
 * one of `outer`.
 */
export const covers = (outer: string, inner: string): boolean =>
	fits(outer, inner);
