import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeEvent, Pod } from "../../src/cluster/objects.ts";
import { decidePod } from "../../src/cluster/pod-readiness.ts";
import {
	containerStatus,
	makeEvent,
	makePod,
	readyStatus,
	waitingStatus,
} from "./given.ts";

type PodStatus = NonNullable<Pod["status"]>;

const decide = (status: PodStatus, events: KubeEvent[] = []) =>
	decidePod(makePod({ status }), events);

const calm: readonly (readonly [string, PodStatus, string])[] = [
	["a ready pod is ready", readyStatus, "ready"],
	["a pod that succeeded is ready", { phase: "Succeeded" }, "ready"],
	["a pod nobody has looked at waits", {}, "waiting"],
	[
		"a pod whose container is being created waits",
		waitingStatus("ContainerCreating", undefined),
		"waiting",
	],
	[
		"a running pod that is not ready waits",
		{ phase: "Running", conditions: [{ type: "Ready", status: "False" }] },
		"waiting",
	],
	[
		"a pod whose claims are about to be bound waits",
		{
			phase: "Pending",
			conditions: [
				{
					type: "PodScheduled",
					status: "False",
					reason: "Unschedulable",
					message:
						"0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
				},
			],
		},
		"waiting",
	],
];
for (const [name, status, state] of calm) {
	test(name, () => assert.equal(decide(status).state, state));
}

interface StuckCase {
	readonly name: string;
	readonly status: PodStatus;
	readonly events?: KubeEvent[];
	readonly reason: string;
	readonly lasting: boolean;
	readonly message: RegExp;
	readonly advice: RegExp;
}

const crashed = (restartCount: number, reason = "Error", exitCode = 1) =>
	waitingStatus("CrashLoopBackOff", "back-off 40s restarting", {
		restartCount,
		lastState: {
			terminated: { exitCode, reason, message: "password=hunter2" },
		},
	});

