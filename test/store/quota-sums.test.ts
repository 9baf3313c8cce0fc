// What a tenant's environments take is summed up while his other orders wait: from an index, and not from revisions, which are
// wide.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import { readAccount } from "../../src/store/quotas.ts";
import { givenReadyEnvironment, openDoor } from "../http/door.ts";

test("the sum of what a tenant uses is read from an index alone", async (t) => {
	const door = await openDoor();
	t.after(() => door.close());
	const { db } = door;
	const { id } = await givenReadyEnvironment(door);
	await sql`
		insert into revisions (environment_id, number, blueprint_version, release, images, size, parameters, cpu_millis, memory_mib)
		select environment_id, number + i, blueprint_version, release, images, size, parameters, cpu_millis, memory_mib
		from revisions, generate_series(1, 3000) i where environment_id = ${id}`.execute(
		db,
	);
	await sql`vacuum analyze revisions`.execute(db);
	const watched = t.mock.method(pg.Client.prototype, "query");
	const { usage } = await readAccount(db, door.operator.actor.tenant.id);
	assert.equal(usage.activeEnvironments, 1);
	assert.ok(usage.cpuMillis > 0);
	const asked = watched.mock.calls
		.map(({ arguments: [query] }) => query as unknown)
		.find(isSum);
	watched.mock.restore();
	const client = new pg.Client({ connectionString: door.databaseUrl });
	await client.connect();
	const { rows } = await client.query<{ "QUERY PLAN": string }>({
		text: `explain ${asked?.text}`,
		values: [...(asked?.values ?? [])],
	});
	await client.end();
	const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
	assert.match(plan, /Index Only Scan using revisions_demand on revisions r/);
	assert.doesNotMatch(plan, /Scan using revisions_pkey/);
});

interface Asked {
	readonly text: string;
	readonly values: readonly unknown[];
}

const isSum = (query: unknown): query is Asked =>
	typeof query === "object" &&
	query !== null &&
	"text" in query &&
	/as usage/.test(String(query.text));
