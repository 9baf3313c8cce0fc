// What is told of a series of measurements.

export interface Summary {
	readonly min: number;
	readonly median: number;
	readonly max: number;
}

/** Throws if there is nothing to summarise. */
export function summarise(values: readonly number[]): Summary {
	return {
		min: findPercentile(values, 0),
		median: findPercentile(values, 50),
		max: findPercentile(values, 100),
	};
}

/**
 * The value that `percent` of all values do not exceed, by the nearest-rank method: always one that was
 * measured, except that the median of an even number of values is the middle of two.
 */
export function findPercentile(
	values: readonly number[],
	percent: number,
): number {
	const sorted = values.toSorted((a, b) => a - b);
	const at = (index: number) => {
		const value = sorted[Math.min(Math.max(index, 0), sorted.length - 1)];
		if (value === undefined) throw new Error("nothing was measured");
		return value;
	};
	const middle = sorted.length / 2;
	if (percent === 50 && Number.isInteger(middle)) {
		return (at(middle - 1) + at(middle)) / 2;
	}
	return at(Math.ceil((percent / 100) * sorted.length) - 1);
}

/** What one round measured, by what it is called in the table. */
export type Readings = Readonly<Record<string, number | undefined>>;

/** The values of each name over all rounds, in the order in which names first came up. */
export function collect(
	rounds: readonly Readings[],
): ReadonlyMap<string, readonly number[]> {
	const series = new Map<string, number[]>();
	for (const readings of rounds) {
		for (const [name, value] of Object.entries(readings)) {
			if (value === undefined) continue;
			const values = series.get(name) ?? [];
			series.set(name, [...values, value]);
		}
	}
	return series;
}
