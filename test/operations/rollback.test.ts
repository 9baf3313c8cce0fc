// The verb `rollback`: to which revision it goes, what it writes, what it refuses.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createBundle } from "../../src/domain/bundle.ts";
import {
	type Environment,
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type EnvironmentChange,
	environmentSpec,
	rollbackOrder,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { loadParameters } from "../../src/operations/parameters.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { rollbackEnvironment } from "../../src/operations/rollback.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { saveBlueprint } from "../../src/store/bundles.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { listRevisions, loadRevision } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered, loadUnneeded } from "../support/ordered.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	for (const name of ["0.6.1", "0.6.2"])
		await createRelease(database.db, upstreamRelease(name, "0.15.0"));
});
after(() => database.close());

const load = (id: Environment["id"]) => loadEnvironment(database.db, id);
const find = async (id: string) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};
const work = (id: Parameters<typeof attempt>[2], script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);

let count = 0;
/** One that is ready, at revision 1. */
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	assert.equal(await work(create.id), "final");
	return load(create.environment);
}
/** Each change is rolled out, to its end or to its failure. */
async function givenUpgraded(
	changes: readonly EnvironmentChange[],
	spec: object = {},
	script: Script = {},
): Promise<Environment> {
	const environment = await givenReady(spec);
	for (const change of changes) {
		const { id } = await upgrade(environment, change);
		assert.equal(await work(id, script), "final");
	}
	return load(environment.id);
}
const upgrade = async (environment: Environment, change: EnvironmentChange) =>
	loadOrdered(
		await upgradeEnvironment(installation, actor, { environment, change }),
	);
const ask = (environment: Environment, order: object = {}) =>
	rollbackEnvironment(installation, actor, {
		environment,
		...rollbackOrder.parse({ backup: "skip", ...order }),
	});
const rollBack = async (environment: Environment, order: object = {}) =>
	loadOrdered(await ask(environment, order));
const stuck = new Failure({
	code: "workload_stuck",
	message: "Deployment audit: ImagePullBackOff.",
});
const failing: Script = { up: () => Promise.reject(stuck) };

const refuses =
	(message: RegExp, advice = /./, code: FailureCode = "conflict") =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		assert.match(error.advice ?? "", advice);
		assert.equal(error.untouched, "Nothing was ordered.");
		return true;
	};
const refusesTo = (
	message: RegExp,
	advice = /./,
	code: FailureCode = "conflict",
) => {
	const refusesSo = refuses(message, advice, code);
	return (error: unknown) => {
		refusesSo(error);
		assert.deepEqual(
			(error as Failure).errors.map(({ pointer }) => pointer),
			["/to"],
		);
		return true;
	};
};
const isLike = async (
	id: Environment["id"],
	state: readonly [Lifecycle, revision: number, desired: number],
) => {
	const { lifecycle, revision, desiredRevision } = await load(id);
	assert.deepEqual([lifecycle, revision, desiredRevision], state);
};

test("the next revision has an older one's content, its sealed parameters and the digest of its code among it", async () => {
	const older = createBundle({ entry: "a.ts", files: new Map([["a.ts", ""]]) });
	const version = { name: "maestro", version: "0.9.0" } as const;
	await saveBlueprint(database.db, version, older);
	const smtp = {
		host: "mail.example.test",
		sender: "maestro@example.test",
		username: "maestro",
		password: "planted-password",
	};
	const environment = await givenReady({ parameters: { smtp } });
	await database.db
		.updateTable("revisions")
		.set({ blueprint_version: version.version, digest: older.digest })
		.where("environment_id", "=", environment.id)
		.execute();
	const { id } = await upgrade(environment, {
		release: "0.6.1",
		parameters: { smtp: null, theme: "dark", storage: { mongodb: "4Gi" } },
	});
	await work(id);

	const operation = await rollBack(environment, { backup: "required" });
	assert.equal(operation.kind, "rollback");
	assert.equal(operation.state, "queued");
	assert.deepEqual([operation.revisionFrom, operation.revisionTo], [2, 3]);
	assert.deepEqual(operation.options, { data: "keep", backup: "required" });
	assert.equal(operation.causedBy, null);
	assert.ok(installation.sent.includes(operation.id));
	await isLike(environment.id, ["rolling_back", 2, 3]);

	const [third, , first] = await listRevisions(database.db, environment.id);
	assert.deepEqual(
		{ ...third, number: 1, basedOn: null, createdAt: first?.createdAt },
		first,
	);
	assert.equal(third?.basedOn, 1);
	assert.equal(third?.digest, older.digest);
	const parameters = await loadParameters(
		installation,
		environment.id,
		await loadRevision(database.db, environment.id, 3),
	);
	assert.equal(parameters.smtp?.password, "planted-password");
});

