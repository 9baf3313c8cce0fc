// Whether a pod is ready, and if not, why. Pure. Reasons are the words of the kubelet (pkg/kubelet/images,
// pkg/kubelet/kuberuntime, pkg/kubelet/container) and of the scheduler.
import {
	type ContainerStatus,
	findCondition,
	findName,
	type KubeEvent,
	type Pod,
} from "./objects.ts";
import {
	findWorst,
	makeStuck,
	makeWaiting,
	ready,
	type Stuck,
	type Verdict,
} from "./verdict.ts";
import { findLatestEvent } from "./warnings.ts";

interface Explanation {
	readonly advice: string;
	readonly lasting: boolean;
}

type Explain = (message: string, where: ContainerPlace) => Explanation;

interface ContainerPlace {
	readonly pod: Pod;
	readonly status: ContainerStatus;
}

// A registry that is slow, busy or away for a moment; anything else about an image stays as it is.
const passingPull =
	/timeout|timed out|too many requests|toomanyrequests|connection re(fused|set)|temporary failure|no such host|unexpected EOF|\b(429|50[0234])\b/i;

const explainPull: Explain = (message, { status }) => ({
	advice: `Check that the image ${status.image} exists under this name and tag, and that the cluster may pull it.`,
	lasting: !passingPull.test(message),
});

const explainConfig: Explain = () => ({
	advice:
		"Check that the ConfigMap or Secret that it names exists and has the key.",
	lasting: true,
});

const explainStart: Explain = (_message, { status }) => ({
	advice: `Check the command and the mounts of container ${status.name}: the image may lack what they name.`,
	lasting: false,
});

// One or two restarts belong to a start in which a database comes up later than what needs it.
const lastingRestarts = 3;

const explainCrash: Explain = (_message, { pod, status }) => ({
	advice:
		status.lastState?.terminated?.reason === "OOMKilled"
			? `Container ${status.name} needs more memory than its limit: order a larger size.`
			: `Read what it wrote before it ended: kubectl -n ${pod.metadata?.namespace} logs ${findName(pod)} -c ${status.name} --previous`,
	lasting: status.restartCount >= lastingRestarts,
});

const waitingReasons: Readonly<Record<string, Explain>> = {
	ErrImagePull: explainPull,
	ImagePullBackOff: explainPull,
	ImageInspectError: explainPull,
	RegistryUnavailable: () => ({
		advice: "Check that the image's registry answers the cluster's nodes.",
		lasting: false,
	}),
	SignatureValidationFailed: explainPull,
	ErrImageNeverPull: explainPull,
	InvalidImageName: (_message, { status }) => ({
		advice: `Correct the image reference ${status.image} in the release.`,
		lasting: true,
	}),
	CreateContainerConfigError: explainConfig,
	CreateContainerError: explainStart,
	RunContainerError: explainStart,
	PostStartHookError: explainStart,
	CrashLoopBackOff: explainCrash,
};

/** How a container ended, as a clause. Its termination message stays unsaid: what a program writes there may be secret. */
function presentEnd(status: ContainerStatus): string {
	const end = status.state?.terminated ?? status.lastState?.terminated;
	if (end === undefined) return "";
	const reason = end.reason === undefined ? "" : ` (${end.reason})`;
	return `ended with exit code ${end.exitCode}${reason}`;
}

function decideContainer(place: ContainerPlace): Verdict {
	const { pod, status } = place;
	const waiting = status.state?.waiting;
	const explain = waitingReasons[waiting?.reason ?? ""];
	if (waiting?.reason === undefined || explain === undefined) return ready;
	const said = waiting.message ?? "";
	const crash =
		waiting.reason === "CrashLoopBackOff"
			? `${presentEnd(status)}, ${status.restartCount} restarts`
			: said;
	return makeStuck({
		reason: waiting.reason,
		message: `Pod ${findName(pod)}, container ${status.name}: ${crash || waiting.reason}.`,
		...explain(said, place),
	});
}

function decideScheduling(pod: Pod): Verdict {
	const condition = pod.status?.conditions?.find(
		({ type, status }) => type === "PodScheduled" && status === "False",
	);
	if (condition?.reason !== "Unschedulable") return ready;
	const message = condition.message ?? "the scheduler gives no reason";
	// The claim has a verdict of its own, and every new claim is unbound for a moment.
	if (message.includes("unbound immediate PersistentVolumeClaims")) {
		return makeWaiting(`Pod ${findName(pod)} waits for its claims`);
	}
	return makeStuck({
		reason: "Unschedulable",
		message: `Pod ${findName(pod)}: ${message}`,
		advice:
			"Give the cluster room: the scheduler's message says what its nodes lack. A cluster that adds nodes by itself may just need time.",
		lasting: false,
	});
}

const preparationReasons = [
	"FailedMount",
	"FailedAttachVolume",
	"FailedCreatePodSandBox",
];

// A pod whose containers cannot even be created says nothing of it in its status; only the kubelet's events do.
function decidePreparation(pod: Pod, events: readonly KubeEvent[]): Verdict {
	const isCreating =
		pod.status?.phase === "Pending" &&
		pod.status.containerStatuses?.some(({ state }) =>
			["ContainerCreating", "PodInitializing"].includes(
				state?.waiting?.reason ?? "",
			),
		);
	if (!isCreating) return ready;
	const event = findLatestEvent(events, pod, preparationReasons);
	if (event === undefined) return ready;
	return makeStuck({
		reason: event.reason ?? "",
		message: `Pod ${findName(pod)}: ${event.message ?? ""}`,
		advice:
			"Check the volumes, ConfigMaps and Secrets that the pod mounts, and the node it is on.",
		lasting: /(configmap|secret) .*not found/i.test(event.message ?? ""),
	});
}

function decideFailed(pod: Pod): Stuck {
	const failed = pod.status?.containerStatuses?.find(
		({ state }) => (state?.terminated?.exitCode ?? 0) !== 0,
	);
	const end =
		failed === undefined
			? (pod.status?.message ?? "it failed")
			: `container ${failed.name} ${presentEnd(failed)}`;
	return makeStuck({
		reason:
			pod.status?.reason ?? failed?.state?.terminated?.reason ?? "PodFailed",
		message: `Pod ${findName(pod)}: ${end}.`,
		advice: `Read what it wrote before it ended: kubectl -n ${pod.metadata?.namespace} logs ${findName(pod)}`,
		lasting: true,
	});
}

/** `events` are warnings of the pod's namespace. */
export function decidePod(pod: Pod, events: readonly KubeEvent[]): Verdict {
	if (pod.status?.phase === "Succeeded") return ready;
	if (pod.status?.phase === "Failed") return decideFailed(pod);
	if (findCondition(pod.status?.conditions, "Ready")) return ready;
	const containers = [
		...(pod.status?.initContainerStatuses ?? []),
		...(pod.status?.containerStatuses ?? []),
	];
	const unhealthy = findLatestEvent(events, pod, ["Unhealthy"]);
	const why = unhealthy === undefined ? "" : `: ${unhealthy.message ?? ""}`;
	return findWorst([
		decideScheduling(pod),
		...containers.map((status) => decideContainer({ pod, status })),
		decidePreparation(pod, events),
		makeWaiting(`Pod ${findName(pod)} is not ready${why}`),
	]);
}
