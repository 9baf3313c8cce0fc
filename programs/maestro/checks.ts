// What is promised of an environment once it is deployed, in terms of the verification.
import type { Check, PodPromise } from "../../src/domain/blueprint.ts";
import { queues } from "../../src/domain/parameters.ts";
import type { ReleaseImages } from "../../src/domain/release.ts";
import type { Sizing } from "../../src/domain/sizing.ts";
import { internalUrl } from "./addresses.ts";
import {
	listMongodbHosts,
	mongodb,
	rabbitmq,
	type Stores,
} from "./datastores.ts";
import type { Tailored } from "./tailor.ts";
import { listVersionChecks } from "./versions.ts";

interface Plan {
	readonly processes: readonly Tailored[];
	readonly sizing: Sizing;
	readonly stores: Stores;
}

/** What is asked inside of the namespace: versions, the client's page, and the stores that are the environment's own. */
export function listChecks(
	{ processes, stores }: Plan,
	images: ReleaseImages,
): readonly Check[] {
	return [
		...listVersionChecks(processes, images),
		{
			kind: "page",
			process: "client",
			url: `${internalUrl("client")}/`,
			version: null,
		},
		...checkReplicaSet(stores),
		...checkQueues(processes, stores),
	];
}

function checkReplicaSet({ mongodb: place }: Stores): Check[] {
	if (place.kind !== "own") return [];
	return [
		{
			kind: "replicaSet",
			process: mongodb.name,
			set: mongodb.replicaSet,
			hosts: listMongodbHosts(place.members),
			version: null,
		},
	];
}

/** Each of these features has a queue of its name, and a worker that takes from it. */
function checkQueues(
	processes: readonly Tailored[],
	{ broker }: Stores,
): Check[] {
	if (broker?.kind !== "own") return [];
	return [
		{
			kind: "queues",
			process: rabbitmq.name,
			// Of the virtual host `/`, and no more of each queue than is looked at.
			url: `http://${rabbitmq.name}:${rabbitmq.managementPort}/api/queues/%2F?columns=name,consumers`,
			queues: queues.filter((queue) =>
				processes.some(({ name }) => name === `${queue}-worker`),
			),
			user: rabbitmq.user,
			password: { secret: "datastores", key: "RABBITMQ_PASSWORD" },
			version: null,
		},
	];
}

/** What is asked of the cluster: the pods of each part, and that they do not share a node where they must not. */
export function listPodPromises({
	processes,
	sizing,
	stores,
}: Plan): readonly PodPromise[] {
	const spread = (pods: number, most: number) =>
		sizing.separateHosts ? Math.min(pods, most) : 1;
	const ofStore = (part: string, members: number): PodPromise => ({
		part,
		ready: members,
		exactly: true,
		nodes: spread(members, members),
	});
	return [
		...processes.map(({ name, replicas, replicated }) => ({
			part: name,
			ready: replicas,
			exactly: !replicated,
			// The scheduler of the cluster is told no more either: whoever asks for many replicas may have few nodes.
			nodes: spread(replicas, sizing.replicas),
		})),
		...(stores.mongodb.kind === "own"
			? [ofStore(mongodb.name, sizing.mongodb.members)]
			: []),
		...(stores.broker?.kind === "own"
			? [ofStore(rabbitmq.name, sizing.rabbitmq.members)]
			: []),
	];
}
