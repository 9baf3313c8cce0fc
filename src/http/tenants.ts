import { createTenant, listTenants, setTenant } from "../contract/tenants.ts";
import {
	createTenant as createRow,
	listTenants as listRows,
	setApprovals,
} from "../store/tenants.ts";
import { bind, type Route } from "./bind.ts";
import { readPage } from "./page.ts";
import { presentTenant } from "./present.ts";
import { refuseMissing } from "./visible.ts";

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

	bind(setTenant, async ({ db }, { params, body }) => {
		const tenant = await setApprovals(db, params.name, body.approvals);
		if (tenant === undefined) throw refuseMissing("tenant", params.name);
		return presentTenant(tenant);
	}),
];
