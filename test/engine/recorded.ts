// The recorded streams of the real engine, one file per situation. Of the objects' states only the metadata
// was kept.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import type { NewEvent } from "../../src/domain/event.ts";
import { type Changes, noChanges } from "../../src/domain/operation.ts";
import { type EngineError, makeTranslator } from "../../src/engine/events.ts";

export function readRecorded(name: string): EngineEvent[] {
	const file = join(
		import.meta.dirname,
		`../fixtures/engine-events/${name}.jsonl`,
	);
	return readFileSync(file, "utf8")
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line));
}

/** A whole recorded run in our words. */
export function translateRecorded(
	name: string,
	redact = (text: string) => text,
): { events: NewEvent[]; changes: Changes; errors: EngineError[] } {
	const translate = makeTranslator(redact);
	const events: NewEvent[] = [];
	const errors: EngineError[] = [];
	const changes = { ...noChanges };
	for (const recorded of readRecorded(name)) {
		const { event, change, error } = translate(recorded);
		if (event !== undefined) events.push(event);
		if (change !== undefined) changes[change]++;
		if (error !== undefined) errors.push(error);
	}
	return { events, changes, errors };
}
