// A process that was given another seal key than the data's ends at its start, and says so.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { installService, type Service, startRole } from "../support/service.ts";

let database: TestDatabase;
let service: Service;
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
});
after(async () => {
	service?.remove();
	await database?.close();
});

for (const role of ["worker", "api", "migrate"]) {
	test(`the role ${role} does not start with a strange seal key`, async () => {
		const SEAL_KEY = randomBytes(32).toString("hex");
		await assert.rejects(
			startRole(role, { ...service.environment, SEAL_KEY }),
			(error: unknown) => {
				const text = String(error);
				assert.match(text, /another seal key/);
				assert.doesNotMatch(text, new RegExp(SEAL_KEY));
				assert.doesNotMatch(text, /^\s+at /m, "no stack trace");
				return true;
			},
		);
	});
}
