import type { ApprovalRule } from "../domain/approval.ts";
import { createTenantId, type TenantId } from "../domain/ids.ts";
import type { Tenant } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";
import type { PageRequest } from "./page.ts";

const columns = ["id", "name", "approvals", "created_at"] as const;

interface Row {
	id: TenantId;
	name: string;
	approvals: ApprovalRule[];
	created_at: Date;
}

const toTenant = (row: Row): Tenant => ({
	id: row.id,
	name: row.name,
	approvals: row.approvals,
	createdAt: row.created_at,
});

/** Throws `conflict` when the name is taken. */
export async function createTenant(db: Db, name: string): Promise<Tenant> {
	try {
		const row = await db
			.insertInto("tenants")
			.values({ id: createTenantId(), name })
			.returning(columns)
			.executeTakeFirstOrThrow();
		return toTenant(row);
	} catch (error) {
		if (violatedIndex(error) === undefined) throw error;
		throw new Failure({
			code: "conflict",
			message: `There is a tenant named "${name}" already.`,
			untouched: "The tenant that has the name was not changed.",
			advice: "Choose another name.",
			errors: [{ pointer: "/name", message: "is taken" }],
		});
	}
}

export async function findTenant(
	db: Db,
	name: string,
): Promise<Tenant | undefined> {
	const row = await db
		.selectFrom("tenants")
		.select(columns)
		.where("name", "=", name)
		.executeTakeFirst();
	return row && toTenant(row);
}

/** Newest first. */
export async function listTenants(
	db: Db,
	page: PageRequest,
): Promise<Tenant[]> {
	let query = db
		.selectFrom("tenants")
		.select(columns)
		.orderBy("created_at", "desc")
		.orderBy("id", "desc")
		.limit(page.limit);
	if (page.after !== undefined) {
		const { createdAt, id } = page.after;
		query = query.where((eb) =>
			eb(
				eb.refTuple("created_at", "id"),
				"<",
				eb.tuple(createdAt, id as TenantId),
			),
		);
	}
	return (await query.execute()).map(toTenant);
}

/** Which orders of a tenant wait for an approval. Undefined when there is no such tenant. */
export async function setApprovals(
	db: Db,
	name: string,
	rules: readonly ApprovalRule[],
): Promise<Tenant | undefined> {
	const row = await db
		.updateTable("tenants")
		.set({ approvals: JSON.stringify(rules) })
		.where("name", "=", name)
		.returning(columns)
		.executeTakeFirst();
	return row && toTenant(row);
}
