// Every state that is not final has an owner and a deadline, and the sweep keeps the word of that table.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import {
	custody,
	isFinal,
	operationStates,
	queuedForMs,
} from "../../src/domain/operation.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database?.close());

const open = operationStates.filter((state) => !isFinal(state));

test("the table names exactly the states that are not final", () => {
	assert.deepEqual(Object.keys(custody).sort(), [...open].sort());
});

for (const state of open) {
	test(`an operation that is left in "${state}" is ended by the sweep at its deadline, not before`, async () => {
		const { db } = database;
		const { actor } = await givenActor(db, "acme");
		const { id } = await givenOrder(
			installation,
			actor,
			`left-in-${state.replace("_", "-")}`,
		);
		const place = async (overdueMs: number) => {
			const isQueued = custody[state].deadline === "queuedForMs";
			const age = isQueued ? queuedForMs + overdueMs : 0;
			const canceller = state === "cancelling" ? "acme operator" : null;
			await sql`update operations set state = ${state}, cancel_requested_by = ${canceller}::text,
				cancel_requested_at = case when ${canceller}::text is null then null else now() end,
				created_at = now() - make_interval(secs => ${age / 1000}),
				fence = ${isQueued ? null : 1}::bigint, attempt = ${isQueued ? 0 : 1},
				lease_expires_at = ${isQueued ? null : "-infinity"}::timestamptz,
				deadline_at = now() - make_interval(secs => ${overdueMs / 1000}) where id = ${id}`.execute(
				db,
			);
			await sweep({ ...installation, log: silentLog });
			return (await findOperation(db, id, undefined))?.state;
		};
		assert.equal(await place(-60_000), state);
		assert.equal(await place(1_000), custody[state].endsAs);
	});
}
