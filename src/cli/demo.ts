// Orders the environment `demo` through the API, as any caller would, and shows it come alive.

import { type Client, connect, Problem } from "../../client/client.ts";
import { Failure } from "../failure.ts";

const name = "demo";

interface Demo {
	readonly url: string;
	readonly token: string;
	readonly print: (line: string) => void;
	/** Nobody looks any more. */
	readonly signal?: AbortSignal;
}

/** What is asked, who asks, and where it is shown. */
interface Show extends Pick<Demo, "print" | "signal"> {
	readonly client: Client;
}

/** Fulfils when the demo environment is ready, or when its operation ended otherwise and that was said. */
export async function orderDemo({ url, token, ...more }: Demo): Promise<void> {
	const show = { ...more, client: connect({ url, token }) };
	const operation = await begin(show).catch(explain);
	if (operation !== null) await follow(show, operation);
	await report(show);
}

/** The operation that there is to look at, if any. */
async function begin({
	client,
	print,
	...options
}: Show): Promise<string | null> {
	const found = await client
		.findEnvironment({ id: name }, options)
		.catch(ignoreAbsence);
	if (found === undefined) {
		print(`Ordering the environment "${name}" (size small)`);
		const order = { body: { name } };
		return (await client.createEnvironment(order, options)).id;
	}
	const { activeOperation } = found;
	if (activeOperation === null)
		print(`The environment "${name}" is there already`);
	return activeOperation;
}

async function follow(
	{ client, print, ...options }: Show,
	operation: string,
): Promise<void> {
	let created = 0;
	for await (const event of client.events({ operation }, options)) {
		const { data } = event;
		switch (event.type) {
			case "phase.started":
				print(`  ${data.phase} …`);
				break;
			case "resource.created":
				created++;
				break;
			case "phase.succeeded":
				print(
					`  ${data.phase} took ${(Number(data.durationMs) / 1000).toFixed(1)} s${data.phase === "applying" ? `, ${created} resources` : ""}`,
				);
				break;
			case "workload.stuck":
				print(
					`  ${data.kind} ${data.name} is stuck: ${data.reason}. ${data.advice}`,
				);
				break;
			case "operation.postponed":
			case "operation.recovered":
			case "operation.failed":
			case "operation.timed_out":
				print(`  ${event.type}: ${JSON.stringify(data)}`);
				break;
		}
	}
}

async function report({ client, print, ...options }: Show): Promise<void> {
	const found = await client.findEnvironment({ id: name }, options);
	print(
		`The environment "${name}" is ${found.lifecycle}, in the namespace ${found.namespace}`,
	);
	for (const [endpoint, url] of Object.entries(found.endpoints ?? {}))
		print(`  ${endpoint.padEnd(15)} ${url}`);
}

function ignoreAbsence(error: unknown): undefined {
	if (!(error instanceof Problem) || error.status !== 404) throw error;
}

function explain(error: unknown): never {
	if (!(error instanceof Problem)) throw error;
	throw new Failure({
		code: "internal",
		message: `The demo environment could not be ordered: ${error.message}`,
	});
}
