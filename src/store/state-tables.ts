// The tables of the engine's state. Of the other stations, only the look for leftovers reads them, and what it needs
// alone (state-resources.ts, listMovedSince).
import type { ColumnType, Generated, JSONColumnType, Kysely } from "kysely";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import type { Db, Tables } from "./db.ts";

type Time = ColumnType<Date, Date | undefined, Date>;
type OptionalTime = ColumnType<
	Date | null,
	Date | null | undefined,
	Date | null
>;

export const updateKinds = [
	"update",
	"preview",
	"refresh",
	"destroy",
	"import",
] as const;
export type UpdateKind = (typeof updateKinds)[number];

export type UpdateState = "created" | "running" | "succeeded" | "failed";

/**
 * How an update came to its end: its client said so; somebody cancelled it; whoever started its client said
 * that it is gone; another run took its place; its lease was over.
 */
export type Ending =
	| "completed"
	| "cancelled"
	| "abandoned"
	| "overtaken"
	| "lapsed";

// A type and not an interface: only then does it fit where kysely asks for a record.
export type StateTables = {
	stacks: {
		id: Generated<number>;
		project: string;
		name: string;
		environment_id: EnvironmentId | null;
		tags: JSONColumnType<Record<string, string>>;
		data_key: Buffer;
		version: Generated<number>;
		created_at: Time;
	};
	updates: {
		id: string;
		stack_id: number;
		kind: UpdateKind;
		is_dry_run: boolean;
		state: UpdateState;
		ending: Ending | null;
		version: number | null;
		requested_by: string;
		operation_id: OperationId | null;
		fence: number | null;
		message: string;
		environment: string;
		config: string;
		resource_changes: string | null;
		client_version: string;
		journal_version: Generated<number>;
		base_version: number | null;
		forgets_pending: Generated<boolean>;
		token_hash: Buffer | null;
		lease_expires_at: OptionalTime;
		is_refused: Generated<boolean>;
		checkpoint: string | null;
		checkpoint_sequence: Generated<number>;
		created_at: Time;
		started_at: OptionalTime;
		finished_at: OptionalTime;
	};
	journal: { update_id: string; sequence: number; entry: string };
	checkpoints: {
		stack_id: number;
		version: number;
		schema_version: number;
		features: JSONColumnType<string[]>;
		deployment: string;
		resource_count: number;
		created_at: Time;
	};
};

/** The same connection or transaction, with the engine's tables. */
export const withState = (db: Db): Kysely<Tables & StateTables> =>
	db.withTables<StateTables>();
