// The connection to PostgreSQL and the shape of its tables. Store functions take either a connection or a
// transaction as their first argument; who calls decides.
import {
	type ColumnType,
	type Generated,
	type JSONColumnType,
	Kysely,
	PostgresDialect,
	sql,
} from "kysely";
import pg from "pg";
import type { ApprovalRule } from "../domain/approval.ts";
import type { BackupPlace, BackupReason } from "../domain/backup.ts";
import type { DriftItem, OnDrift } from "../domain/drift.ts";
import type { Endpoints, Lifecycle } from "../domain/environment.ts";
import type { OnExpiry } from "../domain/expiry.ts";
import type { Health, HealthReason } from "../domain/health.ts";
import type { ClaimPatterns } from "../domain/identity.ts";
import type {
	BackupId,
	CallerId,
	DeliveryId,
	EnvironmentId,
	IdentityRuleId,
	OperationId,
	PreviewId,
	RolloutId,
	TargetId,
	TenantId,
	TokenId,
	WebhookId,
} from "../domain/ids.ts";
import type {
	Changes,
	OperationKind,
	OperationOptions,
	OperationState,
	PhaseName,
	PhaseRecord,
} from "../domain/operation.ts";
import type { Origin } from "../domain/origin.ts";
import type { ShownParameters } from "../domain/parameters.ts";
import type {
	PreviewedVerb,
	PreviewFacts,
	PreviewResult,
} from "../domain/preview.ts";
import type { ReleaseImages } from "../domain/release.ts";
import type {
	MemberState,
	RolloutSelector,
	RolloutState,
	RolloutStep,
	RolloutWindow,
} from "../domain/rollout.ts";
import type { Schedule } from "../domain/schedule.ts";
import type { Power, Size } from "../domain/spec.ts";
import type { Existing } from "../domain/stock.ts";
import type { TargetSettings } from "../domain/target.ts";
import type { ActorKind, Role, TenantSettings } from "../domain/tenant.ts";
import type { DeliveryState, DisabledReason } from "../domain/webhook.ts";
import { Failure, type FailureRecord } from "../failure.ts";
import { isUnprepared, prepareStatements } from "./prepared.ts";

type Time = ColumnType<Date, Date | undefined, Date>;
type OptionalTime = ColumnType<
	Date | null,
	Date | null | undefined,
	Date | null
>;

type OptionalJson<T extends object> = JSONColumnType<
	T | null,
	string | null | undefined,
	string | null
>;

