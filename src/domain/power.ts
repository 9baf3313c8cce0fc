// Which programs can put an environment to sleep.

/** The first version of the blueprint whose program knows `power`: an older one would let everything run. */
const since = [1, 1, 0];

export function knowsPower(blueprintVersion: string): boolean {
	const version = blueprintVersion.split(".").map(Number);
	for (const [index, least] of since.entries()) {
		const part = version[index] ?? 0;
		if (part !== least) return part > least;
	}
	return true;
}
