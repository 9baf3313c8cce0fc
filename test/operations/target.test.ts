// How a target is kept.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Failure } from "../../src/failure.ts";
import {
	registerTarget,
	type TargetDescription,
} from "../../src/operations/target.ts";
import { findTarget, listTargets } from "../../src/store/targets.ts";
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

const described: TargetDescription = {
	name: "sandbox",
	kubeconfig: "planted-kubeconfig",
	clusterIdentifier: "test-cluster",
	domain: "apps.example.test",
	ingressClass: null,
	storageClass: null,
};
const pullSecret = '{"auths":{"registry.example":{"auth":"planted-auth"}}}';

test("a target that says nothing more has the defaults", async () => {
	const { settings } = await registerTarget(installation, described);
	assert.equal(settings.registry, null);
	assert.equal(settings.podSecurity, "baseline");
	assert.deepEqual(settings.ingressFrom, {
		namespaces: ["ingress-nginx"],
		cidrs: [],
	});
});

test("what it says reaches the program, the credentials of the registry opened", async () => {
	await registerTarget(installation, {
		...described,
		settings: { registry: "registry.example" },
		pullSecret,
	});
	const { actor } = await givenActor(database.db, "acme");
	const { id } = await givenOrder(installation, actor, "placed");
	const world = makeScriptedWorld();
	assert.equal(await attempt(installation, world, id), "final");
	const target = world.runs[0]?.input.target;
	assert.equal(target?.settings.registry, "registry.example");
	assert.equal(target?.pullSecret, pullSecret);
	assert.match(world.images[0] ?? "", /^registry\.example\/maestroserver\//);
});

test("its credentials are in no row that can be read", async () => {
	await registerTarget(installation, { ...described, pullSecret });
	const rows = await database.db.selectFrom("targets").selectAll().execute();
	for (const row of rows)
		for (const value of Object.values(row))
			assert.doesNotMatch(
				Buffer.isBuffer(value) ? value.toString("latin1") : String(value),
				/planted/,
			);
	assert.doesNotMatch(
		JSON.stringify(await listTargets(database.db)),
		/planted/,
	);
});

const wrong: readonly (readonly [
	what: string,
	change: Partial<TargetDescription>,
	told: RegExp,
])[] = [
	["a domain that is no host name", { domain: "apps_example" }, /domain must/],
	[
		"a setting that there is none of",
		{ settings: { color: 1 } as object },
		/color/,
	],
	[
		"a pattern without an endpoint",
		{ settings: { hostPattern: "{namespace}.{domain}" } },
		/hostPattern must hold/,
	],
	[
		"a level of security that does not exist",
		{ settings: { podSecurity: "none" } },
		/podSecurity/,
	],
	["a pull secret that is none", { pullSecret: "planted-user:pw" }, /auths/],
];

for (const [what, change, told] of wrong) {
	test(`${what} is refused, and the target stays as it was`, async () => {
		const before = await findTarget(database.db, "sandbox");
		await assert.rejects(
			registerTarget(installation, { ...described, ...change }),
			(error) => {
				assert.ok(error instanceof Failure);
				assert.equal(error.code, "not_set_up");
				assert.match(error.message, told);
				assert.doesNotMatch(error.message, /planted/);
				return true;
			},
		);
		assert.deepEqual(await findTarget(database.db, "sandbox"), before);
	});
}
