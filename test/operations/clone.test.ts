// The verb `clone`: what the copy has of the other, what is fresh, what is refused, and how it gets its data.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keptWithData } from "../../src/domain/clone.ts";
import { databasesUntouched } from "../../src/domain/cluster.ts";
import { type Environment, lifecycles } from "../../src/domain/environment.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { secretNames } from "../../src/domain/secret.ts";
import { cloneOrder, environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cloneEnvironment } from "../../src/operations/clone.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { rotateSecrets } from "../../src/operations/rotate.ts";
import { openSecrets } from "../../src/operations/secrets.ts";
import { targetPlace } from "../../src/operations/target.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { seal } from "../../src/seal.ts";
import { recordBackup } from "../../src/store/backups.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());

const load = (id: Environment["id"]) => loadEnvironment(database.db, id);
const find = async ({ id }: Pick<Operation, "id">) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};
const clone = (environment: Pick<Environment, "id">, order: object) =>
	cloneEnvironment(installation, actor, {
		environment,
		order: cloneOrder.parse(order),
	});
const secretsOf = ({ id }: Pick<Environment, "id">) =>
	openSecrets(installation, id);
async function work({ id }: Pick<Operation, "id">, script: Script = {}) {
	const world = makeScriptedWorld(script);
	assert.equal(await attempt(installation, world, id), "final");
	return world;
}

const rich = {
	size: "ha",
	labels: { team: "blue" },
	parameters: {
		theme: "gold",
		smtp: {
			host: "mail.example.test",
			sender: "maestro@example.test",
			username: "maestro",
			password: "planted-password",
		},
	},
};
let count = 0;
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	await work(create);
	return load(create.environment);
}

/** A backup of revision 1, made by the operation that created the environment. */
async function givenBackup(
	{ id }: Pick<Environment, "id">,
	place: "claim" | "bucket",
) {
	const operation = await database.db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", id)
		.executeTakeFirstOrThrow();
	return recordBackup(database.db, {
		environment: id,
		operation: operation.id,
		revision: 1,
		release: "0.6.0",
		reason: "on_demand",
		place,
		name: "20260102T030405Z-abcde",
		takenAt: new Date(),
		bytes: 1,
		parts: 1,
		oplog: true,
		sha256: "0".repeat(64),
		retentionDays: 14,
	});
}

async function withAws(use: () => Promise<void>): Promise<void> {
	const access = {
		region: "eu-central-1",
		accessKeyId: "key",
		secretAccessKey: "planted-deployer-secret",
		endpoint: null,
	};
	const place = targetPlace("sandbox", "aws");
	const aws = seal(installation.sealKey, place, JSON.stringify(access));
	await database.db.updateTable("targets").set({ aws }).execute();
	try {
		await use();
	} finally {
		await database.db.updateTable("targets").set({ aws: null }).execute();
	}
}

const refuses =
	(code: Failure["code"], message: RegExp) => (error: unknown) => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code);
		assert.match(error.message, message);
		assert.ok(error.untouched);
		assert.ok(error.advice);
		return true;
	};

test("a copy without data repeats what was ordered, with secrets and a place of its own", async () => {
	const source = await givenReady(rich);
	const cloned = await clone(source, { name: "copy" });
	assert.deepEqual(
		[cloned.kind, cloned.revisionFrom, cloned.revisionTo, cloned.options],
		["create", null, 1, {}],
	);
	assert.ok(installation.sent.includes(cloned.id));
	const copy = await load(cloned.environment);
	assert.equal(copy.name, "copy");
	assert.deepEqual(
		[copy.lifecycle, copy.labels, copy.tenant, copy.target],
		["creating", { team: "blue" }, "acme", "sandbox"],
	);
	assert.notEqual(copy.namespace, source.namespace);
	assert.deepEqual(copy.clonedFrom, {
		environment: source.id,
		name: source.name,
		revision: 1,
		backup: null,
		keptSecrets: [],
		warnings: [],
	});
	assert.deepEqual(cloned.clonedFrom, copy.clonedFrom);
	const [one, other] = await Promise.all(
		[source, copy].map(({ id }) => loadRevision(database.db, id, 1)),
	);
	for (const key of [
		"blueprintVersion",
		"digest",
		"release",
		"size",
		"parameters",
	] as const)
		assert.deepEqual(other?.[key], one?.[key], key);

	const { calls, runs } = await work(cloned);
	assert.equal(runs[0]?.input.parameters.smtp?.password, "planted-password");
	assert.ok(!calls.includes("restore"));
	const [before, fresh] = await Promise.all([source, copy].map(secretsOf));
	for (const name of secretNames)
		assert.notEqual(fresh?.[name], before?.[name], name);
	assert.equal((await load(copy.id)).lifecycle, "ready");
	assert.equal((await load(source.id)).lifecycle, "ready");
});

