// Environments as they are shown: with what other tables say of them, and of that only the parts that are asked for. By
// as few statements as there can be: one costs as much as what it reads of some environments.
import { sql } from "kysely";
import type {
	Environment,
	EnvironmentSort,
	Lifecycle,
	Revision,
} from "../domain/environment.ts";
import type { Health } from "../domain/health.ts";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import { turnKinds } from "../domain/operation.ts";
import type { Size } from "../domain/spec.ts";
import type { Db } from "./db.ts";
import {
	type EnvironmentRow,
	environmentColumns,
	isAlive,
	type Scope,
	toEnvironment,
} from "./environments.ts";
import { listCurrentOperations } from "./operations.ts";
import { type PageOrder, type PageRequest, readPage } from "./page.ts";
import { parseParameters } from "./revisions.ts";

/** Of the revision that an environment should be at. */
export type DesiredContent = Pick<
	Revision,
	"blueprintVersion" | "release" | "size" | "parameters" | "power"
>;

export interface ShownEnvironment extends Environment {
	readonly desired: DesiredContent;
	/** The one that moves it, or else the first one that waits to. */
	readonly activeOperation: OperationId | null;
}

export type EnvironmentPart = keyof ShownEnvironment;

// Of one environment. Of many, a plan that was made while nothing was open may look at all that is open for each of them.
const activeOperation = sql<OperationId | null>`(
	select o.id from operations o
	where o.environment_id = e.id and o.finished_at is null and o.state <> 'awaiting_approval' and o.kind = any(${turnKinds})
	order by o.state = 'queued', o.sequence limit 1)`;

const columns = {
	...environmentColumns,
	desired: [
		"r.blueprint_version",
		"r.release",
		"r.size",
		"r.parameters",
		"r.power",
	],
	activeOperation: [activeOperation.as("active_operation")],
} as const satisfies Record<EnvironmentPart, readonly unknown[]>;

export const wholeShown = Object.keys(columns) as EnvironmentPart[];

const selectShown = (db: Db, parts: readonly EnvironmentPart[]) =>
	db
		.selectFrom("environments as e")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.innerJoin("targets as g", "g.id", "e.target_id")
		.innerJoin("revisions as r", (join) =>
			join
				.onRef("r.environment_id", "=", "e.id")
				.onRef("r.number", "=", "e.desired_revision"),
		)
		.select(parts.flatMap((part) => [...columns[part]]));

type Row = Awaited<
	ReturnType<ReturnType<typeof selectShown>["executeTakeFirstOrThrow"]>
>;

const toShown = (row: Row): ShownEnvironment => ({
	...toEnvironment(row as EnvironmentRow),
	desired: row.parameters && {
		blueprintVersion: row.blueprint_version,
		release: row.release,
		size: row.size,
		parameters: parseParameters(row.parameters),
		power: row.power,
	},
	activeOperation: row.active_operation,
});

export async function loadShownEnvironment(
	db: Db,
	id: EnvironmentId,
): Promise<ShownEnvironment> {
	return toShown(
		await selectShown(db, wholeShown)
			.where("e.id", "=", id)
			.executeTakeFirstOrThrow(),
	);
}

export interface EnvironmentFilter {
	readonly blueprint?: string | undefined;
	/** With size: of the desired revision. */
	readonly release?: string | undefined;
	readonly size?: Size | undefined;
	readonly lifecycle?: Lifecycle | undefined;
	readonly health?: Health | undefined;
	readonly name?: string | undefined;
	/** In which `*` stands for any text; names themselves have nothing that LIKE would take for more than itself. */
	readonly pattern?: string | null;
	/** All of them must be there. */
	readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What they can be sorted by; a hyphen turns it round. */
const orders: Readonly<Record<EnvironmentSort, PageOrder>> = {
	createdAt: { column: "e.created_at", id: "e.id", isDescending: false },
	"-createdAt": { column: "e.created_at", id: "e.id", isDescending: true },
	name: { column: "e.name", id: "e.id", isDescending: false },
	"-updatedAt": { column: "e.updated_at", id: "e.id", isDescending: true },
};

/** What the order of a page needs. */
const ordering = ["id", "name", "createdAt", "updatedAt"] as const;

/** With these parts, and without the others. */
export type PartlyShown = Partial<ShownEnvironment> &
	Pick<ShownEnvironment, (typeof ordering)[number]>;

/** Destroyed ones only when asked for by lifecycle. */
export async function listEnvironments(
	db: Db,
	scope: Scope,
	request: PageRequest & {
		readonly filter: EnvironmentFilter;
		readonly sort: EnvironmentSort;
		readonly parts: readonly EnvironmentPart[];
	},
): Promise<PartlyShown[]> {
	const { filter, parts } = request;
	const own = parts.filter((part) => part !== "activeOperation");
	let query = selectShown(db, [...new Set([...ordering, ...own])]);
	if (scope !== undefined) query = query.where("e.tenant_id", "=", scope);
	query =
		filter.lifecycle === undefined
			? query.where(isAlive)
			: query.where("e.lifecycle", "=", filter.lifecycle);
	if (filter.health !== undefined)
		query = query.where("e.health", "=", filter.health);
	if (filter.blueprint !== undefined)
		query = query.where("e.blueprint", "=", filter.blueprint);
	if (filter.release !== undefined)
		query = query.where("r.release", "=", filter.release);
	if (filter.size !== undefined)
		query = query.where("r.size", "=", filter.size);
	if (filter.name !== undefined)
		query = query.where("e.name", "=", filter.name);
	if (filter.pattern != null)
		query = query.where("e.name", "like", filter.pattern.replaceAll("*", "%"));
	if (filter.labels !== undefined && Object.keys(filter.labels).length > 0) {
		query = query.where(
			sql<boolean>`e.labels @> ${JSON.stringify(filter.labels)}::jsonb`,
		);
	}
	const page = readPage(query, request, orders[request.sort]);
	const rows = (await page.execute()).map(toShown);
	if (!parts.includes("activeOperation")) return rows;
	const ids = rows.map(({ id }) => id);
	const operations = await listCurrentOperations(db, ids);
	return rows.map((row) => ({
		...row,
		activeOperation: operations.get(row.id) ?? null,
	}));
}
