// The stacks of the engine: one for each environment, and those that a platform admin makes.
import { sql } from "kysely";
import type { EnvironmentId } from "../domain/ids.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";
import type { StackScope } from "./state-access.ts";
import { type UpdateKind, withState } from "./state-tables.ts";

export interface StackName {
	readonly project: string;
	readonly name: string;
}

/** The update that moves a stack now. */
export interface ActiveUpdate {
	readonly id: string;
	readonly kind: UpdateKind;
	readonly requestedBy: string;
	readonly startedAt: Date;
}

export interface Stack extends StackName {
	readonly id: number;
	readonly environment: EnvironmentId | null;
	readonly tags: Readonly<Record<string, string>>;
	/** Sealed. */
	readonly dataKey: Buffer;
	readonly version: number;
	readonly active: ActiveUpdate | undefined;
}

const selectStacks = (db: Db, scope: StackScope) => {
	const query = withState(db)
		.selectFrom("stacks as s")
		.leftJoin("environments as e", "e.id", "s.environment_id");
	switch (scope.of) {
		case "all":
			return query;
		case "tenant":
			return query.where("e.tenant_id", "=", scope.tenant);
		case "environment":
			return query.where("s.environment_id", "=", scope.environment);
		case "nobody":
			return query.where(sql<boolean>`false`);
	}
};

/** Undefined as well for what lies outside the scope. */
export async function findStack(
	db: Db,
	scope: StackScope,
	{ project, name }: StackName,
): Promise<Stack | undefined> {
	const row = await selectStacks(db, scope)
		.leftJoin("updates as u", (join) =>
			join
				.onRef("u.stack_id", "=", "s.id")
				// Word for word the condition of the index: a plan for any value of a parameter could not use it.
				.on(sql<boolean>`u.state = 'running' and not u.is_dry_run`),
		)
		.select([
			"s.id",
			"s.environment_id",
			"s.tags",
			"s.data_key",
			"s.version",
			"u.id as update_id",
			"u.kind",
			"u.requested_by",
			"u.started_at",
		])
		.where("s.project", "=", project)
		.where("s.name", "=", name)
		.executeTakeFirst();
	if (row === undefined) return undefined;
	const { update_id, kind, requested_by, started_at } = row;
	return {
		id: row.id,
		project,
		name,
		environment: row.environment_id,
		tags: row.tags,
		dataKey: row.data_key,
		version: row.version,
		active:
			update_id === null ||
			kind === null ||
			requested_by === null ||
			started_at === null
				? undefined
				: {
						id: update_id,
						kind,
						requestedBy: requested_by,
						startedAt: started_at,
					},
	};
}

/** Throws `conflict` when there is a stack of that name. */
export async function createStack(
	db: Db,
	stack: StackName & {
		readonly environment: EnvironmentId | null;
		readonly tags: Readonly<Record<string, string>>;
		readonly dataKey: Buffer;
	},
): Promise<number> {
	try {
		const { id } = await withState(db)
			.insertInto("stacks")
			.values({
				project: stack.project,
				name: stack.name,
				environment_id: stack.environment,
				tags: JSON.stringify(stack.tags),
				data_key: stack.dataKey,
			})
			.returning("id")
			.executeTakeFirstOrThrow();
		return id;
	} catch (error) {
		if (violatedIndex(error) === undefined) throw error;
		throw new Failure({
			code: "conflict",
			message: `The stack ${stack.project}/${stack.name} already exists.`,
			untouched: "It was not changed.",
		});
	}
}

/** Locks the row until the transaction ends: whoever starts or ends an update of a stack does so alone. Throws `not_found`. */
export async function lockStack(db: Db, id: number): Promise<number> {
	const row = await withState(db)
		.selectFrom("stacks")
		.select("version")
		.where("id", "=", id)
		.forUpdate()
		.executeTakeFirst();
	if (row === undefined) {
		throw new Failure({
			code: "not_found",
			message: "There is no such stack any more.",
			untouched: "Nothing was changed.",
		});
	}
	return row.version;
}

/** Draws the number of the next update. */
export async function raiseVersion(db: Db, id: number): Promise<number> {
	const { version } = await withState(db)
		.updateTable("stacks")
		.set((eb) => ({ version: eb("version", "+", 1) }))
		.where("id", "=", id)
		.returning("version")
		.executeTakeFirstOrThrow();
	return version;
}

export async function replaceTags(
	db: Db,
	id: number,
	tags: Readonly<Record<string, string>>,
): Promise<void> {
	await withState(db)
		.updateTable("stacks")
		.set({ tags: JSON.stringify(tags) })
		.where("id", "=", id)
		.execute();
}

/** With its updates and states. */
export async function deleteStack(db: Db, id: number): Promise<void> {
	await withState(db).deleteFrom("stacks").where("id", "=", id).execute();
}

export interface StackSummary extends StackName {
	readonly resourceCount: number | null;
	readonly lastUpdateAt: Date | null;
}

/** By project and name, at most `limit`. */
export async function listStacks(
	db: Db,
	scope: StackScope,
	page: {
		readonly project?: string | undefined;
		readonly tag?: { readonly name: string; readonly value?: string };
		readonly after?: StackName;
		readonly limit: number;
	},
): Promise<StackSummary[]> {
	let query = selectStacks(db, scope)
		.select(["s.project", "s.name"])
		.select((eb) => [
			eb
				.selectFrom("checkpoints as c")
				.select("c.resource_count")
				.whereRef("c.stack_id", "=", "s.id")
				.orderBy("c.version", "desc")
				.limit(1)
				.as("resource_count"),
			eb
				.selectFrom("updates as u")
				.select((of) => of.fn.max("u.started_at").as("at"))
				.whereRef("u.stack_id", "=", "s.id")
				.where("u.is_dry_run", "=", false)
				.as("last_update_at"),
		])
		.orderBy("s.project")
		.orderBy("s.name")
		.limit(page.limit);
	const { project, tag, after } = page;
	if (project !== undefined) query = query.where("s.project", "=", project);
	if (tag !== undefined) {
		query =
			tag.value === undefined
				? query.where(sql<boolean>`s.tags ? ${tag.name}`)
				: query.where(sql<boolean>`s.tags ->> ${tag.name} = ${tag.value}`);
	}
	if (after !== undefined) {
		query = query.where((eb) =>
			eb(
				eb.refTuple("s.project", "s.name"),
				">",
				eb.tuple(after.project, after.name),
			),
		);
	}
	return (await query.execute()).map((row) => ({
		project: row.project,
		name: row.name,
		resourceCount: row.resource_count,
		lastUpdateAt: row.last_update_at,
	}));
}
