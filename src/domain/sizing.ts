// What a size means, and what an environment asks its cluster for. Arithmetic only: the programs declare by it, and what
// answers HTTP, which never loads them, counts by it.
import {
	listAbsent,
	type ShownParameters,
	scalable,
	usesBroker,
} from "./parameters.ts";
import { type ProcessName, processNames } from "./release.ts";
import type { Size } from "./spec.ts";

/** What both hold: parameters as they were given, and as they are shown. */
type Parameters = Pick<
	ShownParameters,
	"replicas" | "resources" | "features" | "closedSignUp"
> & {
	/** Whether a store is there is all that counts. */
	readonly external: {
		readonly mongodb?: string | undefined;
		readonly rabbitmq?: string | undefined;
	};
};

export interface Sizing {
	/** Of each process that may run more than once. */
	readonly replicas: number;
	/** Whether replicas must be on different nodes, or only should. */
	readonly separateHosts: boolean;
	readonly cpuRequestMillis: number;
	readonly memoryFactor: number;
	/** Celery takes the node's CPU count otherwise, whatever the container's limit is. */
	readonly celeryConcurrency: number;
	readonly mongodb: {
		readonly members: number;
		readonly memoryMiB: number;
		readonly cacheGiB: number;
		readonly oplogMiB: number;
	};
	readonly rabbitmq: {
		readonly members: number;
		readonly memoryMiB: number;
	};
}

export const sizings: Readonly<Record<Size, Sizing>> = {
	small: {
		replicas: 1,
		separateHosts: false,
		cpuRequestMillis: 25,
		memoryFactor: 1,
		celeryConcurrency: 2,
		mongodb: {
			members: 1,
			memoryMiB: 1024,
			cacheGiB: 0.25,
			oplogMiB: 256,
		},
		rabbitmq: { members: 1, memoryMiB: 768 },
	},
	ha: {
		replicas: 2,
		separateHosts: true,
		cpuRequestMillis: 100,
		memoryFactor: 2,
		celeryConcurrency: 4,
		mongodb: {
			members: 3,
			memoryMiB: 2048,
			cacheGiB: 0.75,
			oplogMiB: 1024,
		},
		rabbitmq: { members: 3, memoryMiB: 1024 },
	},
};

/** Up to how much memory a process needs, where neither size nor parameter says more. */
const memoryMiB: Readonly<Record<ProcessName, number>> = {
	client: 320,
	server: 832,
	discovery: 1024,
	"discovery-worker": 1024,
	reports: 1024,
	"reports-worker": 1024,
	scheduler: 512,
	"scheduler-worker": 768,
	analytics: 512,
	"analytics-worker": 1024,
	"analytics-front": 512,
	data: 512,
	audit: 512,
	websocket: 256,
};

/** false: exactly one, in every size and at every moment. */
export const isReplicated = (process: ProcessName): boolean =>
	scalable.some((name) => name === process);

/** How many pods of a process run in an environment. */
export function countReplicas(
	process: ProcessName,
	sizing: Sizing,
	{ replicas }: Pick<Parameters, "replicas">,
): number {
	if (!isReplicated(process)) return 1;
	return new Map(Object.entries(replicas)).get(process) ?? sizing.replicas;
}

export interface Resources {
	readonly requests: { readonly cpu: string; readonly memory: string };
	readonly limits: { readonly cpu: string; readonly memory: string };
}

/** Requests and limits for a container that needs up to `memoryMiB`. Half of the memory is reserved, the rest may be lent. */
export function sizeContainer(
	cpuRequestMillis: number,
	memoryMiB: number,
	cpuLimitMillis = 1000,
): Resources {
	return {
		requests: {
			cpu: `${Math.min(cpuRequestMillis, cpuLimitMillis)}m`,
			memory: `${Math.ceil(memoryMiB / 2)}Mi`,
		},
		limits: { cpu: `${cpuLimitMillis}m`, memory: `${memoryMiB}Mi` },
	};
}

