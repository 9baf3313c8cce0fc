import { sql } from "kysely";
import type { ApprovalRule } from "../domain/approval.ts";
import { createTenantId, type TenantId } from "../domain/ids.ts";
import type { QuotaChange } from "../domain/quota.ts";
import {
	type Tenant,
	type TenantSettings,
	tenantSettings,
} from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";
import { type PageRequest, readPage } from "./page.ts";

const columns = ["id", "name", "settings", "approvals", "created_at"] as const;

interface Row {
	id: TenantId;
	name: string;
	settings: Partial<TenantSettings>;
	approvals: ApprovalRule[];
	created_at: Date;
}

const toTenant = (row: Row): Tenant => ({
	id: row.id,
	name: row.name,
	settings: tenantSettings.parse(row.settings),
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

/** Locks the row until the transaction ends. Undefined when there is no such tenant. */
export async function lockTenant(
	trx: Db,
	name: string,
): Promise<Tenant | undefined> {
	const row = await trx
		.selectFrom("tenants")
		.select(columns)
		.where("name", "=", name)
		.forNoKeyUpdate()
		.executeTakeFirst();
	return row && toTenant(row);
}

/** Undefined when there is no such tenant. What is not given stays. */
export async function changeTenant(
	db: Db,
	name: string,
	change: {
		readonly [K in Exclude<keyof TenantSettings, "quota">]?:
			| TenantSettings[K]
			| undefined;
	} & {
		readonly approvals?: readonly ApprovalRule[] | undefined;
		/** Of it, too, what is not given stays. */
		readonly quota?: QuotaChange | undefined;
	},
): Promise<Tenant | undefined> {
	const { approvals, quota, ...settings } = change;
	const row = await db
		.updateTable("tenants")
		.set({
			settings: sql<string>`settings || ${JSON.stringify(settings)}::jsonb || jsonb_build_object('quota',
				coalesce(settings -> 'quota', '{}') || ${JSON.stringify(quota ?? {})}::jsonb)`,
			...(approvals && { approvals: JSON.stringify(approvals) }),
		})
		.where("name", "=", name)
		.returning(columns)
		.executeTakeFirst();
	return row && toTenant(row);
}

/** Newest first. */
export async function listTenants(
	db: Db,
	page: PageRequest,
): Promise<Tenant[]> {
	const query = db.selectFrom("tenants").select(columns);
	const rows = await readPage(query, page).execute();
	return rows.map(toTenant);
}