const stuck: readonly StuckCase[] = [
	{
		name: "an image that is not there lasts",
		status: waitingStatus("ErrImagePull", 'manifest "x:1" not found'),
		reason: "ErrImagePull",
		lasting: true,
		message: /container main: manifest "x:1" not found/,
		advice: /registry\.example\/server:1/,
	},
	{
		name: "a pull that is backed off lasts though it names no cause",
		status: waitingStatus("ImagePullBackOff", 'Back-off pulling image "x:1"'),
		reason: "ImagePullBackOff",
		lasting: true,
		message: /Back-off pulling image/,
		advice: /image/,
	},
	{
		name: "a registry that is busy may pass",
		status: waitingStatus(
			"ImagePullBackOff",
			"Back-off pulling: 429 Too Many Requests",
		),
		reason: "ImagePullBackOff",
		lasting: false,
		message: /429/,
		advice: /image/,
	},
	{
		name: "a registry that cannot be reached may pass",
		status: waitingStatus(
			"ErrImagePull",
			"dial tcp 192.0.2.1:443: i/o timeout",
		),
		reason: "ErrImagePull",
		lasting: false,
		message: /timeout/,
		advice: /image/,
	},
	{
		name: "an image name that is none lasts",
		status: waitingStatus("InvalidImageName", "couldn't parse image name"),
		reason: "InvalidImageName",
		lasting: true,
		message: /couldn't parse/,
		advice: /Correct the image reference/,
	},
	{
		name: "a Secret that is not there lasts",
		status: waitingStatus(
			"CreateContainerConfigError",
			'secret "jwt" not found',
		),
		reason: "CreateContainerConfigError",
		lasting: true,
		message: /secret "jwt" not found/,
		advice: /ConfigMap or Secret/,
	},
	{
		name: "a command that is not there becomes a crash loop by itself",
		status: waitingStatus("RunContainerError", "executable file not found"),
		reason: "RunContainerError",
		lasting: false,
		message: /executable/,
		advice: /command/,
	},
	{
		name: "two restarts may belong to a start",
		status: crashed(2),
		reason: "CrashLoopBackOff",
		lasting: false,
		message: /ended with exit code 1 \(Error\), 2 restarts/,
		advice: /kubectl -n ns logs pod-1 -c main --previous/,
	},
	{
		name: "three restarts last",
		status: crashed(3),
		reason: "CrashLoopBackOff",
		lasting: true,
		message: /3 restarts/,
		advice: /logs/,
	},
	{
		name: "a container that ran out of memory needs more of it",
		status: crashed(3, "OOMKilled", 137),
		reason: "CrashLoopBackOff",
		lasting: true,
		message: /exit code 137 \(OOMKilled\)/,
		advice: /more memory/,
	},
	{
		name: "an init container counts like any other",
		status: {
			phase: "Pending",
			initContainerStatuses:
				waitingStatus("ImagePullBackOff", "not found").containerStatuses ?? [],
			containerStatuses:
				waitingStatus("PodInitializing", undefined).containerStatuses ?? [],
		},
		reason: "ImagePullBackOff",
		lasting: true,
		message: /not found/,
		advice: /image/,
	},
	{
		name: "of two containers the one that will not mend is told of",
		status: {
			phase: "Pending",
			containerStatuses: [
				...(waitingStatus("RunContainerError", "first").containerStatuses ??
					[]),
				...(waitingStatus("InvalidImageName", "second").containerStatuses ??
					[]),
			],
		},
		reason: "InvalidImageName",
		lasting: true,
		message: /second/,
		advice: /image/,
	},
	{
		name: "a pod for which there is no room may get some",
		status: {
			phase: "Pending",
			conditions: [
				{
					type: "PodScheduled",
					status: "False",
					reason: "Unschedulable",
					message: "0/6 nodes are available: 6 Insufficient cpu.",
				},
			],
		},
		reason: "Unschedulable",
		lasting: false,
		message: /Insufficient cpu/,
		advice: /room/,
	},
	{
		name: "a volume that cannot be mounted is told by its event",
		status: waitingStatus("ContainerCreating", undefined),
		events: [
			makeEvent(
				{ metadata: { uid: "uid-pod-1" } },
				"FailedMount",
				'MountVolume.SetUp failed: configmap "x" not found',
			),
		],
		reason: "FailedMount",
		lasting: true,
		message: /configmap "x" not found/,
		advice: /mounts/,
	},
	{
		name: "a volume that is still attached elsewhere may come",
		status: waitingStatus("ContainerCreating", undefined),
		events: [
			makeEvent(
				{ metadata: { uid: "uid-pod-1" } },
				"FailedAttachVolume",
				"Multi-Attach error",
			),
		],
		reason: "FailedAttachVolume",
		lasting: false,
		message: /Multi-Attach/,
		advice: /volumes/,
	},
	{
		name: "a pod that failed says how its container ended",
		status: containerStatus(
			{ state: { terminated: { exitCode: 2, reason: "Error" } } },
			"Failed",
		),
		reason: "Error",
		lasting: true,
		message: /container main ended with exit code 2 \(Error\)/,
		advice: /kubectl -n ns logs pod-1/,
	},
	{
		name: "a pod that was evicted says so",
		status: { phase: "Failed", reason: "Evicted", message: "low on memory" },
		reason: "Evicted",
		lasting: true,
		message: /low on memory/,
		advice: /logs/,
	},
];

for (const { name, status, events, ...expected } of stuck) {
	test(name, () => {
		const verdict = decide(status, events);
		assert.equal(verdict.state, "stuck");
		if (verdict.state !== "stuck") return;
		assert.equal(verdict.reason, expected.reason);
		assert.equal(verdict.lasting, expected.lasting);
		assert.match(verdict.message, expected.message);
		assert.match(verdict.advice, expected.advice);
	});
}

test("what a program left as its last words is not told: it may be secret", () => {
	assert.ok(!JSON.stringify(decide(crashed(3))).includes("hunter2"));
});

test("events about another pod of the same name are not this pod's", () => {
	const event = makeEvent(
		{ metadata: { uid: "uid-of-its-predecessor" } },
		"FailedMount",
		"not found",
	);
	const status = waitingStatus("ContainerCreating", undefined);
	assert.equal(decide(status, [event]).state, "waiting");
});

test("a pod that is not ready says what its probe says, the latest of it", () => {
	const pod = { metadata: { uid: "uid-pod-1" } };
	const verdict = decide({ phase: "Running" }, [
		makeEvent(pod, "Unhealthy", "statuscode: 503", "2026-01-01T00:02:00Z"),
		makeEvent(pod, "Unhealthy", "refused", "2026-01-01T00:01:00Z"),
	]);
	assert.deepEqual(verdict, {
		state: "waiting",
		reason: "Pod pod-1 is not ready: statuscode: 503",
	});
});
