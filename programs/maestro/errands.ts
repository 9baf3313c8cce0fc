// Containers that do one thing and end: they wait for a store, or change something in MongoDB.
//
// Server, analytics-front and audit swallow a failed first connection and then serve nothing, so that waiting for
// an open port would not be enough: the wait signs in.
import type * as kubernetes from "@pulumi/kubernetes";
import { mongodb, mongodbShellUri, rabbitmq } from "./datastores.ts";
import { asMaestro, expectMigration, secretFolder } from "./mongodb-scripts.ts";
import { runAsUser } from "./pods.ts";
import type { Dependency } from "./processes.ts";
import { createSecretVolume } from "./secrets.ts";
import { errandResources } from "./sizing.ts";

type Container = kubernetes.types.input.core.v1.Container;
type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type Volume = kubernetes.types.input.core.v1.Volume;

const volumeName = "mongodb-secrets";

/** The volume that a pod with an errand at MongoDB must have. */
export function createErrandVolume(
	keys: readonly ("MONGODB_PASSWORD" | "MONGODB_ROOT_PASSWORD")[],
): Volume {
	return createSecretVolume(volumeName, keys);
}

/** Runs `script` in MongoDB's shell against the primary: once, or until it succeeds. */
export function createMongodbErrand(errand: {
	readonly name: string;
	readonly members: number;
	readonly script: string;
	readonly repeat: boolean;
}): Container {
	const shell = 'mongo --norc --quiet "$0" --eval "$1"';
	return {
		name: errand.name,
		image: mongodb.image,
		command: [
			"bash",
			"-c",
			errand.repeat ? `until ${shell}; do sleep 2; done` : shell,
			mongodbShellUri(errand.members),
			errand.script,
		],
		volumeMounts: [
			{ name: volumeName, mountPath: secretFolder, readOnly: true },
		],
		securityContext: runAsUser(mongodb.uid),
		resources: errandResources,
	};
}

/** An init container that signs in as Maestro does, over and over until it can. */
export function createMongodbWait(
	name: string,
	members: number,
	script = asMaestro(),
): Container {
	return createMongodbErrand({ name, members, script, repeat: true });
}

function createRabbitmqWait(): Container {
	return {
		name: "wait-for-rabbitmq",
		// The same image as the other errands: a node pulls it once.
		image: mongodb.image,
		// The Service has an address only once a node is ready, and it is ready only with its user in place.
		command: [
			"bash",
			"-c",
			`until timeout 5 bash -c "exec 3<>/dev/tcp/${rabbitmq.name}/${rabbitmq.port}"; do sleep 2; done`,
		],
		securityContext: runAsUser(mongodb.uid),
		resources: errandResources,
	};
}

/** One init container for each thing to wait for, with the volumes that they need. `serverImage` is the one whose migrations must have run. */
export function createWaits(
	dependencies: readonly Dependency[],
	goal: { readonly members: number; readonly serverImage: string },
): Pick<PodSpec, "initContainers" | "volumes"> {
	const { members, serverImage } = goal;
	const waits: Record<Dependency, () => Container> = {
		mongodb: () => createMongodbWait("wait-for-mongodb", members),
		rabbitmq: createRabbitmqWait,
		migration: () =>
			createMongodbWait(
				"wait-for-migration",
				members,
				expectMigration(serverImage),
			),
	};
	const signsIn = dependencies.some((dependency) => dependency !== "rabbitmq");
	return {
		initContainers: dependencies.map((dependency) => waits[dependency]()),
		...(signsIn ? { volumes: [createErrandVolume(["MONGODB_PASSWORD"])] } : {}),
	};
}
