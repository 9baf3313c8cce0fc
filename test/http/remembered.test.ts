// Items of a page are not read again while nothing about them has changed. Whatever changes is shown at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import {
	type Door,
	endOperation,
	givenReadyEnvironment,
	openDoor,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
	for (const name of ["one", "other"]) await givenReadyEnvironment(door, name);
});
after(() => door?.close());

async function findInPage(name: string) {
	const { items } = await door.viewer.client.listEnvironments();
	return items.find((item) => item.name === name);
}

const find = (id: string) => door.viewer.client.findEnvironment({ id });

/** What changes an environment, beside its id. */
const changes: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
	"a description": (id) =>
		door.operator.client.describeEnvironment({
			id,
			body: { description: "changed" },
		}),
	"two changes within one transaction": (id) =>
		door.db.transaction().execute(async (db) => {
			for (const health of ["healthy", "degraded"] as const)
				await db
					.updateTable("environments")
					.set({ health, updated_at: sql<Date>`now()` })
					.where("id", "=", id as never)
					.execute();
		}),
	"a change that leaves its time alone": (id) =>
		door.db
			.updateTable("environments")
			.set({ health: "unknown" })
			.where("id", "=", id as never)
			.execute(),
	"another desired revision": (id) =>
		door.operator.client.upgradeEnvironment({ id, body: { size: "ha" } }),
	"an operation that ends": async (id) => {
		const { activeOperation } = await find(id);
		await endOperation(door.db, activeOperation as OperationId);
	},
};

for (const [what, change] of Object.entries(changes)) {
	test(`a page shows at once: ${what}`, async () => {
		const [seen, other] = [await findInPage("one"), await findInPage("other")];
		assert.ok(seen);
		assert.deepEqual(await findInPage("one"), seen);
		await change(seen.id);
		const now = await findInPage("one");
		assert.deepEqual(now, await find(seen.id));
		assert.notDeepEqual(now, seen);
		assert.deepEqual(await findInPage("other"), other);
	});
}

test("what is remembered for one caller is no other tenant's to see", async () => {
	await findInPage("one");
	const { items } = await door.stranger.client.listEnvironments();
	assert.deepEqual(items, []);
});