export interface Tables {
	tenants: {
		id: TenantId;
		name: string;
		settings: JSONColumnType<
			Partial<TenantSettings>,
			string | undefined,
			string
		>;
		approvals: JSONColumnType<ApprovalRule[], string | undefined, string>;
		served_at: OptionalTime;
		created_at: Time;
	};
	approvals: { operation_id: OperationId; token_id: CallerId; sealed: Buffer };
	tokens: {
		id: TokenId;
		tenant_id: TenantId;
		name: string;
		role: Role;
		hash: Buffer;
		permissions: OptionalJson<readonly string[]>;
		environments: ColumnType<string | null, string | null | undefined, never>;
		created_at: Time;
		expires_at: OptionalTime;
		revoked_at: OptionalTime;
		last_used_at: OptionalTime;
	};
	identity_rules: {
		id: IdentityRuleId;
		issuer: string;
		claims: JSONColumnType<ClaimPatterns>;
		kind: ActorKind;
		tenant_id: TenantId;
		role: Role;
		permissions: OptionalJson<readonly string[]>;
		environments: string | null;
		created_at: Time;
	};
	targets: {
		id: TargetId;
		name: string;
		kubeconfig: Buffer;
		cluster_identifier: string;
		domain: string;
		ingress_class: string | null;
		storage_class: string | null;
		settings: JSONColumnType<
			Partial<TargetSettings>,
			string | undefined,
			string
		>;
		pull_secret: Buffer | null;
		aws: Buffer | null;
		is_default: boolean;
		watch_owner: string | null;
		watch_expires_at: OptionalTime;
		watch_fence: Generated<number>;
		created_at: Time;
	};
	releases: {
		name: string;
		images: JSONColumnType<ReleaseImages>;
		created_at: Time;
	};
	environments: {
		id: EnvironmentId;
		tenant_id: TenantId;
		target_id: TargetId;
		name: string;
		blueprint: string;
		description: string;
		labels: JSONColumnType<Record<string, string>>;
		lifecycle: Lifecycle;
		health: Health;
		health_reasons: JSONColumnType<HealthReason[], string | undefined, string>;
		drift: JSONColumnType<DriftItem[] | null, string | undefined, string>;
		drift_checked_at: OptionalTime;
		on_drift: ColumnType<OnDrift, OnDrift | undefined, OnDrift>;
		namespace: string;
		revision: number | null;
		desired_revision: number;
		endpoints: JSONColumnType<Endpoints | null>;
		versions: JSONColumnType<
			Record<string, string>,
			string | undefined,
			string
		>;
		warnings: JSONColumnType<string[], string | undefined, string>;
		expires_at: OptionalTime;
		on_expiry: Generated<OnExpiry>;
		notice_at: OptionalTime;
		expiry_told_at: OptionalTime;
		failure_ttl_seconds: number | null;
		cloned_from: JSONColumnType<Origin | null, string | undefined, string>;
		schedule: JSONColumnType<
			Schedule | null,
			string | null | undefined,
			string | null
		>;
		transition_at: ColumnType<
			Date | null,
			Date | null | undefined,
			Date | null
		>;
		transition_to: ColumnType<
			Power | null,
			Power | null | undefined,
			Power | null
		>;
		last_event_id: Generated<number>;
		last_stamp: Generated<number>;
		created_at: Time;
		updated_at: Time;
	};
	secrets: {
		environment_id: EnvironmentId;
		name: string;
		sealed: Buffer;
		generation: Generated<number>;
	};
	bundles: { digest: string; content: string; created_at: Time };
	blueprints: {
		name: string;
		version: string;
		digest: string;
		created_at: Time;
	};
	revisions: {
		environment_id: EnvironmentId;
		number: number;
		blueprint_version: string;
		release: string;
		images: JSONColumnType<ReleaseImages>;
		size: Size;
		/** Empty for a revision from before there were parameters. */
		parameters: JSONColumnType<Partial<ShownParameters>>;
		digest: string | null;
		power: Generated<Power>;
		based_on: number | null;
		/** Null for a revision from before this was kept, until somebody counts. */
		cpu_millis: number | null;
		memory_mib: number | null;
		created_at: Time;
	};
	operations: {
		id: OperationId;
		sequence: Generated<number>;
		environment_id: EnvironmentId;
		tenant_id: TenantId;
		kind: OperationKind;
		state: OperationState;
		phase: PhaseName | null;
		attempt: Generated<number>;
		revision_from: number | null;
		revision_to: number | null;
		phases: JSONColumnType<PhaseRecord[], string | undefined, string>;
		changes: JSONColumnType<Changes>;
		requested_by: string;
		error: JSONColumnType<FailureRecord | null, string | undefined, string>;
		retry_of: OperationId | null;
		cancel_requested_by: string | null;
		cancel_requested_at: OptionalTime;
		is_forced: Generated<boolean>;
		existing: JSONColumnType<Existing[] | null, string | undefined, string>;
		lease_owner: string | null;
		lease_expires_at: OptionalTime;
		fence: number | null;
		writes: Generated<number>;
		sends: Generated<number>;
		keeps_backups: Generated<boolean>;
		options: JSONColumnType<OperationOptions, string | undefined, string>;
		caused_by: OperationId | null;
		traceparent: ColumnType<string | null, string | null | undefined, never>;
		needs_approval: Generated<boolean>;
		approved_by: string | null;
		approved_at: OptionalTime;
		is_touched: Generated<boolean>;
		restore_begun_at: OptionalTime;
		restored_at: OptionalTime;
		not_before: OptionalTime;
		enqueued_at: Time;
		created_at: Time;
		started_at: OptionalTime;
		finished_at: OptionalTime;
		deadline_at: OptionalTime;
	};
	workers: {
		name: string;
		slots: number;
		is_short_of_memory: boolean;
		seen_at: Time;
	};
	rollouts: {
		id: RolloutId;
		release: string;
		selector: JSONColumnType<RolloutSelector>;
		max_concurrent: number;
		pause_seconds: number | null;
		time_window: JSONColumnType<
			RolloutWindow | null,
			string | null,
			string | null
		>;
		state: RolloutState;
		requested_by: string;
		aborted_by: string | null;
		has_paused: Generated<boolean>;
		resumes_at: OptionalTime;
		timeline: JSONColumnType<RolloutStep[], string | undefined, string>;
		created_at: Time;
		finished_at: OptionalTime;
	};
	rollout_members: {
		rollout_id: RolloutId;
		ordinal: number;
		environment_id: EnvironmentId;
		state: MemberState;
		operation_id: OperationId | null;
		rollback_id: OperationId | null;
		reason: string | null;
	};
	previews: {
		id: PreviewId;
		environment_id: EnvironmentId;
		operation_id: OperationId;
		verb: PreviewedVerb;
		order_digest: Buffer;
		desired_revision: number;
		lifecycle: Lifecycle;
		blueprint_version: string;
		program_digest: string | null;
		state_version: number | null;
		wish: Buffer | null;
		facts: JSONColumnType<PreviewFacts>;
		result: JSONColumnType<PreviewResult | null, string | undefined, string>;
		created_at: Time;
		expires_at: OptionalTime;
	};
	backups: {
		id: BackupId;
		environment_id: EnvironmentId;
		operation_id: OperationId;
		revision: number;
		release: string;
		reason: BackupReason;
		place: BackupPlace;
		name: string;
		taken_at: ColumnType<Date, Date, never>;
		bytes: number;
		parts: number;
		oplog: boolean;
		sha256: string;
		expires_at: ColumnType<Date, Date, Date>;
		gone_at: OptionalTime;
		created_at: Time;
	};
	webhooks: {
		id: WebhookId;
		tenant_id: TenantId;
		url: Buffer;
		shown_url: string;
		description: string;
		types: string[] | null;
		environments: string | null;
		name_like: string;
		secret: Buffer;
		previous_secret: Buffer | null;
		previous_secret_until: OptionalTime;
		is_active: boolean;
		disabled_reason: DisabledReason | null;
		disabled_at: OptionalTime;
		failing_since: OptionalTime;
		created_at: Time;
		updated_at: Time;
		deleted_at: OptionalTime;
	};
	webhook_lanes: {
		webhook_id: WebhookId;
		environment_id: EnvironmentId;
		settled: number;
		due_at: OptionalTime;
		claim: string | null;
	};
	deliveries: {
		id: DeliveryId;
		webhook_id: WebhookId;
		environment_id: EnvironmentId | null;
		event_id: number | null;
		type: string;
		state: DeliveryState;
		attempts: Generated<number>;
		next_attempt_at: OptionalTime;
		manual_at: OptionalTime;
		claim: string | null;
		response_status: number | null;
		duration_ms: number | null;
		error: string | null;
		excerpt: string | null;
		created_at: Time;
		attempted_at: OptionalTime;
	};
	idempotency_keys: {
		tenant_id: TenantId;
		endpoint: string;
		key: string;
		caller: CallerId;
		digest: Buffer;
		answer: Buffer | null;
		expires_at: ColumnType<Date, Date, Date>;
	};
	installation: { name: string; value: Buffer };
	event_clock: { base: number };
	events: {
		environment_id: EnvironmentId;
		id: number;
		tenant_id: TenantId;
		stamp: number;
		operation_id: OperationId | null;
		type: string;
		data: JSONColumnType<object>;
		at: Time;
	};
}

