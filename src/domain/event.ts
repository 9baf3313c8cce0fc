// The closed list of events: what a reader of the log may meet, and what each carries.
import type { FailureRecord } from "../failure.ts";
import type { StageName } from "./blueprint.ts";
import type { DriftItem } from "./drift.ts";
import type { EndReason, OnExpiry } from "./expiry.ts";
import type { Health, HealthReason } from "./health.ts";
import type {
	BackupId,
	EnvironmentId,
	OperationId,
	PreviewId,
	WebhookId,
} from "./ids.ts";
import type { Changes, OperationKind, PhaseName } from "./operation.ts";
import type { Origin } from "./origin.ts";
import type { Risk } from "./preview.ts";
import type { SecretName } from "./secret.ts";
import type { Existing } from "./stock.ts";
import type { DisabledReason } from "./webhook.ts";

/** What a resource event says of a resource. `kind` is `apiVersion/Kind`, or the engine's type for anything but a Kubernetes object. */
interface ResourceData {
	readonly kind: string;
	readonly name: string;
}

/** `name` names it where it is kept. */
interface BackupData {
	readonly backup: BackupId;
	readonly name: string;
}

/** The data of each type. Dotted names, in the past tense. */
export interface EventData {
	"operation.queued": {
		readonly kind: OperationKind;
		readonly retryOf?: OperationId;
		/** The operation whose end made the service order this one. */
		readonly causedBy?: OperationId;
	};
	/** It waits until another actor has looked at it. */
	"operation.awaiting_approval": {
		readonly kind: OperationKind;
		readonly by: string;
	};
	/** It stands in line now. */
	"operation.approved": { readonly by: string };
	"operation.rejected": { readonly by: string };
	"operation.started": {
		readonly kind: OperationKind;
		readonly attempt: number;
	};
	/** Its worker was told to stop; another one goes on, and the attempt does not count. */
	"operation.handed_over": { readonly attempt: number };
	"operation.recovered": { readonly attempt: number; readonly reason: string };
	"operation.postponed": {
		readonly attempt: number;
		readonly retryInMs: number;
		readonly error: FailureRecord;
	};
	"operation.cancelling": { readonly by: string };
	"operation.succeeded": {
		readonly kind: OperationKind;
		readonly changes: Changes;
	};
	"operation.failed": {
		readonly kind: OperationKind;
		readonly error: FailureRecord;
		/** The operation that takes it back. */
		readonly rollback?: OperationId;
	};
	/** `exists` is null when it could not be found out. */
	"operation.cancelled": {
		readonly kind: OperationKind;
		readonly by: string;
		readonly forced: boolean;
		readonly exists: readonly Existing[] | null;
	};
	"operation.stalled": {
		readonly kind: OperationKind;
		readonly error: FailureRecord;
	};
	"operation.timed_out": {
		readonly kind: OperationKind;
		readonly error: FailureRecord;
		/** The operation that takes it back. */
		readonly rollback?: OperationId;
	};
	"operation.superseded": {
		readonly kind: OperationKind;
		readonly by: OperationId;
	};
	"phase.started": { readonly phase: PhaseName };
	"phase.succeeded": { readonly phase: PhaseName; readonly durationMs: number };
	"phase.failed": {
		readonly phase: PhaseName;
		readonly durationMs: number;
		readonly error: FailureRecord;
	};
	"resource.created": ResourceData;
	"resource.updated": ResourceData;
	"resource.replaced": ResourceData;
	"resource.deleted": ResourceData;
	"resource.failed": ResourceData & { readonly message: string };
	/** All of a stage runs as wished; the next one begins. */
	"stage.completed": { readonly stage: StageName; readonly durationMs: number };
	"engine.warned": { readonly message: string };
	"workload.ready": ResourceData;
	"workload.stuck": ResourceData & {
		readonly reason: string;
		readonly message: string;
		readonly advice: string;
	};
	"verification.passed": {
		readonly versions: Readonly<Record<string, string>>;
	};
	"preview.completed": { readonly preview: PreviewId; readonly risk: Risk };
	"backup.completed": BackupData & {
		/** What ran when it was taken. */
		readonly revision: number;
		readonly bytes: number;
		readonly parts: number;
		readonly expiresAt: string;
		readonly durationMs: number;
	};
	/** It is whole and fits: it can be restored. */
	"backup.checked": BackupData & {
		readonly bytes: number;
		readonly parts: number;
	};
	/** The databases hold what they held at `takenAt`, when `revision` ran. */
	"backup.restored": BackupData & {
		readonly revision: number;
		readonly takenAt: string;
		readonly durationMs: number;
	};
	"health.changed": {
		readonly health: Health;
		readonly reasons: readonly HealthReason[];
	};
	"drift.found": {
		readonly items: readonly DriftItem[];
		readonly isCut: boolean;
	};
	/** `left` is what a second look still found. */
	"drift.repaired": {
		readonly repaired: number;
		readonly left: readonly DriftItem[];
	};
	/** It lies where its new owner reads it. */
	"backup.copied": BackupData & { readonly objects: number };
	/** What it leads to for people who use the environment. */
	"rotation.ordered": {
		readonly secrets: readonly SecretName[];
		readonly consequences: readonly string[];
	};
	/** Everything runs with the new values, and the old ones are gone. */
	"secrets.rotated": { readonly secrets: readonly SecretName[] };
	"environment.cloned": Origin;
	"environment.ready": { readonly revision: number };
	"environment.hibernated": { readonly revision: number };
	"environment.destroyed": Record<string, never>;
	/** Its time was set anew; null: it never expires. */
	"environment.extended": {
		readonly expiresAt: string | null;
		readonly by: string;
	};
	/** 24 hours, an hour and ten minutes before the end, as far as they fit into its time. */
	"environment.expiring": {
		readonly expiresAt: string;
		readonly leftMs: number;
		readonly onExpiry: OnExpiry;
	};
	/** Its time is over, and what comes is ordered. */
	"environment.expired": {
		readonly expiresAt: string;
		readonly reason: EndReason;
		readonly kind: OnExpiry;
	};
	/** What should come at the end is not possible yet. It is tried again every minute. */
	"expiry.postponed": { readonly reason: string };
	/** The time to sleep or to wake has come, and it was not possible. */
	"schedule.skipped": {
		readonly kind: OperationKind;
		readonly reason: string;
	};
	/** Nothing more is sent to it, because of an event of this environment that it did not take. */
	"webhook.disabled": {
		readonly webhook: WebhookId;
		readonly reason: DisabledReason;
		readonly message: string;
	};
}

