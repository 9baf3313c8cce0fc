// Lists come in pages. A page's token is opaque, belongs to the list that gave it and is no permission.
import { z } from "zod";

/** One JSON value a line: https://github.com/ndjson/ndjson-spec */
export const linesMediaType = "application/x-ndjson";

/** The part of a query that chooses a page. */
export const pageQuery = z.strictObject({
	pageSize: z.int().min(1).max(200).default(50),
	/** `nextPageToken` of the page before. */
	pageToken: z.string().max(512).optional(),
});

export type PageQuery = z.output<typeof pageQuery>;

/** `nextPageToken` is null on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) =>
	z.strictObject({
		items: z.array(item),
		nextPageToken: z.string().nullable(),
	});
