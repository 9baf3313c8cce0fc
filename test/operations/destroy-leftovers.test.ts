// A destroy ends with a look at the target's AWS account, and says truthfully what is left there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	bucketType,
	type OwnedStorage,
	userType,
} from "../../src/domain/aws.ts";
import type { Environment } from "../../src/domain/environment.ts";
import { storageName } from "../../src/domain/names.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";

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
	accessKeyId: "key",
	secretAccessKey: "secret",
	endpoint: null,
};

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	await registerTarget(installation, { ...described, aws });
});
after(() => database.close());

async function givenReady(name: string) {
	const { actor } = await givenActor(database.db, "acme");
	const create = await givenOrder(installation, actor, name);
	await attempt(installation, makeScriptedWorld(), create.id);
	const environment = await loadEnvironment(database.db, create.environment);
	return { actor, environment };
}

async function destroy(
	{ actor, environment }: Awaited<ReturnType<typeof givenReady>>,
	script: Script,
) {
	const { id } = await destroyEnvironment(installation, actor, environment);
	const world = makeScriptedWorld(script);
	await attempt(installation, world, id);
	const operation = await findOperation(database.db, id, undefined);
	const after = await loadEnvironment(database.db, environment.id);
	return { operation, lifecycle: after.lifecycle, calls: world.calls };
}

const storage = (
	{ id }: Environment,
	kind: OwnedStorage["kind"],
	purpose: "uploads" | "backups",
): OwnedStorage => ({ kind, name: storageName(id, purpose), environment: id });

test("what is left fails the destroy and is named with what to do, and the destroy can be ordered again", async () => {
	const given = await givenReady("left");
	const left = [
		storage(given.environment, bucketType, "uploads"),
		storage(given.environment, userType, "backups"),
	];
	const first = await destroy(given, { owned: async () => left });
	assert.equal(first.operation?.state, "failed");
	assert.equal(first.lifecycle, "failed");
	const { error } = first.operation;
	assert.equal(error?.code, "leftovers");
	for (const { name } of left) {
		assert.ok(error?.message.includes(name), error?.message);
		assert.ok(error?.advice?.includes(name), error?.advice);
	}
	assert.match(error?.advice ?? "", /order the destroy again/);
	const second = await destroy(given, {});
	assert.equal(second.operation?.state, "succeeded");
	assert.equal(second.lifecycle, "destroyed");
});

test("what AWS tells of for a moment longer does not fail the destroy", async () => {
	const given = await givenReady("late");
	let asked = 0;
	const { operation, calls } = await destroy(given, {
		owned: async () => {
			asked++;
			return asked < 3 ? [storage(given.environment, userType, "uploads")] : [];
		},
	});
	assert.equal(operation?.state, "succeeded");
	assert.deepEqual(calls, [
		"destroy",
		"gone",
		"owned",
		"owned",
		"owned",
		"close",
	]);
});

test("a bucket with backups that was left on purpose is no leftover", async () => {
	const given = await givenReady("kept");
	const bucket = storage(given.environment, bucketType, "backups");
	const { operation } = await destroy(given, {
		owned: async () => [bucket],
		kept: [bucket.name],
	});
	assert.equal(operation?.state, "succeeded");
});

test("where the target has no account, none is asked", async () => {
	await registerTarget(installation, described);
	const given = await givenReady("without");
	const { operation, calls } = await destroy(given, {});
	assert.equal(operation?.state, "succeeded");
	assert.deepEqual(calls, ["destroy", "gone", "close"]);
});
