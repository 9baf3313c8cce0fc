// The state of a stack, kept by the service: behind a URL and with a token that the worker got for this run.
// What the CLI's own protocol does not need to be asked by the CLI is asked here.
import type { EngineRun } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import type { StackState } from "./workspace.ts";

/** The state of the run's stack, reached over HTTP. */
export function openServiceState({
	project,
	stack,
	state: service,
}: Pick<EngineRun, "project" | "stack" | "state">): StackState {
	const projectAddress = `${service.url}/api/stacks/impresario/${project}`;
	const address = `${projectAddress}/${stack}`;
	const ask = async (
		method: string,
		address: string,
		body?: object,
	): Promise<number> => {
		const { PULUMI_ACCESS_TOKEN: token = "" } = service.environment;
		const { status, ok } = await fetch(address, {
			method,
			headers: {
				authorization: `token ${token}`,
				...(body && { "content-type": "application/json" }),
			},
			...(body && { body: JSON.stringify(body) }),
			signal: AbortSignal.timeout(30_000),
		});
		if (ok || status === 404) return status;
		throw new Failure({
			code: status === 403 ? "lease_lost" : "unavailable",
			message: `The state backend answered ${status}.`,
			untouched: "The environment was not touched.",
			retryable: status !== 403,
		});
	};
	return {
		url: service.url,
		environment: service.environment,
		exists: async () => (await ask("GET", address)) !== 404,
		create: async () => {
			await ask("POST", projectAddress, { stackName: stack });
		},
		// A start takes the stack over from whoever lost it, and forgets what was in flight.
		unlock: async () => {},
		remove: async () => {
			await ask("DELETE", `${address}?force=true`);
		},
	};
}
