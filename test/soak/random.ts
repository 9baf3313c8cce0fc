// Chance that can be had again: a soak that failed is run once more with its seed.

export interface Random {
	/** From 0 (included) to 1 (excluded). */
	next(): number;
	/** A whole number, both ends included. */
	between(min: number, max: number): number;
	/** Whether something of this probability happens. */
	happens(probability: number): boolean;
	/** One of these, each as often as its weight says. Throws when there is none. */
	pick<T extends { readonly weight: number }>(choices: readonly T[]): T;
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for choosing victims. */
export function makeRandom(seed: number): Random {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
	return {
		next,
		between: (min, max) => min + Math.floor(next() * (max - min + 1)),
		happens: (probability) => next() < probability,
		pick(choices) {
			const total = choices.reduce((sum, { weight }) => sum + weight, 0);
			let left = next() * total;
			for (const choice of choices) {
				left -= choice.weight;
				if (left < 0) return choice;
			}
			throw new Error("there is nothing to choose from");
		},
	};
}
