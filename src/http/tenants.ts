import type { Output } from "../contract/endpoint.ts";
import {
	changeTenant,
	createTenant,
	findTenant,
	findUsage,
	listTenants,
} from "../contract/tenants.ts";
import type { Measure } from "../domain/quota.ts";
import type { Tenant } from "../domain/tenant.ts";
import { type Db, transact } from "../store/db.ts";
import { listShares, readAccount } from "../store/quotas.ts";
import {
	changeTenant as changeRow,
	createTenant as createRow,
	findTenant as findRow,
	listTenants as listRows,
	lockTenant,
} from "../store/tenants.ts";
import { composeAnswer } from "./answer.ts";
import { bind, type Route } from "./bind.ts";
import { requireMatch } from "./etag.ts";
import { readPage } from "./page.ts";
import { presentTenant } from "./present.ts";
import { loadVisibleTenant, refuseMissing } from "./visible.ts";

const mostShares = 50;

async function readUsage(
	db: Db,
	{ id, name }: Tenant,
	pattern: string | null,
): Promise<Output<typeof findUsage>> {
	const account = await readAccount(db, id);
	const { sizes, targets, blueprints, ...limits } = account.limits;
	const limit = mostShares;
	const largest = await listShares(db, id, { by: "cpuMillis", limit, pattern });
	const count = (measure: Measure) => ({
		limit: limits[measure],
		used: account.usage[measure],
	});
	return {
		tenant: name,
		environments: count("environments"),
		activeEnvironments: count("activeEnvironments"),
		cpuMillis: count("cpuMillis"),
		memoryMiB: count("memoryMiB"),
		operationsPerHour: {
			limit: limits.operationsPerHour,
			used: account.operations,
		},
		sizes,
		targets,
		blueprints,
		largest,
	};
}

export const tenantRoutes: readonly Route[] = [
	bind(listTenants, async ({ db, pageKey }, { query }) => {
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listTenants.name], query },
			(page) => listRows(db, page),
		);
		return { items: rows.map(presentTenant), nextPageToken };
	}),

	bind(createTenant, async ({ db }, { body }) =>
		presentTenant(await createRow(db, body.name)),
	),

	bind(findTenant, async ({ db }, { params }) => {
		const tenant = await findRow(db, params.name);
		if (tenant === undefined) throw refuseMissing("tenant", params.name);
		return presentTenant(tenant);
	}),

	bind(changeTenant, async (context, { params, body, match }) => {
		const { db } = context;
		const tenant = await transact(db, async (trx) => {
			const current = await lockTenant(trx, params.name);
			if (current !== undefined && match !== undefined) {
				const shown = presentTenant(current);
				const { body } = composeAnswer(context, findTenant, shown);
				requireMatch(match, findTenant, body);
			}
			return changeRow(trx, params.name, body);
		});
		if (tenant === undefined) throw refuseMissing("tenant", params.name);
		return presentTenant(tenant);
	}),

	bind(findUsage, async ({ db }, { actor, params }) => {
		const tenant = await loadVisibleTenant(db, actor, params.name);
		return readUsage(db, tenant, actor.scope.environments);
	}),
];
