// A version of a blueprint keeps its code for ever: whoever changes it without a new number does not start.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createBundle } from "../../src/domain/bundle.ts";
import { listBundles } from "../../src/engine/bundle.ts";
import { Failure } from "../../src/failure.ts";
import { registerBlueprints } from "../../src/operations/catalogue.ts";
import { loadBundle } from "../../src/store/bundles.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { givenActor, givenInstallation, givenOrder } from "../support/given.ts";
import { startRole } from "../support/service.ts";

let database: TestDatabase;
before(async () => {
	database = await createTestDatabase();
});
after(() => database?.close());

const bundleOf = (text: string) =>
	createBundle({
		entry: "programs/maestro/blueprint.ts",
		files: new Map([
			["programs/maestro/blueprint.ts", text],
			["src/domain/names.ts", "export const names = 1;"],
		]),
	});
const versioned = (version: string, text: string) => ({
	name: "maestro" as const,
	version,
	bundle: bundleOf(text),
});

test("the same code may be offered again and again, and a new version beside it", async () => {
	const { db } = database;
	const first = versioned("0.1.0", "export const one = 1;");
	await registerBlueprints(db, [first]);
	await registerBlueprints(db, [first]);
	await registerBlueprints(db, [
		first,
		versioned("0.2.0", "export const two = 2;"),
	]);
	assert.deepEqual(await loadBundle(db, first.bundle.digest), first.bundle);
});

test("code that changed without a new version is refused, and the refusal names the file and leaves no trace", async () => {
	const { db } = database;
	await registerBlueprints(db, [versioned("0.3.0", "export const a = 1;")]);
	const changed = versioned("0.3.0", "export const a = 2;");
	await assert.rejects(
		registerBlueprints(db, [
			versioned("0.4.0", "export const b = 1;"),
			changed,
		]),
		(error: unknown) => {
			assert.ok(error instanceof Failure);
			assert.equal(error.code, "not_set_up");
			assert.match(error.message, /maestro@0\.3\.0/);
			assert.match(
				error.message,
				/differs: programs\/maestro\/blueprint\.ts\.$/,
			);
			assert.match(error.advice ?? "", /new version/);
			return true;
		},
	);
	const versions = await db
		.selectFrom("blueprints")
		.select("version")
		.execute();
	assert.ok(!versions.some(({ version }) => version === "0.4.0"));
	await assert.rejects(loadBundle(db, changed.bundle.digest));
});

test("a revision records the digest of the code that it was ordered with", async () => {
	const { db } = database;
	const context = await givenInstallation(db);
	await registerBlueprints(db, listBundles());
	const { actor } = await givenActor(db, "acme");
	const { environment } = await givenOrder(context, actor, "qa-1");
	const revision = await loadRevision(db, environment, 1);
	const current = listBundles().find(
		({ version }) => version === revision.blueprintVersion,
	);
	assert.equal(revision.digest, current?.bundle.digest);
});

test("the service does not start on a database that knows other code of the same version", async () => {
	const other = await createTestDatabase();
	try {
		const [current] = listBundles();
		assert.ok(current !== undefined);
		await registerBlueprints(other.db, [
			{ ...current, bundle: bundleOf("export const other = 1;") },
		]);
		await assert.rejects(
			startRole("migrate", { DATABASE_URL: other.url, TARGET_KUBECONFIG: "" }),
			(error: Error) => {
				assert.match(error.message, /migrate ended with 1/);
				assert.match(error.message, /programs\/maestro\/environment\.ts/);
				assert.match(error.message, /Give the changed code a new version/);
				return true;
			},
		);
	} finally {
		await other.close();
	}
});
