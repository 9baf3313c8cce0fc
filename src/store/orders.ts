// The order of a new environment: all of its rows, by one statement, which is a transaction and one round trip.
// Round trips are what an order costs, to the service and to PostgreSQL.
import { sql } from "kysely";
import type { EventData } from "../domain/event.ts";
import type { EnvironmentId, OperationId, TenantId } from "../domain/ids.ts";
import {
	farthestPlace,
	noChanges,
	type Operation,
} from "../domain/operation.ts";
import type { ShownParameters } from "../domain/parameters.ts";
import type { BlueprintName, Size } from "../domain/spec.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";
import type { PlannedSchedule } from "./environments.ts";
import { eventsChannel } from "./events.ts";
import {
	type OperationRow,
	type QueuePlace,
	toOperation,
} from "./operations.ts";

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
	readonly namespace: string;
	/** Sealed, by name. */
	readonly secrets: ReadonlyMap<string, Buffer>;
	readonly schedule: PlannedSchedule | null;
	readonly operation: OperationId;
	readonly requestedBy: string;
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
	const { schedule = null, transition } = order.schedule ?? {};
	const queued: EventData["operation.queued"] = { kind: "create" };
	// Each part takes from the one before: without a release or a target there is nothing to take. The event is the
	// environment's first, so its id needs no counter. Foreign keys are checked when the whole statement is done.
	const query = sql<OperationRow & { readonly ahead: number }>`
		with environment as (
			insert into environments (id, tenant_id, target_id, name, blueprint, description, labels,
				lifecycle, health, namespace, desired_revision, last_event_id,
				schedule, transition_at, transition_to)
			select ${order.id}, ${order.tenant}, target.id, ${order.name}, ${order.blueprint},
				${order.description}, ${JSON.stringify(order.labels)}::jsonb,
				'creating', 'unknown', ${order.namespace}, 1, 1,
				${schedule && JSON.stringify(schedule)}::jsonb, ${transition?.at ?? null}::timestamptz, ${transition?.to ?? null}::text
			from targets target
			where case when ${order.target ?? null}::text is null then target.is_default
				else target.name = ${order.target ?? null} end
			and exists (select from releases where name = ${order.release})
			returning id
		), revision as (
			insert into revisions (environment_id, number, blueprint_version, release, images, size, parameters, digest)
			select environment.id, 1, ${order.blueprintVersion}, release.name, release.images, ${order.size},
				${JSON.stringify(order.parameters)}::jsonb,
				(select digest from blueprints where name = ${order.blueprint} and version = ${order.blueprintVersion})
			from environment, releases release where release.name = ${order.release}
		), sealed as (
			insert into secrets (environment_id, name, sealed)
			select environment.id, secret.name, secret.sealed
			from environment, unnest(${[...order.secrets.keys()]}::text[], ${[...order.secrets.values()]}::bytea[])
				as secret (name, sealed)
		), operation as (
			insert into operations (id, environment_id, kind, state, revision_to, changes, requested_by)
			select ${order.operation}, environment.id, 'create', 'queued', 1,
				${JSON.stringify(noChanges)}::jsonb, ${order.requestedBy}
			from environment
			returning *
		), event as (
			insert into events (environment_id, id, operation_id, type, data, at)
			select environment_id, 1, id, 'operation.queued', ${JSON.stringify(queued)}::jsonb, clock_timestamp()
			from operation
		)
		select operation.*, pg_notify(${eventsChannel}, environment_id),
			(
				select count(*) from (
					select from operations where state = 'queued' and finished_at is null limit ${farthestPlace}
				) as near
			) as ahead
		from operation`;
	try {
		const { rows } = await query.execute(db);
		const [row] = rows;
		if (row === undefined) return undefined;
		return {
			operation: toOperation(row),
			place: { position: row.ahead, waitingFor: null },
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
