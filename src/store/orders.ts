// The order of a new environment: all of its rows, by one statement, which is a transaction and one round trip.
// Round trips are what an order costs, to the service and to PostgreSQL.
import { sql } from "kysely";
import type { OnDrift } from "../domain/drift.ts";
import type { EventData } from "../domain/event.ts";
import type { PlannedExpiry } from "../domain/expiry.ts";
import type { EnvironmentId, OperationId, TenantId } from "../domain/ids.ts";
import {
	noChanges,
	type Operation,
	type OperationOptions,
} from "../domain/operation.ts";
import type { Origin } from "../domain/origin.ts";
import type { ShownParameters } from "../domain/parameters.ts";
import {
	decidePlace,
	type QueueFacts,
	type QueuePlace,
} from "../domain/queue.ts";
import { decideDemand } from "../domain/sizing.ts";
import type { BlueprintName, Size } from "../domain/spec.ts";
import { findTraceparent } from "../domain/trace.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";
import type { PlannedSchedule } from "./environments.ts";
import { eventStamp, eventsChannel } from "./events.ts";
import { planEnd } from "./expiries.ts";
import { type OperationRow, toOperation } from "./operations.ts";
import { selectQueueFacts } from "./queue-place.ts";
import { announceLanes, signalLanes } from "./webhook-lanes.ts";

export interface NewEnvironment {
	readonly id: EnvironmentId;
	readonly tenant: TenantId;
	/** Undefined: the default one. */
	readonly target?: string | undefined;
	readonly name: string;
	readonly blueprint: BlueprintName;
	readonly blueprintVersion: string;
	readonly release: string;
	readonly size: Size;
	readonly parameters: ShownParameters;
	readonly description: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly onDrift: OnDrift;
	readonly namespace: string;
	/** Sealed, by name. */
	readonly secrets: ReadonlyMap<string, Buffer>;
	readonly expiry: PlannedExpiry;
	readonly schedule: PlannedSchedule | null;
	readonly operation: OperationId;
	readonly requestedBy: string;
	/** What it is a copy of. */
	readonly clonedFrom?: Origin;
	readonly options?: OperationOptions;
}

/**
 * Writes the environment, its revision 1, its secrets, the operation that creates it and its first event, and
 * announces that. Undefined, and nothing written, if there is no such release or target. Throws `conflict` when
 * the tenant has a living environment of that name.
 */
export async function createOrder(
	db: Db,
	order: NewEnvironment,
): Promise<{ operation: Operation; place: QueuePlace } | undefined> {
	const { ttlSeconds, onExpiry, failureTtlSeconds } = order.expiry;
	const end = planEnd(ttlSeconds);
	const demand = decideDemand(order);
	const { schedule = null, transition } = order.schedule ?? {};
	const queued: EventData["operation.queued"] = { kind: "create" };
	// Each part takes from the one before: without a release or a target there is nothing to take. The event is the
	// environment's first, so its id needs no counter. Foreign keys are checked when the whole statement is done.
	const query = sql<
		OperationRow & { readonly facts: QueueFacts; readonly now: Date }
	>`
		with environment as (
			insert into environments (id, tenant_id, target_id, name, blueprint, description, labels,
				lifecycle, health, namespace, desired_revision, last_event_id, last_stamp,
				expires_at, notice_at, on_expiry, failure_ttl_seconds, schedule, transition_at, transition_to, on_drift, cloned_from)
			select ${order.id}, ${order.tenant}, target.id, ${order.name}, ${order.blueprint},
				${order.description}, ${JSON.stringify(order.labels)}::jsonb,
				'creating', 'unknown', ${order.namespace}, 1, 1, ${eventStamp},
				${end.expires_at}, ${end.notice_at}, ${onExpiry}, ${failureTtlSeconds}::integer,
				${schedule && JSON.stringify(schedule)}::jsonb, ${transition?.at ?? null}::timestamptz, ${transition?.to ?? null}::text, ${order.onDrift},
				${order.clonedFrom === undefined ? null : JSON.stringify(order.clonedFrom)}::jsonb
			from targets target
			where case when ${order.target ?? null}::text is null then target.is_default
				else target.name = ${order.target ?? null} end
			and exists (select from releases where name = ${order.release})
			returning id, tenant_id, target_id, name, last_stamp
		), revision as (
			insert into revisions (environment_id, number, blueprint_version, release, images, size, parameters, cpu_millis, memory_mib, digest)
			select environment.id, 1, ${order.blueprintVersion}, release.name, release.images, ${order.size},
				${JSON.stringify(order.parameters)}::jsonb, ${demand.cpuMillis}, ${demand.memoryMiB},
				(select digest from blueprints where name = ${order.blueprint} and version = ${order.blueprintVersion})
			from environment, releases release where release.name = ${order.release}
		), sealed as (
			insert into secrets (environment_id, name, sealed)
			select environment.id, secret.name, secret.sealed
			from environment, unnest(${[...order.secrets.keys()]}::text[], ${[...order.secrets.values()]}::bytea[])
				as secret (name, sealed)
		), operation as (
			insert into operations (id, environment_id, tenant_id, kind, state, revision_to, changes, requested_by, options, traceparent)
			select ${order.operation}, environment.id, ${order.tenant}, 'create', 'queued', 1,
				${JSON.stringify(noChanges)}::jsonb, ${order.requestedBy},
				${JSON.stringify(order.options ?? {})}::jsonb, ${findTraceparent()}
			from environment
			returning *
		), event as (
			insert into events (environment_id, id, tenant_id, stamp, operation_id, type, data, at)
			select environment_id, 1, tenant_id, (select last_stamp from environment), id, 'operation.queued', ${JSON.stringify(queued)}::jsonb, clock_timestamp()
			from operation
		), counted as (
			select id, tenant_id, name, 0::bigint as before from environment
		), ${signalLanes}
		select operation.*, pg_notify(${eventsChannel}, environment_id || ' ' || tenant_id), ${announceLanes},
			now() as now, ${selectQueueFacts({
				tenant: sql`${order.tenant}`,
				target: sql`(select target_id from environment)`,
				kind: sql`'create'`,
				// The statement does not see what it writes: all that it sees was there before.
				isBefore: sql`true`,
			})} as facts
		from operation`;
	try {
		const { rows } = await query.execute(db);
		const [row] = rows;
		if (row === undefined) return undefined;
		return {
			operation: toOperation(row),
			place: decidePlace(row.facts, undefined, row.now),
		};
	} catch (error) {
		if (violatedIndex(error) !== "environments_by_name") throw error;
		throw refuseName(order.name);
	}
}

const refuseName = (name: string) =>
	new Failure({
		code: "conflict",
		message: `There is an environment named "${name}" already.`,
		untouched:
			"The environment that has the name was not changed, and none was made.",
		advice:
			"Choose another name, or destroy the environment that has it first.",
		errors: [{ pointer: "/name", message: "is taken" }],
	});
