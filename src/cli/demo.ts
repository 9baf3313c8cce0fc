// Orders the environment `demo` through the API, as any caller would, and shows it come alive.

import { followEvents } from "../../client/events.ts";
import { Failure } from "../failure.ts";
import { callApi } from "./client.ts";

const name = "demo";

interface Demo {
	readonly url: string;
	readonly token: string;
	readonly print: (line: string) => void;
}

/** Fulfils when the demo environment is ready, or when its operation ended otherwise and that was said. */
export async function orderDemo(demo: Demo): Promise<void> {
	const { print } = demo;
	const found = await callApi(demo, "GET", `/v1/environments/${name}`);
	let operation: string | null;
	if (found.status === 404) {
		print(`Ordering the environment "${name}" (size small)`);
		const ordered = await callApi(demo, "POST", "/v1/environments", { name });
		if (ordered.status !== 202) throw explain(ordered.body);
		operation = String(ordered.body.id);
	} else {
		if (found.status !== 200) throw explain(found.body);
		operation = found.body.activeOperation as string | null;
		if (operation === null) print(`The environment "${name}" is there already`);
	}
	if (operation !== null) await show(demo, operation);
	await report(demo);
}

async function show(demo: Demo, operation: string): Promise<void> {
	let created = 0;
	for await (const event of followEvents(
		demo,
		`/v1/operations/${operation}/events`,
	)) {
		const { data } = event;
		switch (event.type) {
			case "phase.started":
				demo.print(`  ${data.phase} …`);
				break;
			case "resource.created":
				created++;
				break;
			case "phase.succeeded":
				demo.print(
					`  ${data.phase} took ${(Number(data.durationMs) / 1000).toFixed(1)} s${data.phase === "applying" ? `, ${created} resources` : ""}`,
				);
				break;
			case "workload.stuck":
				demo.print(
					`  ${data.kind} ${data.name} is stuck: ${data.reason}. ${data.advice}`,
				);
				break;
			case "operation.postponed":
			case "operation.recovered":
			case "operation.failed":
			case "operation.timed_out":
				demo.print(`  ${event.type}: ${JSON.stringify(data)}`);
				break;
		}
	}
}

async function report(demo: Demo): Promise<void> {
	const { body } = await callApi(demo, "GET", `/v1/environments/${name}`);
	demo.print(
		`The environment "${name}" is ${body.lifecycle}, in the namespace ${body.namespace}`,
	);
	for (const [endpoint, url] of Object.entries(body.endpoints ?? {})) {
		demo.print(`  ${endpoint.padEnd(15)} ${url}`);
	}
}

function explain(problem: Record<string, unknown>): Failure {
	return new Failure({
		code: "internal",
		message: `The demo environment could not be ordered: ${problem.detail ?? problem.title}`,
	});
}
