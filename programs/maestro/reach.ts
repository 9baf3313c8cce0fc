// Who talks to whom: the call graph of Maestro's fact sheet, with the stores and the Jobs, as plain values. It follows
// from the same table that tells each process its addresses. Nothing here knows Pulumi.
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { jobLabel } from "../../src/domain/cluster.ts";
import { selectorOf } from "./conventions.ts";
import { mongodb, rabbitmq, type Stores } from "./datastores.ts";
import { listMetrics } from "./monitoring.ts";
import type { Tailored } from "./tailor.ts";

/** A part of the environment: a process, a store or a kind of Job. */
export type Part = string;

/** One may open a connection to a port of another. */
export interface Edge {
	readonly from: Part;
	readonly to: Part;
	readonly port: number;
}

/** One may open a connection to hosts outside of the cluster. */
export interface Exit {
	readonly from: Part;
	/** undefined: any port. */
	readonly port?: number;
}

/** Somebody outside of the environment may open a connection to a port of a part. */
export interface Entrance {
	readonly from: "edge" | "monitoring";
	readonly to: Part;
	readonly port: number;
}

export interface Reach {
	readonly edges: readonly Edge[];
	readonly exits: readonly Exit[];
	readonly entrances: readonly Entrance[];
}

/** The Job that verifies. It is not declared here, so it is known by the label of its pods. */
export const verification = "verify";

/** Jobs that work on the databases. */
const databaseJobs = ["migrate", "backup", "restore"] as const;
/** RabbitMQ's nodes find and talk to each other by these, and a new one waits for the first one's listener. */
const clusterPorts = [4369, 25672, rabbitmq.port];
const https = 443;

interface Plan {
	readonly input: Pick<BlueprintInput, "parameters" | "target">;
	readonly processes: readonly Tailored[];
	readonly stores: Stores;
}

/** The pods of a part. */
export const selectPart = (part: Part): Record<string, string> =>
	part === verification ? { [jobLabel]: verification } : selectorOf(part);

export function decideReach(plan: Plan): Reach {
	return {
		edges: [
			...listCalls(plan.processes),
			...listStoreCalls(plan),
			...listVerificationCalls(plan),
		],
		exits: listExits(plan),
		entrances: [
			...listEntrances(plan.processes),
			...listMetrics(plan.stores).map(({ part, port }) => ({
				from: "monitoring" as const,
				to: part,
				port,
			})),
		],
	};
}

function listCalls(processes: readonly Tailored[]): Edge[] {
	const ports = new Map(processes.map(({ name, port }) => [name, port]));
	return processes.flatMap(({ name, peers }) =>
		Object.values(peers).flatMap((peer) => {
			const port = ports.get(peer) ?? null;
			return port === null ? [] : [{ from: name, to: peer, port }];
		}),
	);
}

function listStoreCalls({ processes, stores }: Plan): Edge[] {
	const edges: Edge[] = [];
	if (stores.mongodb.kind === "own") {
		const callers = [
			...listHolders(processes, "MAESTRO_MONGO_URI"),
			...databaseJobs,
			"mongodb-init",
			mongodb.name,
		];
		edges.push(
			...callers.map((from) => ({
				from,
				to: mongodb.name,
				port: mongodb.port,
			})),
		);
	}
	if (stores.broker?.kind === "own") {
		edges.push(
			...listHolders(processes, "CELERY_BROKER_URL").map((from) => ({
				from,
				to: rabbitmq.name,
				port: rabbitmq.port,
			})),
			...clusterPorts.map((port) => ({
				from: rabbitmq.name,
				to: rabbitmq.name,
				port,
			})),
		);
	}
	return edges;
}

const listHolders = (
	processes: readonly Tailored[],
	secret: Tailored["secrets"][number],
): Part[] =>
	processes
		.filter(({ secrets }) => secrets.includes(secret))
		.map(({ name }) => name);

function listVerificationCalls({ processes, stores }: Plan): Edge[] {
	const from = verification;
	return [
		...processes.flatMap(({ name, port }) =>
			port === null ? [] : [{ from, to: name, port }],
		),
		...(stores.mongodb.kind === "own"
			? [{ from, to: mongodb.name, port: mongodb.port }]
			: []),
		...(stores.broker?.kind === "own"
			? [{ from, to: rabbitmq.name, port: rabbitmq.managementPort }]
			: []),
	];
}

function listExits({ input, processes, stores }: Plan): Exit[] {
	const { smtp } = input.parameters;
	const exits: Exit[] = [];
	for (const { name, keepsFiles } of processes) {
		// Cloud APIs, and whatever hosts a user's sources lie on.
		if (name === "discovery-worker") exits.push({ from: name });
		if (name === "server" && smtp) exits.push({ from: name, port: smtp.port });
		if (keepsFiles && input.target.aws) exits.push({ from: name, port: https });
	}
	if (input.target.aws)
		exits.push(
			{ from: "backup", port: https },
			{ from: "restore", port: https },
		);
	if (stores.mongodb.kind === "external") {
		const callers = [
			...listHolders(processes, "MAESTRO_MONGO_URI"),
			...databaseJobs,
		];
		for (const port of stores.mongodb.ports)
			exits.push(...callers.map((from) => ({ from, port })));
	}
	if (stores.broker?.kind === "external") {
		const callers = listHolders(processes, "CELERY_BROKER_URL");
		for (const port of stores.broker.ports)
			exits.push(...callers.map((from) => ({ from, port })));
	}
	return exits;
}

const listEntrances = (processes: readonly Tailored[]): Entrance[] =>
	processes.flatMap(({ name, port, publicPath, gate }) => {
		if (port === null || publicPath === null) return [];
		const ports = [
			...(gate === null ? [] : [gate.port]),
			...(gate?.takesAll ? [] : [port]),
		];
		return ports.map((open) => ({
			from: "edge" as const,
			to: name,
			port: open,
		}));
	});
