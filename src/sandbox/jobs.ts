// Plays the Jobs whose outcome matters. Containers do not run in the sandbox, so the pod of a verification Job
// is finished from here: with what its script would have found, as its script would have told it.
import { setTimeout as delay } from "node:timers/promises";
import type { Check } from "../domain/blueprint.ts";
import {
	type CheckResult,
	checksVariable,
	jobLabel,
} from "../domain/cluster.ts";
import { Failure, type FailureCode } from "../failure.ts";
import { answerChecks } from "./answers.ts";
import type { Api, ApiList } from "./api.ts";
import type {
	EndpointSlice,
	NamespaceView,
	Pod,
	Service,
} from "./namespace-view.ts";
import type { NetworkPolicy } from "./policies.ts";

const listAgainMs = 500;
/** As the script: it asks again before it believes what it found. */
const tries = 3;
const pauseMs = 500;
/** Kubernetes keeps no more of a termination message. */
const messageBytes = 4096;

export interface JobsPlayer {
	stop(): Promise<void>;
}

/** Follows the pods of verification Jobs in all namespaces and finishes each, until stopped. An API server that is away is waited for. */
export function playJobs(api: Api, log: (line: string) => void): JobsPlayer {
	const stopping = new AbortController();
	const { signal } = stopping;
	const running = new Map<string, Promise<void>>();
	const tell = (error: unknown) => {
		// An API server that is away is told of by whoever starts it again.
		if (!signal.aborted && !isFailure(error, "unavailable")) {
			log(`a verification Job could not be played: ${String(error)}`);
		}
	};

	/** Side by side: one that has to ask again holds up no other. */
	function play(pod: Pod): void {
		const { uid, deletionTimestamp } = pod.metadata;
		if (pod.status.phase !== "Running" || running.has(uid)) return;
		if (deletionTimestamp !== undefined || signal.aborted) return;
		const done = finishPod(api, pod, signal).catch(tell);
		running.set(uid, done);
		void done.then(() => running.delete(uid));
	}

	async function followForEver(): Promise<void> {
		while (!signal.aborted) {
			await follow(api, signal, play).catch(tell);
			await delay(listAgainMs, undefined, { signal }).catch(() => undefined);
		}
	}

	const following = followForEver();
	return {
		async stop() {
			stopping.abort();
			await Promise.all([following, ...running.values()]);
		},
	};
}

async function follow(
	api: Api,
	signal: AbortSignal,
	play: (pod: Pod) => void,
): Promise<void> {
	const query = `labelSelector=${encodeURIComponent(`${jobLabel}=verify`)}`;
	const path = `/api/v1/pods?${query}`;
	const list = await api.find<ApiList<Pod>>(path);
	list.items.forEach(play);
	const since = list.metadata.resourceVersion;
	for await (const event of api.watch<Pod>(
		`${path}&watch=1&resourceVersion=${since}`,
		signal,
	)) {
		if (event.type === "ERROR") return;
		if (event.type !== "DELETED") play(event.object);
	}
}

async function finishPod(
	api: Api,
	pod: Pod,
	signal: AbortSignal,
): Promise<void> {
	const namespace = pod.metadata.namespace ?? "default";
	let outcome = runChecks(pod, await viewNamespace(api, namespace));
	for (let tried = 1; outcome.exitCode !== 0 && tried < tries; tried += 1) {
		await delay(pauseMs, undefined, { signal });
		outcome = runChecks(pod, await viewNamespace(api, namespace));
	}
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
	const networking = `/apis/networking.k8s.io/v1/namespaces/${namespace}`;
	const [services, slices, pods, policies] = await Promise.all([
		api.find<ApiList<Service>>(`${core}/services`),
		api.find<ApiList<EndpointSlice>>(`${discovery}/endpointslices`),
		api.find<ApiList<Pod>>(`${core}/pods`),
		api.find<ApiList<NetworkPolicy>>(`${networking}/networkpolicies`),
	]);
	return {
		services: services.items,
		slices: slices.items,
		pods: pods.items,
		policies: policies.items,
	};
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
	let checks: Check[];
	try {
		checks = JSON.parse(text ?? "");
	} catch {
		return { exitCode: 1, message: `${checksVariable} holds no JSON` };
	}
	const results = answerChecks(checks, pod, view);
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
