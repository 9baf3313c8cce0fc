// The order of a roll-out, and what another release changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type Stage, stageNames } from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	listSoFar,
} from "./declared.ts";

const names = ({ workloads }: Stage) => workloads.map(({ name }) => name);
const presentKind = (kind: string) => kind.slice(kind.lastIndexOf("/") + 1);

test("each stage is declared when the one before has ended, with these workloads", async () => {
	const stages: Stage[] = [];
	const declared: (readonly string[])[] = [];
	await declare(givenInput("small"), async (stage) => {
		stages.push(stage);
		declared.push(listSoFar());
	});
	assert.deepEqual(
		stages.map(({ name }) => name),
		stageNames,
	);
	const [stores, migration, backEnds, workers, fronts, beat] = stages.map(
		(stage) => names(stage).sort(),
	);
	assert.deepEqual(
		stores?.map((name) => name.replace(/[0-9a-f]{16}$/, "…")),
		["mongodb", "mongodb-init-…", "rabbitmq"],
	);
	assert.deepEqual(migration, ["migrate-3"]);
	assert.deepEqual(backEnds, [
		"analytics",
		"audit",
		"data",
		"discovery",
		"reports",
	]);
	assert.deepEqual(workers, [
		"analytics-worker",
		"discovery-worker",
		"reports-worker",
		"scheduler-worker",
	]);
	assert.deepEqual(fronts, [
		"analytics-front",
		"client",
		"server",
		"websocket",
	]);
	assert.deepEqual(beat, ["scheduler"]);

	for (const [i, soFar] of declared.entries()) {
		const isHere = (stage: Stage) =>
			stage.workloads.map(({ kind, name }) =>
				soFar.includes(`${presentKind(kind)} ${name}`),
			);
		for (const [j, stage] of stages.entries())
			assert.ok(
				isHere(stage).every((here) => here === j <= i),
				`${stage.name} at the end of ${stages[i]?.name}`,
			);
	}
});

test("a stage that does not end is the last that is declared", async () => {
	const reached = Promise.withResolvers<void>();
	void declare(givenInput("small"), async ({ name }) => {
		if (name !== "backEnds") return;
		reached.resolve();
		await new Promise(() => {});
	});
	await reached.promise;
	await setImmediate();
	const soFar = listSoFar();
	assert.ok(soFar.includes("Deployment audit"));
	for (const later of ["discovery-worker", "server", "client", "scheduler"])
		assert.ok(!soFar.includes(`Deployment ${later}`), later);
});

test("a stage of which nothing is declared is no pause", async () => {
	const stages: string[] = [];
	const input = givenInput("small", {
		parameters: parameters.parse({
			features: { scheduler: false },
			external: {
				mongodb: "mongodb://db.example.test",
				rabbitmq: "amqp://broker.example.test",
			},
		}),
	});
	await declare(input, async ({ name }) => {
		stages.push(name);
	});
	assert.deepEqual(stages, ["migration", "backEnds", "workers", "fronts"]);
});

test("with and without a pace the same is declared", async () => {
	const input = givenInput("ha");
	const paced = await declare(input, async () => {});
	assert.deepEqual(paced.resources, (await declare(input)).resources);
});

/** The objects that differ between two declarations, or are in one of them only. */
function listDifferent(before: Declaration, after: Declaration): string[] {
	const describe = (declaration: Declaration) =>
		new Map(
			listObjects(declaration).map((object) => [
				`${object.kind} ${object.metadata.name}`,
				JSON.stringify(object),
			]),
		);
	const [old, fresh] = [describe(before), describe(after)];
	return [...new Set([...old.keys(), ...fresh.keys()])]
		.filter((key) => old.get(key) !== fresh.get(key))
		.sort();
}

test("another release changes what carries its changed images, the migration and the templates of backups", async () => {
	const { images } = upstreamRelease("0.6.0", "0.15.0");
	const before = await declare(givenInput("ha"));
	const after = await declare(
		givenInput("ha", {
			revision: 4,
			release: {
				name: "0.6.0-b",
				images: { ...images, audit: "registry.example/audit:0.6.0-b" },
			},
		}),
	);
	assert.deepEqual(listDifferent(before, after), [
		"CronJob backup",
		"CronJob restore",
		"Deployment audit",
		"Job migrate-3",
		"Job migrate-4",
	]);
});
