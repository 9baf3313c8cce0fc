// What a size means. Arithmetic only: nothing here knows Pulumi.
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
		readonly storage: string;
	};
	readonly rabbitmq: {
		readonly members: number;
		readonly memoryMiB: number;
		readonly storage: string;
	};
	/** Of the claim that holds the backups, where there is no bucket. */
	readonly backupStorage: string;
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
			storage: "4Gi",
		},
		rabbitmq: { members: 1, memoryMiB: 768, storage: "1Gi" },
		backupStorage: "4Gi",
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
			storage: "20Gi",
		},
		rabbitmq: { members: 3, memoryMiB: 1024, storage: "4Gi" },
		backupStorage: "40Gi",
	},
};

/** How many pods of a process run in a size. */
export function countReplicas(
	process: Pick<Process, "replicated">,
	sizing: Sizing,
): number {
	return process.replicated ? sizing.replicas : 1;
}

export interface Resources {
	readonly requests: { readonly cpu: string; readonly memory: string };
	readonly limits: { readonly cpu: string; readonly memory: string };
}

/** Requests and limits for a container that needs up to `memoryMiB`. Half of the memory is reserved, the rest may be lent. */
export function sizeContainer(
	cpuRequestMillis: number,
	memoryMiB: number,
): Resources {
	return {
		requests: {
			cpu: `${cpuRequestMillis}m`,
			memory: `${Math.ceil(memoryMiB / 2)}Mi`,
		},
		limits: { cpu: "1", memory: `${memoryMiB}Mi` },
	};
}

export function sizeProcess(
	process: Pick<Process, "memoryMiB">,
	sizing: Sizing,
): Resources {
	return sizeContainer(
		sizing.cpuRequestMillis,
		process.memoryMiB * sizing.memoryFactor,
	);
}

/** For containers that only wait, or run for a moment. */
export const errandResources = sizeContainer(10, 256);
