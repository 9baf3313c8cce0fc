import type { Readings } from "../statistics.ts";

/** How many times as long one way took as another, in one round; `rows` are the rows of the whole of each way. */
export function compare(
	round: Readings,
	rows: {
		readonly ours: string;
		readonly stock: string;
		readonly kubectl: string;
	},
): Readings {
	const {
		[rows.ours]: ours,
		[rows.stock]: stock,
		[rows.kubectl]: kubectl,
	} = round;
	return {
		"stock / ours": divide(stock, ours),
		"ours / kubectl": divide(ours, kubectl),
		"stock / kubectl": divide(stock, kubectl),
	};
}

const divide = (a: number | undefined, b: number | undefined) =>
	a === undefined || b === undefined ? undefined : a / b;