export function sizeProcess(
	process: ProcessName,
	sizing: Sizing,
	{ resources }: Pick<Parameters, "resources">,
): Resources {
	const { cpu, memory } = resources[process] ?? {};
	return sizeContainer(
		sizing.cpuRequestMillis,
		memory === undefined
			? memoryMiB[process] * sizing.memoryFactor
			: parseMiB(memory),
		cpu === undefined ? undefined : parseMillis(cpu),
	);
}

/** What the containers of one pod take together. */
export function addResources(parts: readonly Resources[]): Resources {
	const sum = (read: (part: Resources) => number) =>
		parts.reduce((total, part) => total + read(part), 0);
	return {
		requests: {
			cpu: `${sum(({ requests }) => parseMillis(requests.cpu))}m`,
			memory: `${sum(({ requests }) => parseMiB(requests.memory))}Mi`,
		},
		limits: {
			cpu: `${sum(({ limits }) => parseMillis(limits.cpu))}m`,
			memory: `${sum(({ limits }) => parseMiB(limits.memory))}Mi`,
		},
	};
}

/** Of a quantity of CPU, such as `500m` or `2`. */
export const parseMillis = (quantity: string): number =>
	Number.parseInt(quantity, 10) * (quantity.endsWith("m") ? 1 : 1000);

/** Of a quantity of memory or storage, such as `512Mi` or `20Gi`. */
export const parseMiB = (quantity: string): number =>
	Number.parseInt(quantity, 10) * (quantity.endsWith("Gi") ? 1024 : 1);

/** For a member of a store. */
export const sizeMember = (memoryMiB: number): Resources =>
	sizeContainer(100, memoryMiB);

/** For what fetches the metrics of a member. */
export const exporterResources = sizeContainer(10, 128, 500);

/** For containers that only wait, or run for a moment. */
export const errandResources = sizeContainer(10, 256);

/** For a proxy that stands before a process. */
export const gateResources = sizeContainer(10, 128, 500);

/** Whether browsers reach a process through a proxy. */
export const isGated = (
	process: ProcessName,
	{ closedSignUp }: Pick<Parameters, "closedSignUp">,
): boolean => process === "client" || (process === "server" && closedSignUp);

/** What an environment's pods ask their cluster to keep for them while everything runs, in thousandths of a CPU and in MiB. */
export interface Demand {
	readonly cpuMillis: number;
	readonly memoryMiB: number;
}

/**
 * Without what runs for a moment only: Jobs, and the second of each pod while a change is rolled out. Where the server keeps
 * its files itself, on a target without AWS, there is one of it, and this is a little too much.
 */
export function decideDemand(wish: {
	readonly size: Size;
	readonly parameters: Parameters;
}): Demand {
	const sizing = sizings[wish.size];
	const { parameters } = wish;
	const absent = listAbsent(parameters.features);
	const { mongodb, rabbitmq } = parameters.external;
	const pods = [
		...processNames
			.filter((name) => !absent.has(name))
			.map((name) => ({
				count: countReplicas(name, sizing, parameters),
				containers: [
					sizeProcess(name, sizing, parameters),
					...(isGated(name, parameters) ? [gateResources] : []),
				],
			})),
		{
			count: mongodb === undefined ? sizing.mongodb.members : 0,
			containers: [sizeMember(sizing.mongodb.memoryMiB), exporterResources],
		},
		{
			count:
				rabbitmq === undefined && usesBroker(parameters.features)
					? sizing.rabbitmq.members
					: 0,
			containers: [sizeMember(sizing.rabbitmq.memoryMiB)],
		},
	];
	const sum = (read: (requests: Resources["requests"]) => number) =>
		pods.reduce(
			(total, { count, containers }) =>
				total + count * read(addResources(containers).requests),
			0,
		);
	return {
		cpuMillis: sum(({ cpu }) => parseMillis(cpu)),
		memoryMiB: sum(({ memory }) => parseMiB(memory)),
	};
}