test("the copy's log says of what it is one, and nothing secret", async () => {
	const source = await givenReady(rich);
	const cloned = await clone(source, { name: "told" });
	const events = await listEvents(
		database.db,
		{ environment: cloned.environment },
		{ after: 0, limit: 10 },
	);
	assert.deepEqual(
		events.map(({ id, type }) => [id, type]),
		[
			[1, "operation.queued"],
			[2, "environment.cloned"],
		],
	);
	assert.deepEqual(events[1]?.data, cloned.clonedFrom);
	assert.ok(!JSON.stringify(events).includes("planted-password"));
});

test("it is of the revision that runs, not of one that is only wished for", async () => {
	const source = await givenReady();
	loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment: source,
			change: { size: "ha" },
		}),
	);
	const cloned = await clone(source, { name: "of-what-runs" });
	const { size } = await loadRevision(database.db, cloned.environment, 1);
	assert.equal(size, "small");
});

test("with data it starts its stores, gets the backup, and only then what writes", () =>
	withAws(async () => {
		const source = await givenReady();
		const backup = await givenBackup(source, "bucket");
		const cloned = await clone(source, { name: "with-data", data: "latest" });
		assert.deepEqual(cloned.options, { fromBackup: backup.id });
		const copy = await load(cloned.environment);
		assert.equal(copy.clonedFrom?.backup, backup.id);
		const name = (id: string) => `impresario-${id.replace("_", "-")}-backups`;
		const { calls, runs } = await work(cloned, {
			async up({ onStage }) {
				await onStage?.({
					name: "stores",
					workloads: [{ kind: "apps/v1/StatefulSet", name: "mongodb" }],
				});
				return undefined;
			},
		});
		assert.deepEqual(calls.slice(0, 7), [
			"up",
			"rolled out: mongodb",
			"stopped",
			`copy ${backup.name} from ${name(source.id)} to ${name(copy.id)}`,
			"restore",
			"up",
			"ready",
		]);
		assert.deepEqual(
			runs.map(({ input }) => input.power),
			["quiesced", "on"],
		);
		assert.equal((await load(copy.id)).lifecycle, "ready");
		const { phases } = await find(cloned);
		assert.deepEqual(
			phases.map((phase) => phase.name),
			[
				"preparing",
				"quiescing",
				"copying",
				"restoring",
				"applying",
				"waiting",
				"verifying",
				"finishing",
			],
		);
	}));

test("with data the secret that signs stored connections is kept, alone, and it is said why", () =>
	withAws(async () => {
		const source = await givenReady();
		const backup = await givenBackup(source, "bucket");
		const cloned = await clone(source, { name: "kept", data: backup.id });
		const copy = await load(cloned.environment);
		assert.deepEqual(cloned.clonedFrom.keptSecrets, keptWithData);
		assert.match(keptWithData[0]?.reason ?? "", /stored/);
		assert.match(cloned.clonedFrom.warnings.join(" "), /schedule/);
		assert.doesNotMatch(cloned.clonedFrom.warnings.join(" "), /rotated/);
		const [before, fresh] = await Promise.all([source, copy].map(secretsOf));
		assert.deepEqual(
			secretNames.filter((name) => before?.[name] === fresh?.[name]),
			["MAESTRO_SECRETJWT"],
		);
	}));

test("where that secret was rotated after the backup, it is said that its connections are lost", () =>
	withAws(async () => {
		const source = await givenReady();
		await givenBackup(source, "bucket");
		const rotation = await rotateSecrets(installation, actor, {
			environment: source,
			order: { which: ["MAESTRO_SECRETJWT"], acknowledge: true },
		});
		await work(rotation);
		const order = { name: "undecodable", data: "latest" };
		const { clonedFrom } = await clone(source, order);
		assert.match(clonedFrom.warnings.at(-1) ?? "", /cannot be decoded/);
	}));

