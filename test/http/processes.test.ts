// Two processes of the API on one database, and fifty orders at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { registerTarget } from "../../src/operations/target.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testSealKey } from "../support/given.ts";
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
const roles: Role[] = [];
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: "",
	});
	// Nobody gets to it: orders stay in the queue.
	await registerTarget(
		{ db: database.db, sealKey: testSealKey },
		{
			name: "sandbox",
			kubeconfig: "",
			clusterIdentifier: "none",
			domain: "maestro.localhost",
			ingressClass: null,
			storageClass: null,
		},
	);
	roles.push(await startRole("api", service.environment));
	roles.push(await startRole("api", service.environment));
});
after(async () => {
	for (const role of roles) await role.stop();
	service?.remove();
	await database?.close();
});

test("together they let in as many as the quota has, and no order more", async () => {
	const [one, two] = roles;
	assert.ok(one && two);
	const admin = makeCaller(() => one.url, service.adminToken);
	const tenant = await givenTenant(admin, () => one.url, "racers");
	const other = makeCaller(() => two.url, tenant.token);
	const changed = await admin.call("PATCH", "/v1/tenants/racers", {
		quota: { environments: 7 },
	});
	assert.equal(changed.status, 200);
	/** On a busy machine no connection may be free for seconds. */
	const insist = async (caller: Caller, name: string) => {
		for (;;) {
			const answer = await caller.call("POST", "/v1/environments", { name });
			if (answer.status !== 503) return answer;
		}
	};
	const answers = await Promise.all(
		Array.from({ length: 50 }, (_, index) =>
			insist(index % 2 === 0 ? tenant : other, `new-${index}`),
		),
	);
	const codes = answers.map(({ status, body }) =>
		status === 202 ? "ordered" : body.code,
	);
	assert.equal(codes.filter((code) => code === "ordered").length, 7);
	assert.equal(codes.filter((code) => code === "quota_exceeded").length, 43);
	const list = await tenant.call("GET", "/v1/environments?pageSize=100");
	assert.equal((list.body.items as unknown[]).length, 7);
});
