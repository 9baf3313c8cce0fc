// The items of a page of environments. Of an environment that is as it was when it was shown last, nothing is read but that
// it is: whoever watches a page asks for the same ones again and again.
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import type { Db } from "../store/db.ts";
import {
	type EnvironmentFilter,
	type EnvironmentStamp,
	loadEnvironments,
} from "../store/environment-pages.ts";
import type { Scope } from "../store/environments.ts";
import { listCurrentOperations } from "../store/operations.ts";
import {
	type Checking,
	checkItem,
	recallItem,
	type Schema,
} from "./checked.ts";
import {
	type EnvironmentField,
	environmentFields,
	listParts,
	presentFields,
} from "./present-environment.ts";

interface Wanted {
	readonly scope: Scope;
	readonly filter: EnvironmentFilter;
	readonly fields: readonly EnvironmentField[];
	/** Of an item with these fields. */
	readonly schema: Schema;
}

/** Their texts, in the same order. One that has become another than the one that is sought is left out. */
export async function composeItems(
	{ db, ...checking }: Checking & { readonly db: Db },
	stamps: readonly EnvironmentStamp[],
	{ scope, filter, fields, schema }: Wanted,
): Promise<string[]> {
	const parts = listParts(fields);
	const ids = stamps.map(({ id }) => id);
	const operations = parts.includes("activeOperation")
		? await listCurrentOperations(db, ids)
		: new Map<EnvironmentId, OperationId>();
	const form = fields.length < environmentFields.length ? fields.join() : "";
	const nameSource = ({
		id,
		version,
	}: Pick<EnvironmentStamp, "id" | "version">) =>
		`${id} ${version} ${operations.get(id)} ${form}`;

	const texts = new Map<EnvironmentId, string>();
	for (const stamp of stamps) {
		const text = recallItem(schema, nameSource(stamp));
		if (text !== undefined) texts.set(stamp.id, text);
	}
	const unknown = ids.filter((id) => !texts.has(id));
	if (unknown.length > 0) {
		const request = { scope, filter, ids: unknown, parts };
		for (const row of await loadEnvironments(db, request)) {
			const activeOperation = operations.get(row.id) ?? null;
			const item = presentFields({ ...row, activeOperation }, fields);
			texts.set(row.id, checkItem(checking, schema, item, nameSource(row)));
		}
	}
	return ids.flatMap((id) => texts.get(id) ?? []);
}
