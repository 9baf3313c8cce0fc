// A Job on demand from the template of a CronJob, as `kubectl create job --from` makes it, and how it ended.
import {
	type BackupJobKind,
	type ClusterHooks,
	jobLabel,
} from "../domain/cluster.ts";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import { followUntil, type Look } from "./follow-until.ts";
import {
	type ContainerStatus,
	type CronJob,
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

export interface TemplateJob {
	readonly namespace: string;
	readonly kind: BackupJobKind;
	/** Of the CronJob that has the template. */
	readonly cronJob: string;
	/** Of the Job. One that is there already under this name is taken over. */
	readonly name: string;
	/** Variables for every container, besides those of the template. */
	readonly variables: Readonly<Record<string, string>>;
}

/** How the Job's pod ended: the container that failed, or the last one. */
export interface JobEnding {
	readonly exitCode: number;
	readonly reason: string | undefined;
	readonly message: string;
}

/**
 * Creates the Job and fulfils when its pod has ended, well or not. Throws `not_found` without the CronJob,
 * `workload_stuck` when the pod does not start, `unavailable` when the cluster took the Job away.
 */
export async function runTemplateJob(
	client: Client,
	wanted: TemplateJob,
	hooks: ClusterHooks,
): Promise<JobEnding> {
	const job = await createJob(client, wanted, hooks.signal);
	return waitForEnd(client, job, hooks);
}

async function createJob(
	client: Client,
	wanted: TemplateJob,
	signal: AbortSignal,
): Promise<Job> {
	const { namespace, name, cronJob } = wanted;
	const found = await client.send<CronJob>({
		what: `get CronJob ${cronJob} in namespace ${namespace}`,
		path: `${makePath(namespace, "cronjobs")}/${cronJob}`,
		signal,
	});
	if (!found.ok) throw makeNoTemplate(wanted);
	const created = await client.send<Job>({
		what: `create Job ${name} in namespace ${namespace}`,
		method: "POST",
		path: makePath(namespace, "jobs"),
		body: makeJob(wanted, found.body),
		signal,
	});
	if (created.ok) return created.body;
	if (created.status !== 409) throw makeNoTemplate(wanted);
	// An attempt that died after this line is repeated under the same name.
	const existing = await client.send<Job>({
		what: `get Job ${name} in namespace ${namespace}`,
		path: `${makePath(namespace, "jobs")}/${name}`,
		signal,
	});
	if (!existing.ok) throw makeLostJob(name);
	if (existing.body.metadata?.labels?.[jobLabel] !== wanted.kind) {
		throw new Failure({
			code: "conflict",
			message: `The Job ${name} in namespace ${namespace} was not made by this service.`,
			untouched: "The Job was left as it is.",
			advice: "Delete it, or let whoever made it give it another name.",
		});
	}
	return existing.body;
}

/** Deletes a Job, and fulfils when it and its pods are gone. */
export async function deleteJob(
	client: Client,
	job: {
		readonly namespace: string;
		readonly name: string;
		readonly signal: AbortSignal;
	},
): Promise<void> {
	const { namespace, name, signal } = job;
	const deleted = await client.send({
		what: `delete Job ${name} in namespace ${namespace}`,
		method: "DELETE",
		path: `${makePath(namespace, "jobs")}/${name}`,
		// The Job stays until its pods are gone.
		body: { propagationPolicy: "Foreground" },
		signal,
	});
	if (!deleted.ok) return;
	await followUntil<{ readonly jobs: readonly Job[] }, undefined>(client, {
		signal,
		sources: {
			jobs: makeSource(namespace, "jobs", {
				fieldSelector: `metadata.name=${name}`,
			}),
		},
		look: ({ jobs }) =>
			jobs.length === 0 ? { result: undefined } : { againInMs: undefined },
		presentState: () => `The Job ${name} is being deleted.`,
	});
}

/** The Job as JSON for the API. It is tried once: whoever ordered it hears at once why it failed. */
export function makeJob(
	{ namespace, name, variables }: TemplateJob,
	{ spec }: CronJob,
): object {
	const template = spec?.jobTemplate;
	const pod = template?.spec?.template;
	const env = Object.entries(variables).map(([key, value]) => ({
		name: key,
		value,
	}));
	const extend = <C extends { env?: object[] }>(containers: C[] | undefined) =>
		containers?.map((container) => ({
			...container,
			env: [...(container.env ?? []), ...env],
		}));
	const initContainers = extend(pod?.spec?.initContainers);
	return {
		apiVersion: "batch/v1",
		kind: "Job",
		metadata: { name, namespace, labels: template?.metadata?.labels },
		spec: {
			...template?.spec,
			backoffLimit: 0,
			ttlSecondsAfterFinished: 3600,
			template: {
				...pod,
				spec: {
					...pod?.spec,
					containers: extend(pod?.spec?.containers),
					...(initContainers === undefined ? {} : { initContainers }),
				},
			},
		},
	};
}

const makeNoTemplate = ({ namespace, cronJob, kind }: TemplateJob): Failure =>
	new Failure({
		code: "not_found",
		message: `The namespace ${namespace} has no CronJob ${cronJob}, from which a ${kind} is made.`,
		untouched: "Nothing was changed.",
		advice:
			"Apply the environment again with a blueprint version that has backups.",
	});

const makeLostJob = (name: string): Failure =>
	new Failure({
		code: "unavailable",
		message: `The Job ${name} was deleted before its outcome was read.`,
		retryable: true,
	});

interface Seen {
	readonly jobs: readonly Job[];
	readonly pods: readonly Pod[];
	readonly events: readonly KubeEvent[];
}

async function waitForEnd(
	client: Client,
	{ metadata }: Job,
	hooks: ClusterHooks,
): Promise<JobEnding> {
	const { name = "", namespace = "", uid = "" } = metadata ?? {};
	const teller = makeTeller(hooks.onEvent);
	const advance = makeProgress(client.limits);

	function look({ jobs, pods, events }: Seen): Look<JobEnding> {
		const ending = pods.map(findEnding).find((found) => found !== undefined);
		if (ending !== undefined) return { result: ending };
		const job = jobs.find((one) => one.metadata?.uid === uid);
		if (job === undefined) throw makeLostJob(name);
		if (findCondition(job.status?.conditions, "Failed") !== undefined) {
			return { result: makeCutOff(job) };
		}
		const verdict = decideJob(job, { replicaSets: [], pods, events });
		const workload = { kind: "batch/v1/Job", name, verdict };
		const step = advance([workload], performance.now());
		teller.tell(step.events);
		if (step.failure !== undefined) throw step.failure;
		return step;
	}

	try {
		return await followUntil<Seen, JobEnding>(client, {
			signal: hooks.signal,
			sources: {
				jobs: makeSource(namespace, "jobs", {
					fieldSelector: `metadata.name=${name}`,
				}),
				pods: makeSource(namespace, "pods", {
					labelSelector: `batch.kubernetes.io/controller-uid=${uid}`,
				}),
				events: makeWarningSource(namespace),
			},
			look,
			presentState: () => `Waiting for the Job ${name} was ended.`,
		});
	} finally {
		if (!hooks.signal.aborted) await teller.finish();
	}
}

/** Of the container that failed, or of all when the last one ended well. Undefined as long as one may still run. */
function findEnding(pod: Pod): JobEnding | undefined {
	const { initContainerStatuses = [], containerStatuses = [] } =
		pod.status ?? {};
	const failed = [...initContainerStatuses, ...containerStatuses].find(
		(status) => (status.state?.terminated?.exitCode ?? 0) !== 0,
	);
	if (failed !== undefined) return toEnding(failed);
	const last = containerStatuses.find(
		(status) => status.state?.terminated !== undefined,
	);
	if (last !== undefined) return toEnding(last);
	if (pod.status?.phase !== "Failed") return undefined;
	throw new Failure({
		code: "unavailable",
		message: `The cluster ended the pod ${findName(pod)} before its work was done: ${pod.status.reason ?? "no reason given"}. ${pod.status.message ?? ""}`,
		retryable: true,
	});
}

const toEnding = ({ state }: ContainerStatus): JobEnding => ({
	exitCode: state?.terminated?.exitCode ?? -1,
	reason: state?.terminated?.reason,
	message: state?.terminated?.message ?? "",
});

/** A Job that is over its deadline is ended together with its pod. */
const makeCutOff = (job: Job): JobEnding => ({
	exitCode: -1,
	reason: findCondition(job.status?.conditions, "Failed")?.reason,
	message: "",
});