test("the older code is run stage by stage, and a success leaves the environment ready", async () => {
	const older = createBundle({
		entry: "a.ts",
		files: new Map([["a.ts", "// of revision 1"]]),
	});
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	await saveBlueprint(
		database.db,
		{ name: "maestro", version: "0.8.0" },
		older,
	);
	await database.db
		.updateTable("revisions")
		.set({ blueprint_version: "0.8.0", digest: older.digest })
		.where("environment_id", "=", environment.id)
		.where("number", "=", 1)
		.execute();
	const operation = await rollBack(environment, { backup: "skip" });
	const world = makeScriptedWorld({
		async up({ onStage }) {
			await onStage?.({
				name: "workers",
				workloads: [{ kind: "apps/v1/Deployment", name: "reports-worker" }],
			});
			return undefined;
		},
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	assert.deepEqual(world.calls, [
		"up",
		"rolled out: reports-worker",
		"ready",
		"verify",
		"close",
	]);
	const [run] = world.runs;
	assert.equal(run?.bundle?.digest, older.digest);
	assert.equal(run?.blueprint.version, "0.8.0");
	assert.equal(run?.input.release.name, "0.6.0");
	assert.equal(run?.input.revision, 3);
	await isLike(environment.id, ["ready", 3, 3]);
});

test("without a number it goes to the last that worked before the current one, and each further one goes on from there", async () => {
	const environment = await givenUpgraded([
		{ release: "0.6.1" },
		{ parameters: { theme: "dark" } },
	]);
	const failed = await upgrade(environment, { release: "0.6.2" });
	await work(failed.id, failing);
	await isLike(environment.id, ["failed", 3, 4]);

	const based = async () => {
		const operation = await rollBack(environment);
		await work(operation.id);
		const number = operation.revisionTo ?? 0;
		return (await loadRevision(database.db, environment.id, number)).basedOn;
	};
	assert.deepEqual([await based(), await based(), await based()], [3, 2, 1]);
	await isLike(environment.id, ["ready", 7, 7]);
	await assert.rejects(
		rollBack(environment),
		refusesTo(/No revision before 1/, /upgrade/),
	);
	// Forward again is a matter of saying so.
	assert.equal((await rollBack(environment, { to: 3 })).revisionTo, 8);
});

test("a revision that there is not, one that never worked and the current one are refused with the reason", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const failed = await upgrade(environment, { release: "0.6.2" });
	await work(failed.id, failing);
	const unbegun = await upgrade(environment, { parameters: { theme: "dark" } });
	await cancelOperation(installation, actor, unbegun);
	await isLike(environment.id, ["failed", 2, 4]);

	for (const to of [5, 4711])
		await assert.rejects(
			rollBack(environment, { to }),
			refusesTo(
				new RegExp(`no revision ${to}`),
				/brought to their end: 2, 1\./,
				"invalid_request",
			),
		);
	for (const to of [3, 4])
		await assert.rejects(
			rollBack(environment, { to }),
			refusesTo(new RegExp(`Revision ${to} was never brought`), /: 2, 1\./),
		);
	await work((await rollBack(environment, { to: 2 })).id);
	await assert.rejects(
		rollBack(environment, { to: 5 }),
		refusesTo(/Revision 5 is the current one/, /older/),
	);
	// Another number for what runs already.
	const { nothingToDo } = loadUnneeded(await ask(environment, { to: 2 }));
	assert.match(nothingToDo, /nothing to change.*as revision 5/);
	await isLike(environment.id, ["ready", 5, 5]);
	assert.equal((await listRevisions(database.db, environment.id)).length, 5);
});

test("a revision whose code is gone is refused", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const setCode = (change: object) =>
		database.db
			.updateTable("revisions")
			.set(change)
			.where("environment_id", "=", environment.id)
			.where("number", "=", 1)
			.execute();
	await setCode({ blueprint_version: "0.1.0", digest: null });
	await assert.rejects(
		rollBack(environment),
		refusesTo(
			/code of revision 1 \(maestro@0\.1\.0\) is not kept/,
			/Upgrade to the older release/,
		),
	);
	await isLike(environment.id, ["ready", 2, 2]);
	// The same version was kept, though not when that revision was made: a version has one code for ever.
	const kept = createBundle({ entry: "b.ts", files: new Map() });
	const version = { name: "maestro", version: "0.1.0" } as const;
	await saveBlueprint(database.db, version, kept);
	await rollBack(environment);
	const { digest } = await loadRevision(database.db, environment.id, 3);
	assert.equal(digest, kept.digest);
});

