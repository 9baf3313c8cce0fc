// Every JSON body, wrong in every way that its schema knows of: refused with its place, and nothing is stored.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { type Door, openDoor, readPointers } from "./door.ts";
import {
	composeExample,
	type Examples,
	givenExamples,
	guarded,
} from "./examples.ts";
import { negate } from "./negations.ts";

let door: Door;
let examples: Examples;
before(async () => {
	door = await openDoor();
	examples = await givenExamples(door);
});
after(() => door?.close());

/** A digest of each table, but for when tokens were used last. */
async function readTables(): Promise<Record<string, string>> {
	const { rows: tables } = await sql<{
		name: string;
	}>`select table_name as name from information_schema.tables
		where table_schema = 'public' and table_type = 'BASE TABLE'`.execute(
		door.db,
	);
	const digests = tables.map(async ({ name }) => {
		const { rows } = await sql<{
			digest: string;
		}>`select count(*) || coalesce(md5(string_agg(row, ',' order by row)), '') as digest
			from (select (to_jsonb(t) - 'last_used_at')::text as row from ${sql.table(name)} t) rows`.execute(
			door.db,
		);
		return [name, rows[0]?.digest ?? ""] as const;
	});
	return Object.fromEntries(await Promise.all(digests));
}

const bodies = guarded.flatMap(({ endpoint, role }) =>
	endpoint.body === undefined
		? []
		: [{ endpoint, role, schema: endpoint.body }],
);

let asked = 0;
for (const { endpoint, role, schema } of bodies) {
	test(`${endpoint.name} refuses each wrong body at its place, and stores nothing of it`, async () => {
		const { path, body: good } = composeExample(examples, endpoint);
		const { token } =
			role === "platform-admin" ? door.platformAdmin : door[role];
		const before = await readTables();
		const cases = negate(schema, good);
		assert.ok(cases.length > 5, "there are too few cases to be all");
		for (const { what, pointer, body } of cases) {
			const answer = await door.sendRaw(endpoint.method, path, {
				token,
				raw: JSON.stringify(body),
			});
			asked++;
			const said = `"${pointer}" ${what}: ${JSON.stringify(body)?.slice(0, 200)} → ${answer.text}`;
			assert.ok([400, 415, 422].includes(answer.status), said);
			assert.ok(readPointers(answer).includes(pointer), said);
		}
		assert.deepEqual(await readTables(), before);
		assert.deepEqual(
			door.log.filter(({ level }) => level !== "info"),
			[],
		);
	});
}

test("there were as many cases as the schemas have places", (t) => {
	t.diagnostic(`${bodies.length} bodies, ${asked} wrong ones`);
	assert.ok(asked > 30 * bodies.length);
});
