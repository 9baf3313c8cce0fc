// Each verb that makes revisions is rehearsed for its preview: what it would apply, and which data it would lose.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment } from "../../src/domain/environment.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import { placeOrder } from "../../src/operations/place-order.ts";
import { changePower } from "../../src/operations/power.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { listBackups } from "../../src/store/backups.ts";
import { findPreview } from "../../src/store/previews.ts";
import { listRevisions } from "../../src/store/revisions.ts";
import { makeKeeper } from "../support/backups.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Awaited<ReturnType<typeof givenActor>>["actor"];
let keeper: ReturnType<typeof makeKeeper>;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	keeper = makeKeeper(installation, actor);
});
after(() => database.close());

/** One at revision 2, with a backup from when it left revision 1. */
async function givenUpgraded(): Promise<Environment> {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment);
	await keeper.work(id);
	return keeper.load(environment.id);
}

async function preview(environment: Environment, order: object) {
	const { length } = await listRevisions(database.db, environment.id);
	const { id, options } = loadOrdered(
		await previewOrder(installation, actor, {
			environment,
			order: previewedOrder.parse(order),
		}),
	);
	// The rehearsal is taken back, but for what it found out.
	assert.deepEqual(await keeper.load(environment.id), environment);
	const after = await listRevisions(database.db, environment.id);
	assert.equal(after.length, length);
	const { calls, runs } = await keeper.work(id);
	const found = await findPreview(
		database.db,
		options.preview ?? "",
		undefined,
	);
	return { calls, run: runs[0], found, previewId: options.preview };
}

test("a rollback is previewed with the older content, and says which data would be lost", async () => {
	const environment = await givenUpgraded();
	const kept = await preview(environment, { rollback: {} });
	assert.ok(kept.calls.includes("preview"));
	assert.equal(kept.run?.input.revision, 3);
	assert.equal(kept.run?.input.parameters.theme, "lotus");
	assert.equal(kept.found?.result?.dataLoss, null);

	const { run, found } = await preview(environment, {
		rollback: { to: 1, data: "restore" },
	});
	assert.equal(run?.input.parameters.theme, "lotus");
	const [backup] = await listBackups(database.db, environment.id, { limit: 1 });
	assert.equal(
		found?.result?.dataLoss?.since,
		backup?.takenAt.toISOString() ?? "there is no backup",
	);
	assert.equal(found?.result?.risk, "data");
});

test("a restore is previewed with what runs, and says which data would be lost", async () => {
	const environment = await givenUpgraded();
	const [backup] = await listBackups(database.db, environment.id, { limit: 1 });
	const { run, found } = await preview(environment, {
		restore: { backup: backup?.id },
	});
	assert.equal(run?.input.parameters.theme, "dark");
	assert.match(
		found?.result?.dataLoss?.reason ?? "",
		new RegExp(`${backup?.id}`),
	);
	assert.equal(found?.result?.risk, "data");
});

test("hibernating and waking are previewed with the other power", async () => {
	const environment = await givenUpgraded();
	const asleep = await preview(environment, { hibernate: {} });
	assert.equal(asleep.run?.input.power, "hibernated");
	const { id } = loadOrdered(
		await changePower(installation, actor, { environment, kind: "hibernate" }),
	);
	await keeper.work(id);
	const hibernated = await keeper.load(environment.id);
	assert.equal(hibernated.lifecycle, "hibernated");
	const awake = await preview(hibernated, { wake: {} });
	assert.equal(awake.run?.input.power, "on");
	assert.equal(awake.run?.input.parameters.theme, "dark");
});

test("each of them may be bound to its preview", async () => {
	for (const order of [
		{ upgrade: { parameters: { theme: "gold" } } },
		{ rollback: { data: "restore" } },
		{ hibernate: {} },
		{ destroy: { keepBackups: true } },
	]) {
		const environment = await givenUpgraded();
		const { previewId } = await preview(environment, order);
		const { kind, options } = loadOrdered(
			await placeOrder(installation, actor, {
				environment,
				order: previewedOrder.parse(order),
				previewId,
			}),
		);
		assert.deepEqual(
			[kind, options.preview],
			[Object.keys(order)[0], previewId],
		);
	}
});