test("a backup that went meanwhile fails the copy with that reason, before anything runs", () =>
	withAws(async () => {
		const source = await givenReady();
		await givenBackup(source, "bucket");
		const cloned = await clone(source, { name: "too-late", data: "latest" });
		const { calls } = await work(cloned, { copy: async () => 0 });
		assert.ok(!calls.includes("restore"));
		const { state, error } = await find(cloned);
		assert.deepEqual([state, error?.code], ["failed", "not_found"]);
		assert.match(error?.message ?? "", /is gone: its bucket/);
	}));

test("a backup that cannot be restored fails the copy, in which nothing is started; a retry goes the same way", () =>
	withAws(async () => {
		const source = await givenReady();
		await givenBackup(source, "bucket");
		const cloned = await clone(source, { name: "damaged", data: "latest" });
		const damaged = new Failure({
			code: "backup_failed",
			message: "The backup is damaged.",
			untouched: databasesUntouched,
			advice: "Restore an earlier backup.",
		});
		const { runs } = await work(cloned, {
			restore: () => Promise.reject(damaged),
		});
		assert.deepEqual(
			runs.map(({ input }) => input.power),
			["quiesced"],
		);
		const { state, error } = await find(cloned);
		assert.deepEqual([state, error?.advice], ["failed", damaged.advice]);
		assert.equal((await load(cloned.environment)).lifecycle, "failed");
		const retry = await retryOperation(installation, actor, await find(cloned));
		const again = await work(retry);
		assert.ok(again.calls.includes("restore"));
		assert.equal((await load(cloned.environment)).lifecycle, "ready");
	}));

test("a backup in a claim cannot be carried into another namespace, and it is said why", async () => {
	const source = await givenReady();
	await givenBackup(source, "claim");
	await assert.rejects(
		clone(source, { name: "unreachable", data: "latest" }),
		refuses("conflict", /claim.*no other namespace can mount it/),
	);
});

test("nor can one in a bucket when the target has lost its account", async () => {
	const source = await givenReady();
	await givenBackup(source, "bucket");
	await assert.rejects(
		clone(source, { name: "unreachable", data: "latest" }),
		refuses("conflict", /no access to AWS/),
	);
});

test("without a backup, or with another environment's, there are no data to begin with", async () => {
	const [source, other] = [await givenReady(), await givenReady()];
	await assert.rejects(
		clone(source, { name: "empty", data: "latest" }),
		refuses("conflict", /no backup of/),
	);
	const { id } = await givenBackup(other, "bucket");
	await assert.rejects(
		clone(source, { name: "empty", data: id }),
		refuses("invalid_request", /names no backup of/),
	);
});

test("one with stores outside of its namespace has no copy: both would write to the same", async () => {
	const source = await givenReady({
		parameters: { external: { mongodb: "mongodb://u:p@db.example.test/" } },
	});
	await assert.rejects(
		clone(source, { name: "shared" }),
		refuses("conflict", /MongoDB outside of its namespace/),
	);
});

test("a name that is taken is refused, and nothing is ordered", async () => {
	const source = await givenReady();
	const sent = installation.sent.length;
	await assert.rejects(
		clone(source, { name: source.name }),
		refuses("conflict", /already/),
	);
	assert.equal(installation.sent.length, sent);
});

test("what was never brought up has no copy", async () => {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: "stillborn" }),
	);
	const broken = new Failure({ code: "engine_failed", message: "No." });
	await work(create, { ready: () => Promise.reject(broken) });
	await assert.rejects(
		clone({ id: create.environment }, { name: "of-nothing" }),
		refuses("conflict", /never came to an end/),
	);
});

const refused = ["creating", "rotating", "destroying", "destroyed"];
for (const lifecycle of lifecycles)
	test(`one that is ${lifecycle} ${refused.includes(lifecycle) ? "has no copy, and it is said why" : "may be copied"}`, async () => {
		const source = await givenReady();
		await updateEnvironment(database.db, source.id, { lifecycle });
		const order = { name: `of-${lifecycle.replace("_", "-")}` };
		if (refused.includes(lifecycle))
			await assert.rejects(clone(source, order), refuses("conflict", /^It/));
		else assert.equal((await clone(source, order)).kind, "create");
	});
