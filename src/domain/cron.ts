// Schedules as a CronJob takes them: five fields of cron(5), by the rules of robfig/cron, which Kubernetes parses with.

interface Field {
	readonly min: number;
	readonly max: number;
	/** Names that stand for numbers, from `min` on. */
	readonly names: readonly string[];
}

const fields: readonly Field[] = [
	{ min: 0, max: 59, names: [] },
	{ min: 0, max: 23, names: [] },
	{ min: 1, max: 31, names: [] },
	{
		min: 1,
		max: 12,
		names: "jan feb mar apr may jun jul aug sep oct nov dec".split(" "),
	},
	{ min: 0, max: 6, names: "sun mon tue wed thu fri sat".split(" ") },
];

/** Whether a CronJob is admitted with it. No nicknames such as `@daily`. */
export function isCronSchedule(text: string): boolean {
	const parts = text.split(/ +/);
	return (
		parts.length === fields.length &&
		fields.every((field, index) =>
			(parts[index] ?? "").split(",").every((part) => isPart(part, field)),
		)
	);
}

/** `*`, `5`, `1-5` or a name, each with a step or without. */
function isPart(part: string, field: Field): boolean {
	const [range = "", step, ...others] = part.split("/");
	if (others.length > 0) return false;
	if (step !== undefined && !/^[1-9]\d{0,3}$/.test(step)) return false;
	if (range === "*" || range === "?") return true;
	const [from, to, ...rest] = range.split("-").map((one) => read(one, field));
	if (rest.length > 0 || from === undefined || range.split("-").length > 2)
		return false;
	if (!range.includes("-")) return true;
	return to !== undefined && from <= to;
}

/** undefined: outside of what the field may be. */
function read(text: string, { min, max, names }: Field): number | undefined {
	const named = names.indexOf(text.toLowerCase());
	if (named >= 0) return min + named;
	if (!/^\d{1,2}$/.test(text)) return undefined;
	const number = Number(text);
	return number >= min && number <= max ? number : undefined;
}