test("what Kubernetes cannot take back is refused with what it is", async () => {
	const large = await givenUpgraded([
		{ parameters: { storage: { mongodb: "8Gi" } } },
	]);
	await assert.rejects(
		rollBack(large),
		refusesTo(
			/Revision 1 cannot be gone back to.*\/parameters\/storage\/mongodb must be at least 8Gi/,
			/sizes of now/,
		),
	);
	const many = await givenUpgraded([{ size: "ha" }]);
	await assert.rejects(rollBack(many), refusesTo(/from ha to small/));
	await isLike(many.id, ["ready", 2, 2]);

	// A failed upgrade that made a claim larger counts as well; one that touched no data does not.
	for (const touches of [true, false]) {
		const environment = await givenUpgraded(
			[{ parameters: { storage: { mongodb: "8Gi" } } }],
			{},
			{
				async up({ onEvent }) {
					const kind = touches ? "v1/PersistentVolumeClaim" : "v1/Service";
					await onEvent({
						type: "resource.updated",
						data: { kind, name: "x" },
					});
					throw stuck;
				},
			},
		);
		if (touches)
			await assert.rejects(rollBack(environment), refusesTo(/at least 8Gi/));
		else assert.equal((await rollBack(environment)).revisionTo, 3);
	}
});

test("a failed and a cancelled upgrade may be taken back, though the revision is the one that was verified last", async () => {
	const failed = await givenUpgraded([{ release: "0.6.1" }], {}, failing);
	await isLike(failed.id, ["failed", 1, 2]);
	const operation = await rollBack(failed);
	assert.deepEqual([operation.revisionFrom, operation.revisionTo], [1, 3]);
	await work(operation.id);
	await isLike(failed.id, ["ready", 3, 3]);

	const cancelled = await givenReady();
	const { id } = await upgrade(cancelled, { release: "0.6.1" });
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, id);
	await until("the engine runs", () => world.calls.includes("up"));
	await cancelOperation(installation, actor, await find(id));
	assert.equal(await running, "final");
	assert.equal((await find(id)).state, "cancelled");
	await work((await rollBack(cancelled)).id);
	await isLike(cancelled.id, ["ready", 3, 3]);
});

test("it supersedes what has not begun, and is superseded by what comes after it", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const waiting = await upgrade(environment, { release: "0.6.2" });
	const rollback = await rollBack(environment);
	assert.equal((await find(waiting.id)).state, "superseded");
	const { nothingToDo } = loadUnneeded(await ask(environment));
	assert.match(
		nothingToDo,
		/exactly that is on its way already, as revision 4/,
	);
	// An upgrade builds on what the rollback wishes for.
	const next = await upgrade(environment, { parameters: { theme: "gold" } });
	assert.equal((await find(rollback.id)).state, "superseded");
	const { release } = await loadRevision(database.db, environment.id, 5);
	assert.equal(release.name, "0.6.0");
	await destroyEnvironment(installation, actor, environment);
	assert.equal((await find(next.id)).state, "superseded");
	await assert.rejects(rollBack(environment), refuses(/being destroyed/));
});

test("ordered while an upgrade runs, it waits its turn and takes that one back", async () => {
	const environment = await givenReady();
	const running = await upgrade(environment, { release: "0.6.1" });
	const held = Promise.withResolvers<void>();
	const world = makeScriptedWorld({ ready: () => held.promise });
	const end = attempt(installation, world, running.id);
	await until("it runs", () => world.calls.includes("ready"));
	const rollback = await rollBack(environment);
	assert.equal(await work(rollback.id), "nothing");
	held.resolve();
	assert.equal(await end, "final");
	await isLike(environment.id, ["rolling_back", 2, 3]);
	await work(rollback.id);
	await isLike(environment.id, ["ready", 3, 3]);
	const { basedOn } = await loadRevision(database.db, environment.id, 3);
	assert.equal(basedOn, 1);
});

