// Where the processes are reached, from inside the namespace and from outside.
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import type { Endpoints } from "../../src/domain/environment.ts";
import { hostName } from "../../src/domain/names.ts";
import type { ProcessName } from "../../src/domain/release.ts";
import { processes } from "./processes.ts";

export function publicHost(
	process: ProcessName,
	input: Pick<BlueprintInput, "namespace" | "target">,
): string {
	const { domain, settings } = input.target;
	return hostName(process, input.namespace, {
		domain,
		hostPattern: settings.hostPattern,
	});
}

/** The URLs that browsers use. TLS ends in front of the processes. */
export function listEndpoints(
	input: Pick<BlueprintInput, "namespace" | "target" | "parameters">,
): Endpoints {
	return {
		client: `https://${publicHost("client", input)}`,
		server: `https://${publicHost("server", input)}`,
		...(input.parameters.features.analytics
			? { analyticsFront: `https://${publicHost("analytics-front", input)}` }
			: {}),
		websocket: `wss://${publicHost("websocket", input)}`,
	};
}

const ports = new Map(
	processes.map((process) => [process.name, process.port] as const),
);

/** The base URL of a listening process for its peers: its Service, in plain HTTP, without a trailing slash. */
export function internalUrl(process: ProcessName): string {
	return `http://${process}:${ports.get(process)}`;
}
