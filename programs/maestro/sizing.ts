// What a size means. Arithmetic only: nothing here knows Pulumi.
import type { Parameters } from "../../src/domain/parameters.ts";
import type { Size } from "../../src/domain/spec.ts";
import type { Process } from "./processes.ts";

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

/** How many pods of a process run in an environment. */
export function countReplicas(
	process: Pick<Process, "name" | "replicated">,
	sizing: Sizing,
	{ replicas }: Pick<Parameters, "replicas">,
): number {
	if (!process.replicated) return 1;
	return new Map(Object.entries(replicas)).get(process.name) ?? sizing.replicas;
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
	process: Pick<Process, "name" | "memoryMiB">,
	sizing: Sizing,
	{ resources }: Pick<Parameters, "resources">,
): Resources {
	const { cpu, memory } = resources[process.name] ?? {};
	return sizeContainer(
		sizing.cpuRequestMillis,
		memory === undefined
			? process.memoryMiB * sizing.memoryFactor
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
