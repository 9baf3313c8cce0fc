// What is remembered of a cluster's environments, and why what is not ready is not.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../../src/cluster/objects.ts";
import { makeSightings } from "../../src/cluster/sightings.ts";
import {
	makeDeployment,
	makeEvent,
	makePod,
	makeStatefulSet,
	readyStatus,
	waitingStatus,
} from "./given.ts";

const of = <T extends KubeObject>(object: T, environment = "env_1"): T => ({
	...object,
	metadata: {
		...object.metadata,
		labels: {
			...object.metadata?.labels,
			"impresario.dev/environment": environment,
		},
	},
});

const readyDeployment = () =>
	of(makeDeployment({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 }));
const halfDeployment = () =>
	of(makeDeployment({ replicas: 2, updatedReplicas: 2, availableReplicas: 1 }));

const podOf = (
	replicaSet: string,
	status: Parameters<typeof makePod>[0]["status"],
) => {
	const pod = of(makePod({ status }));
	return {
		...pod,
		metadata: {
			...pod.metadata,
			ownerReferences: [
				{
					apiVersion: "apps/v1",
					kind: "ReplicaSet",
					name: replicaSet,
					uid: replicaSet,
				},
			],
		},
	};
};

test("nothing that is ready is kept, and all of it is counted", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "LISTED", readyDeployment());
	sightings.note("pods", "LISTED", podOf("server-1", readyStatus));
	assert.equal(sightings.count(), 0);
	assert.deepEqual(sightings.read("env_1", []), { workloads: 1, reasons: [] });
	assert.equal(sightings.read("env_2", []), undefined);
});

test("the reason of a Deployment comes from the pods of its newest ReplicaSet", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "LISTED", readyDeployment());
	sightings.note("deployments", "MODIFIED", halfDeployment());
	const pod = podOf("server-1", waitingStatus("ErrImagePull", "no such tag"));
	assert.equal(sightings.note("pods", "ADDED", pod), "env_1");
	sightings.note(
		"pods",
		"ADDED",
		of(
			podOf("server-front-1", waitingStatus("InvalidImageName", "x")),
			"env_2",
		),
	);
	const seen = sightings.read("env_1", []);
	assert.equal(seen?.workloads, 1);
	assert.deepEqual(
		seen?.reasons.map(({ kind, name, reason }) => [kind, name, reason]),
		[["apps/v1/Deployment", "server", "ImagePullBackOff"]],
	);
	assert.match(seen?.reasons[0]?.message ?? "", /no such tag/);
});

test("what is not ready and has no reason says how far it is", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "LISTED", halfDeployment());
	sightings.note(
		"statefulSets",
		"LISTED",
		of(makeStatefulSet({ readyReplicas: 1, availableReplicas: 1 })),
	);
	assert.deepEqual(
		sightings
			.read("env_1", [])
			?.reasons.map(({ name, reason, message }) => [name, reason, message]),
		[
			["mongodb", "NotReady", "1 of 3 replicas are ready"],
			["server", "NotReady", "1 of 2 replicas are available"],
		],
	);
});

test("warnings of the namespace explain a pod whose status does not", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "LISTED", halfDeployment());
	const pod = podOf("server-1", waitingStatus("ContainerCreating", undefined));
	sightings.note("pods", "LISTED", pod);
	const event = makeEvent(pod, "FailedMount", "the volume is elsewhere");
	assert.deepEqual(
		sightings.read("env_1", [event])?.reasons.map(({ reason }) => reason),
		["FailedMount"],
	);
});

test("what is ready again or deleted is forgotten, and so is an environment of which nothing is left", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "ADDED", halfDeployment());
	assert.equal(sightings.count(), 1);
	sightings.note("deployments", "MODIFIED", readyDeployment());
	assert.equal(sightings.count(), 0);
	sightings.note("deployments", "MODIFIED", halfDeployment());
	sightings.note("deployments", "DELETED", halfDeployment());
	assert.equal(sightings.count(), 0);
	assert.equal(sightings.read("env_1", []), undefined);
});

test("a list that begins anew forgets what the one before told", () => {
	const sightings = makeSightings();
	sightings.note("deployments", "LISTED", halfDeployment());
	sightings.forget("deployments");
	assert.equal(sightings.read("env_1", []), undefined);
	sightings.note("deployments", "LISTED", readyDeployment());
	assert.equal(sightings.read("env_1", [])?.workloads, 1);
});
