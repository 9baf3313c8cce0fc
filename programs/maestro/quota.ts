// What an environment may take at most: enough for all that it declares, for a roll-out of everything at once and for
// its Jobs; and no more, so that a mistake in one environment is not felt in another.
import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { type Claim, claims, decideStorage } from "../../src/domain/change.ts";
import {
	addResources,
	countReplicas,
	exporterResources,
	gateResources,
	parseMiB,
	parseMillis,
	type Resources,
	sizeContainer,
	sizeMember,
	sizeProcess,
	sizings,
} from "../../src/domain/sizing.ts";
import { labelsOf } from "./conventions.ts";
import { findGate } from "./gates.ts";
import { processes } from "./processes.ts";

type Wish = Pick<BlueprintInput, "size" | "parameters">;
interface Pods {
	readonly count: number;
	readonly resources: Resources;
}

/** Declares all of them. They are to precede every pod and every claim that they must let in. */
export function createLimits(wish: Wish): readonly pulumi.Resource[] {
	const metadata = (name: string) => ({
		name,
		labels: labelsOf({ name, component: "quota" }),
	});
	return [
		// Two, because each admission writes to its quota: what is claimed must not stumble over what is started.
		new kubernetes.core.v1.ResourceQuota("pods", {
			metadata: metadata("pods"),
			spec: { hard: sizePodQuota(wish) },
		}),
		new kubernetes.core.v1.ResourceQuota("claims", {
			metadata: metadata("claims"),
			spec: { hard: sizeClaimQuota(wish) },
		}),
		new kubernetes.core.v1.LimitRange("environment", {
			metadata: metadata("environment"),
			spec: { limits: sizeLimits(wish) },
		}),
	];
}

/** For a pod that somebody else makes in the namespace, such as cert-manager's, and that says nothing of its needs. */
const stranger = sizeContainer(50, 256, 500);
const strangers = 4;
/** The largest of what the Jobs of migration, backup, restore and verification take, and as many as may run at once. */
const job = sizeContainer(50, 512);
const jobs = 8;

/**
 * Of the whole table, switched off or not: an upgrade that switches something off still has its pods for a while, and
 * a quota that falls before they are gone would stop the roll-out of the others.
 */
function listPods({ size, parameters }: Wish): Pods[] {
	const sizing = sizings[size];
	return [
		...processes.map((process) => ({
			// A roll-out has old and new ones, and those that end count until they are gone.
			count: 2 * countReplicas(process.name, sizing, parameters),
			resources: addResources([
				sizeProcess(process.name, sizing, parameters),
				...(findGate(process.name, parameters) === null ? [] : [gateResources]),
			]),
		})),
		{
			count: sizing.mongodb.members,
			resources: addResources([
				sizeMember(sizing.mongodb.memoryMiB),
				exporterResources,
			]),
		},
		{
			count: sizing.rabbitmq.members,
			resources: sizeMember(sizing.rabbitmq.memoryMiB),
		},
		{ count: jobs, resources: job },
		{ count: strangers, resources: stranger },
	];
}

function sizePodQuota(wish: Wish): Record<string, string> {
	const pods = listPods(wish);
	const sum = (read: (resources: Resources) => number) =>
		pods.reduce(
			(total, { count, resources }) => total + count * read(resources),
			0,
		);
	return {
		pods: String(pods.reduce((total, { count }) => total + count, 0)),
		"requests.cpu": `${sum(({ requests }) => parseMillis(requests.cpu))}m`,
		"requests.memory": `${sum(({ requests }) => parseMiB(requests.memory))}Mi`,
		"limits.cpu": `${sum(({ limits }) => parseMillis(limits.cpu))}m`,
		"limits.memory": `${sum(({ limits }) => parseMiB(limits.memory))}Mi`,
	};
}

function sizeClaimQuota(wish: Wish): Record<string, string> {
	const { mongodb, rabbitmq } = sizings[wish.size];
	const counts: Readonly<Record<Claim, number>> = {
		mongodb: mongodb.members,
		rabbitmq: rabbitmq.members,
		backups: 1,
	};
	const sum = (read: (claim: Claim) => number) =>
		claims.reduce((total, claim) => total + counts[claim] * read(claim), 0);
	return {
		persistentvolumeclaims: String(sum(() => 1)),
		"requests.storage": `${sum((claim) => parseMiB(decideStorage(wish, claim)))}Mi`,
		// What is public is public through an Ingress.
		"services.loadbalancers": "0",
		"services.nodeports": "0",
	};
}

function sizeLimits(wish: Wish) {
	const all = listPods(wish).map(({ resources }) => resources.limits);
	const largest = (values: readonly number[]) => Math.max(...values);
	return [
		{
			type: "Container",
			// No container says how much of its node's disk it needs. All of them write little, except a backup on its
			// way to a bucket, which lies on the node for a while and is no larger than the databases.
			default: {
				...stranger.limits,
				"ephemeral-storage": decideStorage(wish, "mongodb"),
			},
			defaultRequest: { ...stranger.requests, "ephemeral-storage": "64Mi" },
			max: {
				cpu: `${largest(all.map(({ cpu }) => parseMillis(cpu)))}m`,
				memory: `${largest(all.map(({ memory }) => parseMiB(memory)))}Mi`,
			},
		},
		{
			type: "PersistentVolumeClaim",
			max: {
				storage: `${largest(claims.map((claim) => parseMiB(decideStorage(wish, claim))))}Mi`,
			},
		},
	];
}
