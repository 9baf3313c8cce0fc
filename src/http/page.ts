// Pages by keyset: a page's token says behind which row the next page begins. It is signed together with
// what is listed, for whom and filtered how, so it opens only the list that it was given for; it is no
// permission, since every page is read under the rights of whoever asks.
import { createHmac } from "node:crypto";
import type { PageQuery } from "../contract/page.ts";
import { refuseInput } from "../contract/parse.ts";
import { isSameHash } from "../domain/token.ts";
import type { PageCursor, PageRequest } from "../store/page.ts";

/** Which list, for whom, filtered how. */
export type ListKey = readonly unknown[];

const sign = (key: Buffer, payload: string, list: ListKey): Buffer =>
	createHmac("sha256", key)
		.update(JSON.stringify([payload, ...list]))
		.digest();

export function presentPageToken(
	key: Buffer,
	list: ListKey,
	cursor: PageCursor,
): string {
	const payload = Buffer.from(
		JSON.stringify([cursor.createdAt.getTime(), cursor.id, cursor.key]),
	).toString("base64url");
	return `${payload}.${sign(key, payload, list).toString("base64url")}`;
}

/** Throws `invalid_request` for a token that this key did not sign for this list. */
export function parsePageToken(
	key: Buffer,
	list: ListKey,
	token: string,
): PageCursor {
	const [payload = "", signature = ""] = token.split(".");
	const given = Buffer.from(signature, "base64url");
	const expected = sign(key, payload, list);
	if (!isSameHash(given, expected)) {
		throw refuseInput([
			{
				pointer: "/query/pageToken",
				message: "is not a token that this list, with these filters, gave you",
			},
		]);
	}
	const [createdAt, id, sortKey] = JSON.parse(
		Buffer.from(payload, "base64url").toString(),
	) as [number, string, string | null | undefined];
	return {
		createdAt: new Date(createdAt),
		id,
		...(sortKey != null && { key: sortKey }),
	};
}

export interface Page<Row> {
	readonly rows: readonly Row[];
	readonly nextPageToken: string | null;
}

/** Reads one row more than asked for, which tells whether there is a next page. */
export async function readPage<Row extends PageCursor>(
	request: {
		readonly key: Buffer;
		readonly list: ListKey;
		readonly query: PageQuery;
	},
	read: (page: PageRequest) => Promise<readonly Row[]>,
): Promise<Page<Row>> {
	const { key, list, query } = request;
	const found = await read({
		limit: query.pageSize + 1,
		...(query.pageToken !== undefined && {
			after: parsePageToken(key, list, query.pageToken),
		}),
	});
	const rows = found.slice(0, query.pageSize);
	const last = rows.at(-1);
	return {
		rows,
		nextPageToken:
			last !== undefined && found.length > rows.length
				? presentPageToken(key, list, last)
				: null,
	};
}

/** The fields that are asked for, and the id; all of them where nobody asks for some. */
export function chooseFields<F extends string>(
	all: readonly F[],
	asked: readonly F[] | undefined,
): readonly F[] {
	if (asked === undefined) return all;
	const chosen = new Set<string>(["id", ...asked]);
	return all.filter((field) => chosen.has(field));
}

/** An answer whose items have only the fields that were asked for says so. */
export const answerPage = <P>(
	asked: readonly string[] | undefined,
	page: P,
): P | { readonly parts: P } => (asked === undefined ? page : { parts: page });
