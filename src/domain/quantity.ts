// Kubernetes' quantities as numbers, as far as requests are written in them.

const gibi = 2 ** 30;
const factors: Readonly<Record<string, number>> = {
	"": 1,
	m: 1e-3,
	k: 1e3,
	M: 1e6,
	G: 1e9,
	T: 1e12,
	Ki: 2 ** 10,
	Mi: 2 ** 20,
	Gi: gibi,
	Ti: 2 ** 40,
};

/** `250m` → 0.25. What is no quantity counts as nothing: it is said of what a price is worked out from, and nothing else. */
export function parseQuantity(text: string): number {
	const [, digits = "0", unit = ""] =
		/^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(text) ?? [];
	return Number(digits) * (factors[unit] ?? 0);
}

/** `512Mi` → 0.5. */
export const parseGiB = (text: string): number => parseQuantity(text) / gibi;
