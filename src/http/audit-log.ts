// The audit log for its readers: a page, or JSON lines page after page, so that no connection is held for who reads slowly.
import { listAudit } from "../contract/audit.ts";
import type { AuditLine } from "../domain/audit.ts";
import { type AuditFilter, listAudit as listLines } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import type { PageCursor } from "../store/page.ts";
import { bind, type Route } from "./bind.ts";
import { readPage } from "./page.ts";
import { decideScope, requireAllEnvironments } from "./visible.ts";

/** Lines that are read at a time. */
const batch = 500;

const present = ({ createdAt, before, after, ...line }: AuditLine) => ({
	...line,
	at: createdAt.toISOString(),
	before: before && { ...before },
	after: after && { ...after },
});

async function* readAll(db: Db, filter: AuditFilter, first?: PageCursor) {
	let after = first;
	for (;;) {
		const rows = await listLines(db, filter, {
			limit: batch,
			...(after && { after }),
		});
		for (const row of rows) yield present(row);
		if (rows.length < batch) return;
		after = rows.at(-1);
	}
}

const readTime = (text: string | undefined) =>
	text === undefined ? undefined : new Date(text);

export const auditRoutes: readonly Route[] = [
	bind(listAudit, async ({ db, pageKey }, { actor, query, wantsLines }) => {
		requireAllEnvironments(actor);
		const { pageSize, pageToken, since, until, ...rest } = query;
		const filter = {
			...rest,
			tenant: decideScope(actor),
			since: readTime(since),
			until: readTime(until),
		};
		if (wantsLines) return { lines: readAll(db, filter) };
		const list = [listAudit.name, filter];
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list, query: { pageSize, pageToken } },
			(page) => listLines(db, filter, page),
		);
		return { items: rows.map(present), nextPageToken };
	}),
];
