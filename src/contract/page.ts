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

/**
 * Chooses fields of a list's items, as `?fields=id,name`. For lists whose items have an `id`, which is always among them.
 */
export const fieldsOf = <S extends z.ZodRawShape>(
	item: z.ZodObject<S, z.core.$strict>,
) =>
	z
		.array(item.keyof())
		.min(1)
		.max(64)
		// How OpenAPI says that commas separate them.
		.meta({ style: "form", explode: false })
		.optional()
		.describe(
			"Only these fields of each item, and its id: names from the top level of it, separated by commas. What is not asked for is not looked for either.",
		);

/** An item of a list whose `fields` were chosen. */
export const partOf = <S extends z.ZodRawShape & { id: z.ZodType }>(
	item: z.ZodObject<S, z.core.$strict>,
) => item.partial().extend({ id: item.shape.id });

/** `nextPageToken` is null on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) =>
	z.strictObject({
		items: z.array(item),
		nextPageToken: z.string().nullable(),
	});

/** What the items of a page are; undefined: it is no page, or more than that. */
export function findItem(schema: z.ZodType): z.ZodType | undefined {
	if (!(schema instanceof z.ZodObject)) return undefined;
	const { items, nextPageToken, ...more } = schema.shape;
	const isPage = nextPageToken !== undefined && Object.keys(more).length === 0;
	return isPage && items instanceof z.ZodArray
		? (items.element as z.ZodType)
		: undefined;
}
