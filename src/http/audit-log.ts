// The audit log for its readers: a page, or JSON lines page after page, so that no connection is held for who reads slowly.
import { listAudit } from "../contract/audit.ts";
import type { AuditLine } from "../domain/audit.ts";
import {
	type AuditFilter,
	type AuditPlace,
	listAudit as listLines,
	listSettledAudit,
} from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { readHorizon } from "../store/tenant-events.ts";
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

const writeCursor = ({ stamp, id }: AuditPlace): string => `${stamp}.${id}`;

function readCursor(text: string | undefined): AuditPlace | undefined {
	if (text === undefined) return undefined;
	const [stamp, id] = text.split(".");
	return { stamp: Number(stamp), id: Number(id) };
}

/**
 * Oldest first, up to the horizon of the moment at which it begins: what is written meanwhile does not keep it going, and what
 * a transaction that goes on may still write comes with the next one.
 */
async function* readAll(db: Db, filter: AuditFilter) {
	const horizon = await readHorizon(db);
	let { after } = filter;
	for (;;) {
		const page = { horizon, limit: batch };
		const lines = await listSettledAudit(db, { ...filter, after }, page);
		for (const { place, ...line } of lines)
			yield { ...present(line), cursor: writeCursor(place) };
		if (lines.length < batch) return;
		after = lines.at(-1)?.place;
	}
}

const readTime = (text: string | undefined) =>
	text === undefined ? undefined : new Date(text);

export const auditRoutes: readonly Route[] = [
	bind(listAudit, async ({ db, pageKey }, { actor, query, wantsLines }) => {
		requireAllEnvironments(actor);
		const { pageSize, pageToken, since, until, after, ...rest } = query;
		const filter = {
			...rest,
			tenant: decideScope(actor),
			since: readTime(since),
			until: readTime(until),
			after: readCursor(after),
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
