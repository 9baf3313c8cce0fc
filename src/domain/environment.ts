// The words of the product, and what an environment may be asked to do.
//
// tenant       a team: owns environments, has tokens
// actor        who calls, with which right
// target       a place to deploy to: one Kubernetes cluster, with defaults
// blueprint    a Pulumi program with immutable versions
// release      a named set of Maestro images, process → image reference
// environment  what a tenant ordered; its name is unique in the tenant
// revision     one immutable wish for an environment; numbered 1, 2, 3
// operation    one attempt to bring an environment to a revision
// event        one line in the ordered log of an environment
import type { Drift, OnDrift } from "./drift.ts";
import type { OnExpiry } from "./expiry.ts";
import type { Health, HealthReason } from "./health.ts";
import type { EnvironmentId, OperationId } from "./ids.ts";
import {
	type OperationKind,
	type OperationState,
	operationKinds,
} from "./operation.ts";
import type { Origin } from "./origin.ts";
import type { ShownParameters } from "./parameters.ts";
import type { Schedule, Transition } from "./schedule.ts";
import type { Power, Size } from "./spec.ts";

export const lifecycles = [
	"creating",
	"ready",
	"upgrading",
	"rolling_back",
	"hibernating",
	"hibernated",
	"waking",
	"restoring",
	"rotating",
	"destroying",
	"destroyed",
	"failed",
] as const;
export type Lifecycle = (typeof lifecycles)[number];

export interface Endpoints {
	readonly client: string;
	readonly server: string;
	/** Not where analytics is off. */
	readonly analyticsFront?: string;
	readonly websocket: string;
}

export interface Environment {
	readonly id: EnvironmentId;
	readonly name: string;
	readonly tenant: string;
	readonly blueprint: string;
	readonly description: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly lifecycle: Lifecycle;
	readonly health: Health;
	/** Why it is not healthy, as far as that is known. */
	readonly healthReasons: readonly HealthReason[];
	/** What differed from what was applied when that was last looked for; null: it never was. */
	readonly drift: Drift | null;
	readonly onDrift: OnDrift;
	readonly target: string;
	readonly namespace: string;
	/** The revision that runs, if one was applied to its end. */
	readonly revision: number | null;
	readonly desiredRevision: number;
	readonly endpoints: Endpoints | null;
	/** What each version endpoint answered when the environment was verified. */
	readonly versions: Readonly<Record<string, string>>;
	/** What is less than Maestro advises, and why. */
	readonly warnings: readonly string[];
	/** When its time is over; null: never. */
	readonly expiresAt: Date | null;
	readonly onExpiry: OnExpiry;
	/** How long it is left alone after its create did not succeed; null: for ever. */
	readonly failureTtlSeconds: number | null;
	/** Of one whose create did not succeed: when it is destroyed. */
	readonly cleanUpAt: Date | null;
	/** What it is a copy of; null for one that was ordered by itself. */
	readonly clonedFrom: Origin | null;
	/** When it sleeps by itself; null: never. */
	readonly schedule: Schedule | null;
	/** The next time that the schedule is followed. In the past while something must end first. */
	readonly transition: Transition | null;
	readonly createdAt: Date;
	readonly updatedAt: Date;
}

export interface Revision {
	readonly environment: EnvironmentId;
	readonly number: number;
	readonly blueprintVersion: string;
	readonly release: string;
	readonly size: Size;
	readonly parameters: ShownParameters;
	readonly power: Power;
	/** The revision whose content this one repeats. */
	readonly basedOn: number | null;
	readonly createdAt: Date;
}

/** What may be ordered of an environment, and what is decided of it without an operation. */
export type Verb = Exclude<OperationKind, "create"> | "extend";

/**
 * What each state allows: for each verb on an existing environment, the reason why not, or undefined.
 * Asked by the verbs before anything is written; a portal asks the same table.
 */
const refusals: Record<Verb, Partial<Record<Lifecycle, string>>> = {
	upgrade: {
		creating: "It is being created: there is nothing to upgrade yet.",
		hibernating: "It is being hibernated. Wake it first.",
		hibernated: "It is hibernated. Wake it first.",
		restoring: "It is being restored.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
	},
	// Besides, what the previewed verb refuses.
	preview: { destroyed: "It is destroyed." },
	backup: {
		creating: "It is being created: there is nothing to back up yet.",
		hibernating: "It is being hibernated. Wake it first.",
		hibernated:
			"It is hibernated, so no database runs that could be read. Its earlier backups are kept. Wake it first.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
	},
	restore: {
		creating: "It is being created: there is nothing to restore yet.",
		upgrading:
			"It is being upgraded: whether a backup fits is known when that has ended.",
		hibernating: "It is being hibernated. Wake it first.",
		hibernated: "It is hibernated. Wake it first.",
		waking: "It is waking up.",
		rolling_back:
			"It is being rolled back: whether a backup fits is known when that has ended.",
		restoring: "It is being restored already.",
		rotating: "Its secrets are being rotated.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
	},
	rollback: {
		creating: "It is being created: there is nothing to go back to yet.",
		restoring: "It is being restored.",
		hibernating: "It is being hibernated. Wake it first.",
		hibernated: "It is hibernated. Wake it first.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
	},
	rotate: {
		creating: "It is being created, with secrets that nobody knows yet.",
		upgrading: "It is being upgraded.",
		rolling_back: "It is being rolled back.",
		hibernating: "It is being hibernated. Wake it first.",
		hibernated: "It is hibernated. Wake it first.",
		waking: "It is waking up.",
		restoring: "It is being restored.",
		rotating: "Its secrets are being rotated already.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
		failed:
			"Its last operation did not succeed, so nobody knows what would get the new values. Try that operation again or upgrade it first.",
	},
	hibernate: {
		creating: "It is being created: it can be hibernated once it is ready.",
		upgrading: "It is being upgraded: it can be hibernated once it is ready.",
		rolling_back:
			"It is being rolled back: it can be hibernated once it is ready.",
		restoring: "It is being restored: it can be hibernated once it is ready.",
		rotating:
			"Its secrets are being rotated: it can be hibernated once it is ready.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
		failed:
			"Its last operation did not succeed, so nobody knows what would be hibernated. Try that operation again or upgrade it first.",
	},
	wake: {
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
		failed:
			"Its last operation did not succeed, and it did not hibernate before. Try that operation again or upgrade it.",
	},
	refresh: {
		creating: "It is being created: there is nothing to compare with yet.",
		upgrading: "It is being upgraded, which puts everything as wished.",
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
		failed:
			"Its last operation failed, so nobody knows what it should be. Try that again or upgrade it: both put everything as wished.",
	},
	destroy: { destroyed: "It is destroyed already." },
	// A destroy that the service has ordered and nobody has begun is taken back instead.
	extend: {
		destroying: "It is being destroyed.",
		destroyed: "It is destroyed.",
	},
};

