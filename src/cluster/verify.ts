import {
	type ClusterHooks,
	jobLabel,
	type VerifyRequest,
} from "../domain/cluster.ts";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import { followUntil, type Look } from "./follow-until.ts";
import { findNamespace } from "./namespace.ts";
import {
	findCondition,
	findName,
	type Job,
	type KubeEvent,
	type Pod,
} from "./objects.ts";
import { makeProgress } from "./progress.ts";
import { decideJob } from "./readiness.ts";
import { makePath, makeSource, makeWarningSource } from "./sources.ts";
import { makeTeller } from "./teller.ts";
import type { Verdict } from "./verdict.ts";
import { makeVerifyJob, verifyContainer, verifyJobKind } from "./verify-job.ts";
import { findBrokenPods } from "./verify-pods.ts";
import {
	decideVerification,
	type Ending,
	requireKept,
} from "./verify-results.ts";

/** See `Cluster.verify`. Begun twice with the same run, it takes over the Job of the first time. */
export async function verify(
	client: Client,
	request: VerifyRequest,
	hooks: ClusterHooks,
): Promise<Record<string, string>> {
	const { namespace, checks, pods = [] } = request;
	const job = await createJob(client, request, hooks.signal);
	const outcome =
		(await waitForEnd(client, job, hooks)) ??
		(await loadEnding(client, job, hooks.signal));
	const { versions, broken } = decideVerification(request, outcome);
	const brokenPods = await findBrokenPods(
		client,
		{ namespace, pods },
		hooks.signal,
	);
	requireKept(namespace, checks.length + pods.length, [
		...broken,
		...brokenPods,
	]);
	return versions;
}

async function createJob(
	client: Client,
	request: VerifyRequest,
	signal: AbortSignal,
): Promise<Job> {
	const { namespace } = request;
	const found = await findNamespace(client, namespace, signal);
	if (found === undefined) throw makeNoNamespace(namespace);
	const job = makeVerifyJob(request, found.metadata?.labels ?? {});
	const path = makePath(namespace, "jobs");
	const { name } = job.metadata;
	const created = await client.send<Job>({
		what: `create Job ${name} in namespace ${namespace}`,
		method: "POST",
		path,
		body: job,
		signal,
	});
	if (created.ok) return created.body;
	if (created.status !== 409) throw makeNoNamespace(namespace);
	// An attempt that died after this line is repeated under the same run.
	const existing = await client.send<Job>({
		what: `get Job ${name} in namespace ${namespace}`,
		path: `${path}/${name}`,
		signal,
	});
	if (!existing.ok) throw makeLostJob(name);
	return requireOurs(existing.body);
}

const makeNoNamespace = (namespace: string): Failure =>
	new Failure({
		code: "not_found",
		message: `The namespace ${namespace} does not exist: there is nothing to verify.`,
		advice: "Apply the environment again.",
	});

function requireOurs(job: Job): Job {
	if (job.metadata?.labels?.[jobLabel] === verifyJobKind) return job;
	throw new Failure({
		code: "conflict",
		message: `The Job ${findName(job)} in namespace ${job.metadata?.namespace} was not made by this service.`,
		untouched: "The Job was left as it is.",
		advice: "Delete it, or let whoever made it give it another name.",
	});
}

const makeLostJob = (name: string): Failure =>
	new Failure({
		code: "unavailable",
		message: `The verification Job ${name} was deleted before its findings were read.`,
		retryable: true,
	});

interface Seen {
	readonly jobs: readonly Job[];
	readonly pods: readonly Pod[];
	readonly events: readonly KubeEvent[];
}

/** How the pod's container ended; undefined if the Job ended and no such pod was seen. */
async function waitForEnd(
	client: Client,
	created: Job,
	hooks: ClusterHooks,
): Promise<Ending | undefined> {
	const { name = "", namespace = "", uid = "" } = created.metadata ?? {};
	const teller = makeTeller(hooks.onEvent);
	const advance = makeProgress(client.limits);
	let verdict: Verdict | undefined;

	function look({ jobs, pods, events }: Seen): Look<Ending | undefined> {
		const ending = findEnding(pods);
		if (ending !== undefined) return { result: ending };
		const job = jobs.find(({ metadata }) => metadata?.uid === uid);
		if (job === undefined) throw makeLostJob(name);
		if (isFinished(job)) return { result: undefined };
		verdict = decideJob(job, { replicaSets: [], pods, events });
		const workload = { kind: "batch/v1/Job", name, verdict };
		const step = advance([workload], performance.now());
		teller.tell(step.events);
		if (step.failure !== undefined) throw step.failure;
		return step;
	}

	try {
		return await followUntil<Seen, Ending | undefined>(client, {
			signal: hooks.signal,
			sources: {
				jobs: makeSource(namespace, "jobs", {
					fieldSelector: `metadata.name=${name}`,
				}),
				pods: makePodSource(created),
				events: makeWarningSource(namespace),
			},
			look,
			presentState: () =>
				`Waiting for the verification Job ${name} was ended: ${presentReason(verdict)}.`,
		});
	} finally {
		if (!hooks.signal.aborted) await teller.finish();
	}
}

const makePodSource = ({ metadata }: Job) =>
	makeSource(metadata?.namespace ?? "", "pods", {
		labelSelector: `batch.kubernetes.io/controller-uid=${metadata?.uid}`,
	});

const isFinished = (job: Job): boolean =>
	findCondition(job.status?.conditions, "Failed") !== undefined ||
	findCondition(job.status?.conditions, "Complete") !== undefined;

function presentReason(verdict: Verdict | undefined): string {
	if (verdict === undefined || verdict.state === "ready") return "it ran";
	return verdict.state === "stuck"
		? `${verdict.reason}, ${verdict.message}`
		: verdict.reason;
}

/** How the container of one of these pods ended. Throws if the cluster took the pod away before it could. */
function findEnding(pods: readonly Pod[]): Ending | undefined {
	for (const pod of pods) {
		const end = pod.status?.containerStatuses?.find(
			({ name }) => name === verifyContainer,
		)?.state?.terminated;
		const isTakenAway =
			findCondition(pod.status?.conditions, "DisruptionTarget") !== undefined;
		if (end !== undefined && (end.message || !isTakenAway)) {
			const { exitCode, reason, message } = end;
			return { exitCode, reason, message };
		}
		if (isTakenAway || pod.status?.phase === "Failed") throw makeEvicted(pod);
	}
	return undefined;
}

const makeEvicted = (pod: Pod): Failure =>
	new Failure({
		code: "unavailable",
		message: `The cluster ended the verification's pod ${findName(pod)} before it had answered: ${pod.status?.reason ?? "no reason given"}. ${pod.status?.message ?? ""}`,
		retryable: true,
	});

/** The Job has ended, which its pod's watch may not have told yet: asks for the pod itself. */
async function loadEnding(
	client: Client,
	created: Job,
	signal: AbortSignal,
): Promise<Ending> {
	const { what, path, query = {} } = makePodSource(created);
	const answer = await client.send<{ readonly items: readonly Pod[] }>({
		what: `list ${what}`,
		path,
		query,
		signal,
	});
	const ending = answer.ok ? findEnding(answer.body.items) : undefined;
	if (ending !== undefined) return ending;
	throw new Failure({
		code: "verification_failed",
		message: `The verification Job ${findName(created)} in namespace ${created.metadata?.namespace} ended without findings: its pod is gone. A Job that takes longer than its deadline is ended so.`,
		untouched: "Everything was left running as it is, for you to look at.",
		advice: `Look at the Job: kubectl -n ${created.metadata?.namespace} describe job ${findName(created)}`,
	});
}
