// A tale of one environment: each order, what was answered at once, what its log told, and what it came to.
import assert from "node:assert/strict";
import type { StreamedEvent } from "../../src/cli/client.ts";
import type { Caller } from "./service.ts";

/** An operation as the API shows it. */
export interface Ended {
	readonly id: string;
	readonly state: string;
	readonly phase: string | null;
	readonly phases: readonly {
		readonly name: string;
		readonly state: string;
		readonly startedAt: string;
		readonly finishedAt: string;
	}[];
	readonly revision: { readonly from: number | null; readonly to: number };
	readonly options: Readonly<Record<string, string>>;
	readonly error: Readonly<Record<string, string>> | null;
	readonly createdAt: string;
	readonly finishedAt: string;
	readonly [field: string]: unknown;
}

export interface Act {
	/** Method, path and body. */
	readonly order: readonly [string, string, object?];
	readonly kind: string;
	/** From which revision to which. */
	readonly revision: readonly [number | null, number | null];
	/** The environment's lifecycle as soon as it is answered; undefined: not looked at. */
	readonly during?: string;
	/** Without it, `succeeded`. */
	readonly end?: string;
	/** How the log goes, as `retell` has it. */
	readonly tells: readonly string[];
}

/** A loaded machine may take this long for one operation. */
export const patienceMs = 600_000;

/** Orders, looks, waits for the end and checks what was told. Returns the operation and its log. */
export async function play(
	tenant: Caller,
	act: Act,
): Promise<{ readonly operation: Ended; readonly log: StreamedEvent[] }> {
	const [method, path, body] = act.order;
	const answer = await tenant.call(method, path, body);
	assert.equal(answer.status, 202, JSON.stringify(answer.body));
	const [from, to] = act.revision;
	const { id, kind, state, revision, environment } = answer.body;
	assert.deepEqual(
		{ kind, state, revision },
		{ kind: act.kind, state: "queued", revision: { from, to } },
	);
	if (act.during !== undefined) {
		const now = await look(tenant, String(environment));
		assert.equal(now.lifecycle, act.during);
		assert.equal(now.activeOperation, id);
	}
	return watch(tenant, String(id), act);
}

/** Waits for the end of what was ordered already, and checks what was told. */
export async function watch(
	tenant: Caller,
	id: string,
	{ end = "succeeded", tells }: Pick<Act, "end" | "tells">,
): Promise<{ readonly operation: Ended; readonly log: StreamedEvent[] }> {
	const operation = (await tenant.end(id, patienceMs)) as unknown as Ended;
	assert.equal(operation.state, end, JSON.stringify(operation.error));
	const log = await tenant.follow(id);
	assert.deepEqual(retell(log), tells);
	// The row says the same as the log.
	assert.deepEqual(
		operation.phases.map(({ name, state }) => [name, state]),
		tells
			.filter((line) => line.startsWith("phase "))
			.map((line) => line.split(" ").slice(1)),
	);
	return { operation, log };
}

export const look = async (tenant: Caller, environment: string) =>
	(await tenant.call("GET", `/v1/environments/${environment}`))
		.body as Readonly<Record<string, unknown>>;

/** An operation's log in key words: its states, how each phase ended, stages, backups, what became of the environment. */
function retell(log: readonly StreamedEvent[]): string[] {
	return log.flatMap(({ type, data }) => {
		const [subject = "", word] = type.split(".");
		if (quiet.includes(subject) || word === "started" || word === "queued")
			return [];
		if (subject === "phase") return [`phase ${data.phase} ${word}`];
		return [subject === "stage" ? `stage ${data.stage}` : type];
	});
}

/** What is told of single objects, and by others than the operation. */
const quiet = ["resource", "workload", "engine", "health"];

/** Phases that came to their end, as `retell` has them. */
export const phases = (...names: readonly string[]): string[] =>
	names.map((name) => `phase ${name} succeeded`);

/** How long it took, in seconds, with each phase. */
export function tellTimes(operation: Ended): string {
	const between = (from: string, to: string) =>
		((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(1);
	const each = operation.phases.map(
		(one) => `${one.name} ${between(one.startedAt, one.finishedAt)}`,
	);
	return `${operation.kind}: ${between(operation.createdAt, operation.finishedAt)} s (${each.join(", ")})`;
}