/** A connection pool or a transaction. */
export type Db = Kysely<Tables>;

export interface Database {
	readonly db: Db;
	/** Ends the connections. */
	close(): Promise<void>;
}

// Sequences stay far below 2^53, so bigint columns are read as numbers.
const int8 = 20;
pg.types.setTypeParser(int8, Number);

/**
 * Opens a pool on the database. Connects lazily; nothing waits longer than `connectTimeoutMs` for a
 * connection, so that an absent database is an answer and not a hang.
 */
export function openDatabase(options: {
	url: string;
	maxConnections: number;
	onError: (error: Error) => void;
}): Database {
	const pool = new pg.Pool({
		connectionString: options.url,
		max: options.maxConnections,
		connectionTimeoutMillis: 5_000,
		idleTimeoutMillis: 30_000,
		keepAlive: true,
		statement_timeout: 30_000,
		// A process that stops in the middle of a transaction must not keep others from its rows.
		idle_in_transaction_session_timeout: 10_000,
		application_name: "impresario",
	});
	// A connection that breaks would otherwise end the process: an idle one tells the pool, one that is in use
	// only itself.
	pool.on("error", options.onError);
	pool.on("connect", (client) => client.on("error", options.onError));
	const db = new Kysely<Tables>({
		dialect: new PostgresDialect({ pool: prepareStatements(pool) }),
	});
	return { db, close: () => db.destroy() };
}

