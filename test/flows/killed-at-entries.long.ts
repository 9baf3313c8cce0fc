// The worker is killed at a given journal entry of a create, an upgrade and a destroy, and each ends as ordered, by
// itself. A few of the entries; `npm run soak -- entries` goes through all of them.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { upstreamRelease } from "../../src/domain/release.ts";
import { liveAndDie } from "../soak/entries.ts";
import { type KeptRole, keepRole } from "../soak/keep.ts";
import { openPoints, type Points } from "../soak/points.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { sample } from "../support/sample.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

const release = "0.6.1";
/** One that is kept and one that is lost, early, in the middle and near the end. */
const sequences = sample([2, 57, 110], (sequence) => sequence === 57);

let database: TestDatabase;
let service: Service;
let api: Role;
let points: Points;
let tenant: Caller;
const workers: KeptRole[] = [];
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	points = await openPoints(database.url);
	api = await startRole("api", service.environment);
	for (const [i] of sequences.entries()) {
		workers.push(
			keepRole("worker", {
				name: `worker-${i}`,
				environment: { ...service.environment, WORKER_CHILDREN: "1" },
				logPath: join(service.dataDir, `worker-${i}.log`),
			}),
		);
	}
	const findUrl = () => api.url;
	const admin = makeCaller(findUrl, service.adminToken);
	const { images } = upstreamRelease(release, "0.15.1");
	await admin.call("POST", "/v1/releases", { name: release, images });
	tenant = await givenTenant(admin, findUrl, "acme");
});
after(async () => {
	await Promise.all(workers.map((worker) => worker.stop()));
	await api?.stop();
	await points?.close();
	service?.remove();
	await database?.close();
});

test("whatever entry the worker dies at, create, upgrade and destroy succeed by themselves", {
	concurrency: true,
}, async (t) => {
	const lives = sequences.map((sequence) =>
		t.test(`entry ${sequence}`, async () => {
			const name = `at-${sequence}`;
			const life = { tenant, points, name, release, sequence };
			const killed = await liveAndDie(life);
			assert.ok(killed.length > 0, "it was killed at least once");
			const { status } = await tenant.call("GET", `/v1/environments/${name}`);
			assert.equal(status, 404);
		}),
	);
	await Promise.all(lives);
});
