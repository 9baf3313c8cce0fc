// However many processes look at once, and however time passes and is set anew: each warning comes once for each time
// that was set, and so do the end and its order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { expire } from "../../src/operations/expire.ts";
import { extendEnvironment } from "../../src/operations/extend.ts";
import { listOperations } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import { letPass, readNotices } from "../support/expiry.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());

const processes = 6;
const passes = () =>
	Promise.all(
		Array.from({ length: processes }, () =>
			expire({ ...installation, log: silentLog }),
		),
	);

/** Half a minute besides: no step of whole minutes ends at the time of a notice. */
const ttlOf = (minutes: number) => `${minutes * 60 + 30}s`;
const minutes = fc.oneof(
	fc.integer({ min: 1, max: 90 }),
	fc.integer({ min: 60, max: 2 * 24 * 60 }),
);
const step = fc.record({
	what: fc.constantFrom("pass", "pass", "pass", "extend"),
	minutes,
});

/** What must be told, and how often an end must be ordered. */
function predict(
	ttl: number,
	steps: readonly { what: string; minutes: number }[],
) {
	const leads = [24 * 60, 60, 10];
	const told: string[] = [];
	let ends = 0;
	let left = ttl + 0.5;
	let open = leads.filter((lead) => lead < left);
	let over = false;
	for (const { what, minutes } of steps) {
		if (what === "extend") {
			left = minutes + 0.5;
			open = leads.filter((lead) => lead < left);
			over = false;
			told.push("environment.extended");
			continue;
		}
		left -= minutes;
		if (left > 0) {
			if (open.some((lead) => lead >= left))
				told.push(`expiring in ${Math.ceil(left)} m`);
			open = open.filter((lead) => lead < left);
		} else if (!over) {
			over = true;
			ends += 1;
			told.push("environment.expired");
		}
	}
	return { told, ends };
}

async function givenReady(ttl: number): Promise<EnvironmentId> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({
			name: `env-${count++}`,
			ttl: ttlOf(ttl),
		}),
	);
	await attempt(installation, makeScriptedWorld(), create.id);
	return create.environment;
}
let count = 0;

test("each warning and each end comes once, however many look", async () => {
	let ended = 0;
	await fc.assert(
		fc.asyncProperty(
			minutes,
			fc.array(step, { minLength: 1, maxLength: 8 }),
			async (ttl, steps) => {
				const id = await givenReady(ttl);
				for (const { what, minutes } of steps) {
					if (what === "extend") {
						await extendEnvironment(installation, actor, {
							environment: { id },
							ttl: ttlOf(minutes),
						});
					} else await letPass(database.db, { id }, minutes * 60);
					await passes();
				}
				const { told, ends } = predict(ttl, steps);
				assert.deepEqual(await readNotices(database.db, { id }), told);
				const operations = await listOperations(database.db, id, {
					limit: 50,
				});
				const destroys = operations.filter(({ kind }) => kind === "destroy");
				assert.equal(destroys.length, ends);
				ended += ends;
			},
		),
		{ numRuns: 40 },
	);
	assert.ok(ended > 10, `only ${ended} came to an end`);
});

test("many that are due at once are each dealt with once", async () => {
	const all = await Promise.all(
		Array.from({ length: 40 }, () => givenReady(60)),
	);
	await Promise.all(all.map((id) => letPass(database.db, { id }, 7_200)));
	await passes();
	await passes();
	for (const id of all) {
		assert.deepEqual(await readNotices(database.db, { id }), [
			"environment.expired",
		]);
		const operations = await listOperations(database.db, id, { limit: 50 });
		assert.deepEqual(
			operations.map(({ kind }) => kind),
			["destroy", "create"],
		);
	}
});