export type EventType = keyof EventData;

export const eventTypes = Object.keys({
	"operation.queued": 0,
	"operation.awaiting_approval": 0,
	"operation.approved": 0,
	"operation.rejected": 0,
	"operation.started": 0,
	"operation.handed_over": 0,
	"operation.recovered": 0,
	"operation.postponed": 0,
	"operation.cancelling": 0,
	"operation.succeeded": 0,
	"operation.failed": 0,
	"operation.cancelled": 0,
	"operation.stalled": 0,
	"operation.timed_out": 0,
	"operation.superseded": 0,
	"phase.started": 0,
	"phase.succeeded": 0,
	"phase.failed": 0,
	"resource.created": 0,
	"resource.updated": 0,
	"resource.replaced": 0,
	"resource.deleted": 0,
	"resource.failed": 0,
	"stage.completed": 0,
	"engine.warned": 0,
	"workload.ready": 0,
	"workload.stuck": 0,
	"verification.passed": 0,
	"preview.completed": 0,
	"backup.completed": 0,
	"backup.checked": 0,
	"backup.restored": 0,
	"health.changed": 0,
	"drift.found": 0,
	"drift.repaired": 0,
	"backup.copied": 0,
	"rotation.ordered": 0,
	"secrets.rotated": 0,
	"environment.cloned": 0,
	"environment.ready": 0,
	"environment.hibernated": 0,
	"environment.destroyed": 0,
	"environment.extended": 0,
	"environment.expiring": 0,
	"environment.expired": 0,
	"expiry.postponed": 0,
	"schedule.skipped": 0,
	"webhook.disabled": 0,
} satisfies Record<EventType, 0>) as EventType[];

/** What may be asked for: a type, or all whose type begins so: `operation.*`. */
export const eventFilters: readonly string[] = [
	...eventTypes,
	...new Set(eventTypes.map((type) => `${type.split(".", 1).join()}.*`)),
];

/** An event before it has its place in the log. */
export type NewEvent = {
	[T in EventType]: { readonly type: T; readonly data: EventData[T] };
}[EventType];

/** A line of the log. `id` counts from 1 within its environment, without gaps. */
export type Event = NewEvent & {
	readonly id: number;
	readonly at: Date;
	readonly environment: EnvironmentId;
	readonly operation: OperationId | null;
};
