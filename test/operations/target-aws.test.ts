// A target's AWS account: kept sealed, and handed to the program opened.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { registerTarget } from "../../src/operations/target.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

const described = {
	name: "sandbox",
	kubeconfig: "apiVersion: v1",
	clusterIdentifier: "test-cluster",
	domain: "apps.example.test",
	ingressClass: null,
	storageClass: null,
};
const aws = {
	region: "eu-central-1",
	accessKeyId: "planted-key",
	secretAccessKey: "planted-secret",
	endpoint: null,
};

async function runOnce(name: string) {
	const { actor } = await givenActor(database.db, "acme");
	const { id } = await givenOrder(installation, actor, name);
	const world = makeScriptedWorld();
	assert.equal(await attempt(installation, world, id), "final");
	return world.runs[0]?.input.target.aws;
}

test("the account reaches the program, and no row that can be read", async () => {
	await registerTarget(installation, { ...described, aws });
	assert.deepEqual(await runOnce("with-aws"), aws);
	const rows = await database.db.selectFrom("targets").selectAll().execute();
	for (const value of rows.flatMap((row) => Object.values(row))) {
		assert.doesNotMatch(
			Buffer.isBuffer(value) ? value.toString("latin1") : String(value),
			/planted/,
		);
	}
});

test("a target that is described again without one has none any more", async () => {
	await registerTarget(installation, described);
	assert.equal(await runOnce("without-aws"), null);
});
