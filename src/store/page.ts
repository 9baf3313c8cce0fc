// Keyset paging: a page begins after the last row of the one before, whatever was added meanwhile.

/** Where a page begins: behind the row with this time and id. */
export interface PageCursor {
	readonly createdAt: Date;
	readonly id: string;
}

export interface PageRequest {
	readonly limit: number;
	readonly after?: PageCursor;
}
