// The order of a roll-out: which process belongs to which stage, and the pause at the end of each.
import type * as pulumi from "@pulumi/pulumi";
import {
	type Pace,
	type StageName,
	stageNames,
	type WorkloadName,
} from "../../src/domain/blueprint.ts";
import type { Process } from "./processes.ts";

/** The stages of processes, in their order. */
export const processStages = stageNames.slice(stageNames.indexOf("backEnds"));

/** Whatever browsers reach is a front, the main API among it: it talks to all the others. */
export function stageOf({
	role,
	publicPath,
}: Pick<Process, "role" | "publicPath">): StageName {
	if (role === "scheduler") return "beat";
	if (publicPath !== null) return "fronts";
	return role === "worker" ? "workers" : "backEnds";
}

export interface Stages {
	/** Takes note of each object that is declared. */
	note(declared: Declared): void;
	/** Fulfils when all that was declared since the stage before is applied and, where there is a pace, runs. */
	end(name: StageName): Promise<void>;
}

interface Declared {
	readonly type: string;
	readonly name: string | undefined;
	readonly resource: pulumi.Resource;
}

/** The types of the engine that somebody waits for, and how Kubernetes calls them. */
const workloads: Readonly<Record<string, string>> = {
	"kubernetes:apps/v1:Deployment": "apps/v1/Deployment",
	"kubernetes:apps/v1:StatefulSet": "apps/v1/StatefulSet",
	"kubernetes:batch/v1:Job": "batch/v1/Job",
};

export function makeStages(pace: Pace | undefined): Stages {
	let resources: pulumi.Resource[] = [];
	let named: WorkloadName[] = [];
	return {
		note({ type, name, resource }) {
			resources.push(resource);
			const kind = workloads[type];
			if (kind !== undefined && name !== undefined) named.push({ kind, name });
		},
		async end(name) {
			if (pace === undefined) return;
			const [declared, stage] = [resources, { name, workloads: named }];
			resources = [];
			named = [];
			await Promise.all(declared.map(waitUntilApplied));
			if (stage.workloads.length > 0) await pace(stage);
		},
	};
}

/** An object's URN is known once the engine is done with it. */
async function waitUntilApplied({ urn }: pulumi.Resource): Promise<void> {
	// Its declaration leaves out that an output has a promise; `apply` would keep a failure to itself.
	await (urn as typeof urn & { promise(): Promise<unknown> }).promise();
}
