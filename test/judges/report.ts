// What Schemathesis did, by its report: requests by phase, and which of the links it followed came to something.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";

const scenario = z.object({
	ScenarioFinished: z.object({
		phase: z.string(),
		recorder: z.object({
			cases: z
				.record(
					z.string(),
					z.object({
						transition: z
							.object({ id: z.string(), is_inferred: z.boolean().optional() })
							.nullish(),
						is_transition_applied: z.boolean().nullish(),
					}),
				)
				.default({}),
			interactions: z
				.record(
					z.string(),
					z.object({
						response: z.object({ status_code: z.int() }).nullish(),
					}),
				)
				.default({}),
		}),
	}),
});

export async function tellReport(file: string): Promise<string> {
	const phases = new Map<string, Map<string, number>>();
	const followed = new Set<string>();
	const succeeded = new Set<string>();
	for await (const line of createInterface({ input: createReadStream(file) })) {
		const { success, data } = scenario.safeParse(JSON.parse(line));
		if (!success) continue;
		const { phase, recorder } = data.ScenarioFinished;
		const counts = phases.get(phase) ?? new Map<string, number>();
		phases.set(phase, counts);
		for (const [id, { response }] of Object.entries(recorder.interactions)) {
			const status = response?.status_code ?? 0;
			const kind = status === 0 ? "none" : `${Math.floor(status / 100)}xx`;
			counts.set(kind, (counts.get(kind) ?? 0) + 1);
			const made = recorder.cases[id];
			if (!made?.transition || made.is_transition_applied === false) continue;
			followed.add(made.transition.id);
			if (status < 300) succeeded.add(made.transition.id);
		}
	}
	const told = [...phases].map(([phase, counts]) => {
		const parts = [...counts].sort().map(([kind, count]) => `${kind} ${count}`);
		return `${phase}: ${parts.join(", ")}\n`;
	});
	return `${told.join("")}links: ${followed.size} followed, ${succeeded.size} of them with success\n`;
}
