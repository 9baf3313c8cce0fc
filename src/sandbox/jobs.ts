// Plays the Jobs whose outcome matters. Containers do not run in the sandbox, so the pod of a verification Job
// is finished from here: with what its script would have found, as its script would have told it.
import { setTimeout as delay } from "node:timers/promises";
import type { VersionCheck } from "../domain/blueprint.ts";
import {
	type CheckResult,
	checksVariable,
	jobLabel,
} from "../domain/cluster.ts";
import { Failure, type FailureCode } from "../failure.ts";
import {
	answerChecks,
	type EndpointSlice,
	type NamespaceView,
	type Pod,
	type Service,
} from "./answers.ts";
import type { Api, ApiList } from "./api.ts";

const listAgainMs = 500;
/** Kubernetes keeps no more of a termination message. */
const messageBytes = 4096;

export interface JobsPlayer {
	stop(): Promise<void>;
}

/** Follows the pods of verification Jobs in all namespaces and finishes each, until stopped. An API server that is away is waited for. */
export function playJobs(api: Api, log: (line: string) => void): JobsPlayer {
	const stopping = new AbortController();
	const played = play(api, stopping.signal, log);
	return {
		async stop() {
			stopping.abort();
			await played;
		},
	};
}

async function play(
	api: Api,
	signal: AbortSignal,
	log: (line: string) => void,
): Promise<void> {
	while (!signal.aborted) {
		try {
			await follow(api, signal);
		} catch (error) {
			// An API server that is away is told of by whoever starts it again.
			if (!signal.aborted && !isFailure(error, "unavailable")) {
				log(`a verification Job could not be played: ${String(error)}`);
			}
		}
		await delay(listAgainMs, undefined, { signal }).catch(() => undefined);
	}
}

async function follow(api: Api, signal: AbortSignal): Promise<void> {
	const query = `labelSelector=${encodeURIComponent(`${jobLabel}=verify`)}`;
	const path = `/api/v1/pods?${query}`;
	const list = await api.find<ApiList<Pod>>(path);
	for (const pod of list.items) await finishPod(api, pod);
	const since = list.metadata.resourceVersion;
	for await (const event of api.watch<Pod>(
		`${path}&watch=1&resourceVersion=${since}`,
		signal,
	)) {
		if (event.type === "ERROR") return;
		if (event.type !== "DELETED") await finishPod(api, event.object);
	}
}

async function finishPod(api: Api, pod: Pod): Promise<void> {
	if (pod.status.phase !== "Running") return;
	if (pod.metadata.deletionTimestamp !== undefined) return;
	const namespace = pod.metadata.namespace ?? "default";
	const outcome = runChecks(pod, await viewNamespace(api, namespace));
	try {
		await api.patch(
			`/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/status`,
			composeStatus(pod, outcome),
		);
	} catch (error) {
		// It was deleted meanwhile: nobody waits for its outcome any more.
		if (!isFailure(error, "not_found")) throw error;
	}
}

const isFailure = (error: unknown, code: FailureCode): boolean =>
	error instanceof Failure && error.code === code;

async function viewNamespace(
	api: Api,
	namespace: string,
): Promise<NamespaceView> {
	const core = `/api/v1/namespaces/${namespace}`;
	const discovery = `/apis/discovery.k8s.io/v1/namespaces/${namespace}`;
	const [services, slices, pods] = await Promise.all([
		api.find<ApiList<Service>>(`${core}/services`),
		api.find<ApiList<EndpointSlice>>(`${discovery}/endpointslices`),
		api.find<ApiList<Pod>>(`${core}/pods`),
	]);
	return { services: services.items, slices: slices.items, pods: pods.items };
}

export interface Outcome {
	readonly exitCode: number;
	/** The container's termination message. */
	readonly message: string;
}

/** What the verification script of this pod would leave. Pure. */
export function runChecks(pod: Pod, view: NamespaceView): Outcome {
	const text = pod.spec.containers
		.flatMap((container) => container.env ?? [])
		.find((variable) => variable.name === checksVariable)?.value;
	let checks: VersionCheck[];
	try {
		checks = JSON.parse(text ?? "");
	} catch {
		return { exitCode: 1, message: `${checksVariable} holds no JSON` };
	}
	const results = answerChecks(checks, view);
	return {
		exitCode: results.some(({ error }) => error !== null) ? 1 : 0,
		message: composeMessage(results),
	};
}

/** JSON that fits. When it does not, errors lose their ends: which process failed must not be lost. */
function composeMessage(results: readonly CheckResult[]): string {
	for (const length of [Number.POSITIVE_INFINITY, 80, 20]) {
		const message = JSON.stringify(
			results.map((result) => ({
				...result,
				error: result.error?.slice(0, length) ?? null,
			})),
		);
		if (Buffer.byteLength(message) <= messageBytes) return message;
	}
	return "[]";
}

/** The status of a pod that has ended so. The words of an init container are told by the containers after it. */
export function composeStatus(
	pod: Pod,
	{ exitCode, message }: Outcome,
): object {
	const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
	const succeeded = exitCode === 0;
	return {
		status: {
			phase: succeeded ? "Succeeded" : "Failed",
			conditions: (pod.status.conditions ?? []).map((condition) =>
				["Ready", "ContainersReady"].includes(condition.type)
					? {
							...condition,
							status: "False",
							reason: succeeded ? "PodCompleted" : "PodFailed",
							lastTransitionTime: now,
						}
					: condition,
			),
			containerStatuses: pod.spec.containers.map(({ name, image }) => ({
				name,
				image,
				imageID: "",
				ready: false,
				started: false,
				restartCount: 0,
				state: {
					terminated: {
						exitCode,
						message,
						reason: succeeded ? "Completed" : "Error",
						startedAt: now,
						finishedAt: now,
					},
				},
			})),
		},
	};
}
