// Environments as they are shown: with what other tables say of them, and of that only the parts that are asked for. By
// as few statements as there can be: one costs as much as what it reads of some environments.
import { type RawBuilder, sql } from "kysely";
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
import { buildOnce } from "./built.ts";
import type { Db } from "./db.ts";
import {
	type EnvironmentRow,
	environmentColumns,
	isAlive,
	type Scope,
	toEnvironment,
} from "./environments.ts";
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

const findShown = buildOnce((db, id: EnvironmentId) =>
	selectShown(db, wholeShown).where("e.id", "=", id),
);

export async function loadShownEnvironment(
	db: Db,
	id: EnvironmentId,
): Promise<ShownEnvironment> {
	const [row] = await findShown(db, id);
	if (row === undefined) throw new Error(`there is no environment ${id}`);
	return toShown(row);
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

/** An environment's place in a page, and as what it was seen there. */
export interface EnvironmentStamp
	extends Pick<Environment, "id" | "name" | "createdAt" | "updatedAt"> {
	/** As long as it is the same, so are all parts of the environment but its operation. */
	readonly version: string;
}

// The transaction that wrote the row. The time is beside it for a database that was set back to an earlier state, where
// numbers come again. Whatever else is shown never changes (revisions, and the names of tenants and targets), or is the end
// of an operation, whose event is counted in the row.
const version = sql<string>`e.xmin || '.' || extract(epoch from e.updated_at)`;

const stampColumns = [
	"e.id",
	"e.name",
	"e.created_at",
	"e.updated_at",
	version.as("version"),
] as const;

const selectStamps = (db: Db) =>
	db.selectFrom("environments as e").select(stampColumns);

interface Sought {
	readonly scope: Scope;
	/** Destroyed ones only when asked for by lifecycle. */
	readonly filter: EnvironmentFilter;
}

/** What an environment `e` must be. */
function isSought({ scope, filter }: Sought): RawBuilder<boolean> {
	const { lifecycle, pattern, labels = {} } = filter;
	const all = [
		lifecycle === undefined ? isAlive : sql`e.lifecycle = ${lifecycle}`,
	];
	if (scope !== undefined) all.push(sql`e.tenant_id = ${scope}`);
	for (const column of ["health", "blueprint", "name"] as const)
		if (filter[column] !== undefined)
			all.push(sql`e.${sql.ref(column)} = ${filter[column]}`);
	for (const column of ["release", "size"] as const)
		if (filter[column] !== undefined)
			all.push(sql`exists (select from revisions where environment_id = e.id
				and number = e.desired_revision and ${sql.ref(column)} = ${filter[column]})`);
	if (pattern != null)
		all.push(sql`e.name like ${pattern.replaceAll("*", "%")}`);
	if (Object.keys(labels).length > 0)
		all.push(sql`e.labels @> ${JSON.stringify(labels)}::jsonb`);
	return sql<boolean>`${sql.join(all, sql` and `)}`;
}

export async function listEnvironments(
	db: Db,
	request: PageRequest & Sought & { readonly sort: EnvironmentSort },
): Promise<EnvironmentStamp[]> {
	const query = selectStamps(db).where(isSought(request));
	const rows = await readPage(query, request, orders[request.sort]).execute();
	return rows.map((row) => ({
		id: row.id,
		name: row.name,
		createdAt: row.created_at,
		updatedAt: row.updated_at,
		version: row.version,
	}));
}

/** With the parts that were asked for but its operation, and without the others. */
export type PartlyShown = Partial<ShownEnvironment> &
	Pick<EnvironmentStamp, "id" | "version">;

/** Those of them that still are what is sought. */
export async function loadEnvironments(
	db: Db,
	request: Sought & {
		readonly ids: readonly EnvironmentId[];
		readonly parts: readonly EnvironmentPart[];
	},
): Promise<PartlyShown[]> {
	const { ids, parts } = request;
	const own = parts.filter((part) => part !== "activeOperation");
	const rows = await selectShown(db, [
		...new Set<EnvironmentPart>(["id", ...own]),
	])
		.select(version.as("version"))
		.where(isSought(request))
		.where("e.id", "=", sql<EnvironmentId>`any(${ids})`)
		.execute();
	return rows.map((row) => ({ ...toShown(row), version: row.version }));
}
