// Releases with a fault: the reason is told within seconds, the operation fails truthfully, and the
// environment can be destroyed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { upstreamRelease } from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { isThorough, sample } from "../support/sample.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

let database: TestDatabase;
let service: Service;
let role: Role;
let admin: Caller;
let tenant: Caller;
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", service.environment);
	admin = makeCaller(() => role.url, service.adminToken);
	tenant = await givenTenant(admin, () => role.url, "acme");
});
after(async () => {
	await role?.stop();
	service?.remove();
	await database?.close();
});

const faults = [
	{
		fault: "no-such-image",
		code: "workload_stuck",
		phase: "waiting",
		tells: /pull/i,
	},
	{ fault: "crash", code: "workload_stuck", phase: "waiting", tells: /crash/i },
	{
		fault: "wrong-version",
		code: "verification_failed",
		phase: "verifying",
		tells: /0\.0\.0/,
	},
] as const;

for (const { fault, code, phase, tells } of sample(
	faults,
	(_, index) => index === 2,
)) {
	test(`a release whose audit service has the fault "${fault}" fails in ${phase} and says why`, async () => {
		const release = upstreamRelease("0.6.0", "0.15.0");
		const name = `0.6.0-${fault}`;
		const made = await admin.call("POST", "/v1/releases", {
			name,
			images: { ...release.images, audit: `${release.images.audit}-${fault}` },
		});
		assert.equal(made.status, 201, JSON.stringify(made.body));
		const order = await tenant.call("POST", "/v1/environments", {
			name: fault,
			release: name,
		});
		const events = await tenant.follow(String(order.body.id));
		const operation = await tenant.end(String(order.body.id));
		assert.equal(operation.state, "failed");
		assert.equal(operation.phase, phase);
		const error = operation.error as {
			code: string;
			message: string;
			advice?: string;
		};
		assert.equal(error.code, code);
		assert.match(error.message, /audit/);
		assert.match(error.message, tells);
		assert.ok(error.advice, "it says what to do");
		if (code === "workload_stuck") {
			const stuck = events.find((event) => event.type === "workload.stuck");
			assert.match(String(stuck?.data.name), /audit/);
		}
		const { body } = await tenant.call("GET", `/v1/environments/${fault}`);
		assert.equal(body.lifecycle, "failed");
		const destroy = await tenant.call("DELETE", `/v1/environments/${fault}`);
		assert.equal(
			(await tenant.end(String(destroy.body.id))).state,
			"succeeded",
		);
	});
}

if (isThorough)
	test("a slow image is waited for", async () => {
		const release = upstreamRelease("0.6.0", "0.15.0");
		await admin.call("POST", "/v1/releases", {
			name: "0.6.0-slow",
			images: { ...release.images, data: `${release.images.data}-slow` },
		});
		const order = await tenant.call("POST", "/v1/environments", {
			name: "slow",
			release: "0.6.0-slow",
		});
		assert.equal((await tenant.end(String(order.body.id))).state, "succeeded");
	});
