/** JSON in which the keys of each object are in order: the same text for the same value, however it was written. */
export const writeCanonically = (value: unknown): string =>
	JSON.stringify(value, (_key, part: unknown) =>
		typeof part === "object" && part !== null && !Array.isArray(part)
			? Object.fromEntries(
					Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)),
				)
			: part,
	);