test("while a rollback runs, another one without a number does not go forth to what is being taken back", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const first = await rollBack(environment);
	const held = Promise.withResolvers<void>();
	const world = makeScriptedWorld({ ready: () => held.promise });
	const end = attempt(installation, world, first.id);
	await until("it runs", () => world.calls.includes("ready"));
	await assert.rejects(
		rollBack(environment),
		refusesTo(/being rolled back already, as revision 3/, /activeOperation/),
	);
	held.resolve();
	await end;
});

test("one that fails leaves the environment failed, says what to do, and can be tried again or replaced", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const rollback = await rollBack(environment);
	let stages = 0;
	await work(rollback.id, {
		async up({ onStage }) {
			for (const name of ["stores", "migration"] as const)
				await onStage?.({ name, workloads: [] });
			return undefined;
		},
		rolledOut: () => (++stages < 2 ? Promise.resolve() : Promise.reject(stuck)),
	});
	const { state, error } = await find(rollback.id);
	assert.equal(state, "failed");
	assert.match(error?.message ?? "", /stopped at the migration\./);
	assert.equal(
		error?.untouched,
		"Not touched, and running what they ran before it: the back ends, the workers, the fronts, the scheduler's beat. Changed in part: the migration. Running revision 3 already: the data stores. Nothing was deleted.",
	);
	assert.match(error.advice ?? "", /:retry, roll back to another revision/);
	await isLike(environment.id, ["failed", 2, 3]);

	await assert.rejects(
		rollBack(environment, { to: 3 }),
		refusesTo(/never brought to its end/),
	);
	const again = await retryOperation(
		installation,
		actor,
		await find(rollback.id),
	);
	assert.deepEqual(again.options, { data: "keep", backup: "skip" });
	assert.equal(again.kind, "rollback");
	await isLike(environment.id, ["rolling_back", 2, 3]);
	await work(again.id);
	await isLike(environment.id, ["ready", 3, 3]);
});

test("one whose verification fails says that the older revision runs by now", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	const { id } = await rollBack(environment);
	const wrong = new Failure({ code: "verification_failed", message: "No." });
	await work(id, { verify: () => Promise.reject(wrong) });
	const { error } = await find(id);
	assert.match(error?.untouched ?? "", /^Everything runs revision 3 by now/);
	assert.match(error?.untouched ?? "", /Data and secrets were left alone\.$/);
});

test("a rollback that is cancelled before it began leaves the environment as it was", async () => {
	const environment = await givenUpgraded([{ release: "0.6.1" }]);
	await cancelOperation(installation, actor, await rollBack(environment));
	await isLike(environment.id, ["ready", 2, 3]);
	assert.equal((await rollBack(environment)).revisionTo, 4);
});

const allowed: Record<Lifecycle, { ran: boolean; never: boolean }> = {
	creating: { ran: false, never: false },
	ready: { ran: true, never: true },
	upgrading: { ran: true, never: true },
	rolling_back: { ran: true, never: true },
	hibernating: { ran: false, never: false },
	hibernated: { ran: false, never: false },
	waking: { ran: true, never: true },
	restoring: { ran: false, never: false },
	destroying: { ran: false, never: false },
	destroyed: { ran: false, never: false },
	failed: { ran: true, never: false },
};
for (const lifecycle of lifecycles)
	test(`an environment that is ${lifecycle} ${allowed[lifecycle].ran ? "may be rolled back" : "may not be rolled back, and it is said why"}`, () => {
		for (const [revision, isAllowed] of [
			[1, allowed[lifecycle].ran],
			[null, allowed[lifecycle].never],
		] as const) {
			const reason = refusal("rollback", { lifecycle, revision });
			assert.equal(reason === undefined, isAllowed, String(reason));
		}
	});

test("an environment whose create failed has nothing to go back to, and learns what to do", async () => {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: "stillborn" }),
	);
	await work(create.id, failing);
	await assert.rejects(
		rollBack(await load(create.environment)),
		refuses(/never came to an end.*Destroy it and order it anew/),
	);
});
