// What a benchmark started, ended in reverse: also when it fails, and when it is interrupted while
// something is still on its way up.

export interface Cleanup {
	/** Starts something, and remembers at once how it is ended. Throws when the end has begun already. */
	keep<T>(start: () => Promise<T>, end: (thing: T) => unknown): Promise<T>;
	/** Ends all, the latest first. What cannot be ended is told and does not keep the rest from it. */
	run(): Promise<void>;
}

export function makeCleanup(tell: (line: string) => void): Cleanup {
	const ends: (() => Promise<void>)[] = [];
	let isEnding = false;
	return {
		keep(start, end) {
			if (isEnding) throw new Error("The benchmark is being ended.");
			const starting = start();
			ends.push(async () => {
				const started = await starting.then(
					(thing) => ({ thing }),
					() => undefined,
				);
				if (started !== undefined) await end(started.thing);
			});
			return starting;
		},
		async run() {
			isEnding = true;
			for (const end of ends.reverse()) {
				await end().catch((error: unknown) =>
					tell(`could not be cleaned up: ${String(error)}`),
				);
			}
		},
	};
}
