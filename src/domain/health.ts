// What is known of an environment's health while nothing moves it: the words, and what is worth a word.

export const healths = [
	"healthy",
	"degraded",
	"unreachable",
	"unknown",
] as const;
export type Health = (typeof healths)[number];

/** Why an environment is not healthy. */
export interface HealthReason {
	/** `apiVersion/Kind`; `Target` where its cluster is to blame. */
	readonly kind: string;
	readonly name: string;
	/** Kubernetes' own word where there is one: "ImagePullBackOff". */
	readonly reason: string;
	readonly message: string;
}

export interface HealthReport {
	readonly health: Health;
	readonly reasons: readonly HealthReason[];
}

/** No report gives more reasons than this: the first say what the others say. */
export const healthReasonLimit = 10;
const messageLength = 300;

/** In milliseconds: how long something must be so before it is told. */
export const healthDelaysMs = {
	/** Not ready: less is a pod that was moved, or replaced by its controller. */
	degraded: 1_500,
	/** Ready again: a container that crashes runs for a moment each time. */
	healthy: 2_000,
	/** The API server does not answer. */
	unreachable: 10_000,
};

/** The worst that is known, in a stable order and of a bounded size. */
export function makeReport(
	health: Health,
	reasons: readonly HealthReason[],
): HealthReport {
	return {
		health,
		reasons: [...reasons]
			.sort((a, b) => compare(a.kind, b.kind) || compare(a.name, b.name))
			.slice(0, healthReasonLimit)
			.map((one) => ({ ...one, message: one.message.slice(0, messageLength) })),
	};
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Whether a reader learns something: counts and times in a message change all the time, and are no news. */
export const isNews = (before: HealthReport, now: HealthReport): boolean =>
	before.health !== now.health || outline(before) !== outline(now);

const outline = ({ reasons }: HealthReport): string =>
	reasons.map(({ kind, name, reason }) => `${kind} ${name} ${reason}`).join();

/** A container that crashes is "not ready" between two crashes: the reason that was told stands until there is another one. */
export const keepKnown = (
	before: HealthReport,
	now: HealthReport,
): HealthReport => ({
	...now,
	reasons: now.reasons.map((one) =>
		one.reason === notReady
			? (before.reasons.find(
					({ kind, name }) => kind === one.kind && name === one.name,
				) ?? one)
			: one,
	),
});

/** The reason of what is not ready and does not say why. */
export const notReady = "NotReady";

/** What a lookout sees of one environment. */
export interface Sighting {
	/** Deployments and StatefulSets, ready or not. */
	readonly workloads: number;
	/** Those of them that are not ready. */
	readonly reasons: readonly HealthReason[];
}

/** How a lookout stands with its cluster. `refused`: the cluster answers, and does not let it look. */
export type Reach =
	| { readonly state: "starting" | "seeing" }
	| { readonly state: "away" | "refused"; readonly message: string };

/** Watches all environments of a cluster. */
export interface Lookout {
	reach(): Reach;
	/** Undefined: nothing of it was seen. Only to be believed while it is `seeing`. */
	read(environment: string): Sighting | undefined;
	/** Warnings of a namespace say what the objects do not: they are asked for when there is something to explain. */
	explain(
		environment: string,
		namespace: string,
	): Promise<Sighting | undefined>;
	close(): Promise<void>;
}

export interface LookoutHooks {
	/** Told which environment has news; undefined: all of them may, as the cluster came or went. */
	readonly onChange: (environment: string | undefined) => void;
}

export type OpenLookout = (kubeconfig: string, hooks: LookoutHooks) => Lookout;
