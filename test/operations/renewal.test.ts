import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { leaseMs, leaseRenewalMs } from "../../src/domain/operation.ts";
import type { Log } from "../../src/log.ts";
import { claim } from "../../src/operations/claim.ts";
import { type Database, openDatabase } from "../../src/store/db.ts";
import {
	type CuttingProxy,
	startCuttingProxy,
} from "../support/cutting-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	silentLog,
} from "../support/given.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let proxy: CuttingProxy;
let far: Database;
before(async () => {
	database = await createTestDatabase();
	proxy = await startCuttingProxy(database.url);
	far = openDatabase({ url: proxy.url, maxConnections: 2, onError: () => {} });
});
after(async () => {
	await far?.close();
	await proxy?.close();
	await database?.close();
});

test("a renewal that failed is tried again at once, not at the next regular time", async () => {
	const installation = await givenInstallation(database.db);
	const { actor } = await givenActor(database.db, "acme");
	const { id } = await givenOrder(installation, actor, "kept");
	let failures = 0;
	const log = {
		...silentLog,
		warn: () => {
			failures += 1;
		},
	} as unknown as Log;
	const owner = await claim({ db: far.db, log }, { id, owner: "w" });
	assert.ok(owner);
	const readLeftMs = async () => {
		const { rows } = await sql<{ left: number }>`
			select extract(epoch from lease_expires_at - now())::float8 * 1000 as left from operations where id = ${id}`.execute(
			database.db,
		);
		return rows[0]?.left ?? 0;
	};

	proxy.setAway(true);
	await until("three renewals have failed", () => failures >= 3, {
		timeoutMs: leaseRenewalMs + 5_000,
	});
	proxy.setAway(false);
	const backAt = performance.now();
	await until(
		"the lease was renewed",
		async () => (await readLeftMs()) > leaseMs - leaseRenewalMs / 2,
	);
	const tookMs = performance.now() - backAt;
	owner.stop();
	assert.ok(tookMs < 2_000, `it took ${tookMs} ms`);
	assert.equal(owner.lost.aborted, false);
});