/** Within a transaction of the caller's it is a part of that; otherwise it is one of its own. */
export const transact = <T>(db: Db, work: (trx: Db) => Promise<T>) =>
	db.isTransaction ? work(db) : db.transaction().execute(work);

/**
 * `transact` for what may come to nothing: where `work` finds undefined nothing is written, and no lock that it took is
 * held any longer, whosever the transaction is.
 */
export async function attempt<T>(
	db: Db,
	work: (trx: Db) => Promise<T | undefined>,
): Promise<T | undefined> {
	if (!db.isTransaction) return db.transaction().execute(work);
	await sql`savepoint attempt`.execute(db);
	const found = await work(db);
	if (found === undefined) await takeBack(db);
	else await sql`release savepoint attempt`.execute(db);
	return found;
}

/** Does something within a transaction and takes back what it wrote, but not what it found out. */
export async function rehearse<T>(trx: Db, work: () => Promise<T>): Promise<T> {
	await sql`savepoint attempt`.execute(trx);
	const found = await work();
	await takeBack(trx);
	return found;
}

/**
 * To the latest savepoint, which is gone then: one that stayed would stand before that of whoever called.
 * https://www.postgresql.org/docs/current/sql-rollback-to.html
 */
async function takeBack(trx: Db): Promise<void> {
	await sql`rollback to savepoint attempt`.execute(trx);
	await sql`release savepoint attempt`.execute(trx);
}

/** Does something within a transaction, and takes back what it wrote if it throws; the transaction can go on. */
export async function undoIfThrown<T>(
	trx: Db,
	work: () => Promise<T>,
): Promise<T> {
	await sql`savepoint attempt`.execute(trx);
	try {
		const answer = await work();
		await sql`release savepoint attempt`.execute(trx);
		return answer;
	} catch (error) {
		await takeBack(trx);
		throw error;
	}
}

/** The text of a jsonb value. PostgreSQL refuses NUL and lone surrogates, which a message of others may hold. */
export const toJsonb = (value: unknown): string =>
	JSON.stringify(value, (_key, part: unknown) =>
		typeof part === "string"
			? part.toWellFormed().replaceAll("\u0000", "\ufffd")
			: part,
	);

/** Whether the database answers. */
export async function isReachable(db: Db): Promise<boolean> {
	try {
		await sql`select 1`.execute(db);
		return true;
	} catch {
		return false;
	}
}

/** PostgreSQL's code of a violated unique index, with the index's name. */
export function violatedIndex(error: unknown): string | undefined {
	return error instanceof pg.DatabaseError && error.code === "23505"
		? error.constraint
		: undefined;
}

/** Whether a lock was waited for as long as `lock_timeout` allows. */
export const isLockTimeout = (error: unknown): boolean =>
	error instanceof pg.DatabaseError && error.code === "55P03";

// Class 08: connection; 57P: shut down or starting; 53: out of resources (PostgreSQL manual, appendix A).
// 40001, 40P01, 55P03, 57014, 25P03: given up for somebody else's sake; the same attempt may succeed.
const unreachableStates = /^(08|57P|53|40001|40P01|55P03|57014|25P03)/;
const unreachableErrnos = new Set([
	"ECONNREFUSED",
	"ECONNRESET",
	"EPIPE",
	"ETIMEDOUT",
	"ENOENT",
	"EHOSTUNREACH",
	"ENOTFOUND",
	"EAI_AGAIN",
]);

/** Turns the driver's errors that mean "the database is not there" into a Failure; returns others as they are. */
export function translateDatabaseError(error: unknown): unknown {
	if (!(error instanceof Error) || error instanceof Failure) return error;
	const code = "code" in error ? String(error.code) : "";
	const gone =
		error instanceof pg.DatabaseError
			? unreachableStates.test(code) || isUnprepared(error)
			: unreachableErrnos.has(code) ||
				/Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
					error.message,
				);
	if (!gone) return error;
	return new Failure({
		code: "unavailable",
		message: "The database cannot be reached.",
		untouched: "Nothing was changed by this request.",
		advice: "Try again in a few seconds.",
		retryable: true,
		cause: error,
	});
}
