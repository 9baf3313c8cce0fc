// Keyset paging: a page begins after the last row of the one before, whatever was added meanwhile.
import { type SelectQueryBuilder, sql } from "kysely";

/** Where a page begins: behind the row with this time and id. */
export interface PageCursor {
	readonly createdAt: Date;
	readonly id: string;
	/** What the list is sorted by, where that is not the time. */
	readonly key?: string;
}

export interface PageRequest {
	readonly limit: number;
	readonly after?: PageCursor;
}

/** By which columns rows are in order: one, and an id where that is the same. */
export interface PageOrder {
	readonly column: string;
	readonly id: string;
	readonly isDescending: boolean;
}

export const newestFirst: PageOrder = {
	column: "created_at",
	id: "id",
	isDescending: true,
};

/** The part of a query that makes a page of it. */
export function readPage<DB, TB extends keyof DB, O>(
	query: SelectQueryBuilder<DB, TB, O>,
	{ limit, after }: PageRequest,
	order: PageOrder = newestFirst,
): SelectQueryBuilder<DB, TB, O> {
	const column = sql.ref(order.column);
	const id = sql.ref(order.id);
	const direction = order.isDescending ? "desc" : "asc";
	const page = query
		.orderBy(column, direction)
		.orderBy(id, direction)
		.limit(limit);
	if (after === undefined) return page;
	const comes = sql.raw(order.isDescending ? "<" : ">");
	const key = after.key ?? after.createdAt;
	return page.where(
		sql<boolean>`(${column}, ${id}) ${comes} (${key}, ${after.id})`,
	);
}