/** What there is nothing of in an environment that never ran. */
const lacks: Partial<Record<Verb, string>> = {
	upgrade: "to upgrade",
	rollback: "to go back to",
	backup: "to back up",
	restore: "to restore",
	hibernate: "to hibernate",
	wake: "to wake",
	rotate: "that uses the secrets",
	refresh: "to compare",
};

export function refusal(
	verb: Verb,
	environment: Pick<Environment, "lifecycle" | "revision">,
	/** The kind of the last operation that was begun. */
	lastBegun?: OperationKind,
): string | undefined {
	// What failed to change the power, or was cut off in it, touched nothing but that: either way is a way out.
	if (
		environment.lifecycle === "failed" &&
		changesPower(verb) &&
		lastBegun !== undefined &&
		changesPower(lastBegun)
	)
		return undefined;
	// Nobody knows how far its create came, and an order of roll-out means nothing where nothing ran before.
	const lack = lacks[verb];
	if (
		lack !== undefined &&
		environment.lifecycle === "failed" &&
		environment.revision === null
	)
		return `Its create never came to an end, so there is nothing ${lack}. Destroy it and order it anew.`;
	const reason = refusals[verb][environment.lifecycle];
	// What something moves, or what sleeps, differs from what was applied because it is meant to.
	if (verb === "refresh" && environment.lifecycle !== "ready")
		return reason ?? `It is ${environment.lifecycle}, and not ready.`;
	return reason;
}

/** Whether an environment runs: what is being done tells, and where nothing is, what is wished for. */
export function decidePower(lifecycle: Lifecycle, desired: Power): Power {
	if (lifecycle === "ready") return "on";
	return lifecycle === "hibernated" ? "hibernated" : desired;
}

const atRest: readonly Lifecycle[] = [
	"ready",
	"hibernated",
	"failed",
	"destroyed",
];

/** Whether its desired revision is on its way: it waits to be applied, or is being applied. */
export const isOnItsWay = (lifecycle: Lifecycle): boolean =>
	!atRest.includes(lifecycle);

const changesPower = (kind: OperationKind | Verb): boolean =>
	kind === "hibernate" || kind === "wake";

/** The lifecycle after an operation of this kind ended. */
export function lifecycleAfter(
	kind: OperationKind,
	succeeded: boolean,
): Lifecycle {
	if (!succeeded) return "failed";
	if (kind === "hibernate") return "hibernated";
	return kind === "destroy" ? "destroyed" : "ready";
}

/** The lifecycle while an operation of this kind waits or runs; undefined where it leaves lifecycle and health alone. */
export const lifecycleDuring: Readonly<
	Record<OperationKind, Lifecycle | undefined>
> = {
	create: "creating",
	upgrade: "upgrading",
	preview: undefined,
	rollback: "rolling_back",
	hibernate: "hibernating",
	wake: "waking",
	backup: undefined,
	restore: "restoring",
	refresh: undefined,
	rotate: "rotating",
	destroy: "destroying",
};

/** Whether an environment's lifecycle tells of operations of this kind, and their ends. */
export const movesLifecycle = (kind: OperationKind): boolean =>
	lifecycleDuring[kind] !== undefined;

export const movingKinds: readonly OperationKind[] =
	operationKinds.filter(movesLifecycle);

/**
 * The lifecycle of an environment whose newest order was taken back before it began: what the last operation that
 * was begun has made of it, or makes of it now. Without one nothing was ever made: it is `failed`, and empty. Only kinds
 * that move the lifecycle count.
 */
export function lifecycleWithout(
	lastBegun:
		| { readonly kind: OperationKind; readonly state: OperationState }
		| undefined,
): Lifecycle {
	switch (lastBegun?.state) {
		case "running":
		case "recovering":
		case "cancelling":
			return lifecycleDuring[lastBegun.kind] ?? "failed";
		case "succeeded":
			return lifecycleAfter(lastBegun.kind, true);
		default:
			return "failed";
	}
}

export type { EnvironmentId, OperationId };

/** What a list of them can be sorted by. */
export const environmentSorts = [
	"-createdAt",
	"createdAt",
	"name",
	"-updatedAt",
] as const;
export type EnvironmentSort = (typeof environmentSorts)[number];
