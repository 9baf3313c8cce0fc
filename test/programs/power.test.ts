// What an environment's power changes, and that it changes nothing else.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Stage } from "../../src/domain/blueprint.ts";
import { targetSettings } from "../../src/domain/target.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	loadObject,
} from "./declared.ts";

const given = (power: "on" | "quiesced" | "hibernated" | undefined) => {
	const input = givenInput("ha", power === undefined ? {} : { power });
	return {
		...input,
		target: {
			...input.target,
			settings: targetSettings.parse({
				monitoring: { operator: true, namespace: "observability" },
			}),
		},
	};
};

let on: Declaration;
let quiesced: Declaration;
let hibernated: Declaration;
before(async () => {
	on = await declare(given("on"));
	quiesced = await declare(given("quiesced"));
	hibernated = await declare(given("hibernated"));
});

const byName = (declaration: Declaration) =>
	new Map(
		listObjects(declaration).map((object) => [
			`${object.kind} ${object.metadata.name}`,
			object,
		]),
	);

/** What differs between two declarations, with the object made the same again by `mend`. */
function listChanged(
	after: Declaration,
	mend: (object: ReturnType<typeof loadObject>) => unknown = (object) => object,
): string[] {
	const [old, fresh] = [byName(on), byName(after)];
	return [...new Set([...old.keys(), ...fresh.keys()])]
		.filter((key) => {
			const [one, other] = [old.get(key), fresh.get(key)];
			if (one === undefined || other === undefined) return true;
			return JSON.stringify(mend(one)) !== JSON.stringify(mend(other));
		})
		.sort();
}

test("an environment of which nothing is said is on", async () => {
	assert.deepEqual((await declare(given(undefined))).resources, on.resources);
});

test("quiesced, the processes are at zero and the stores run", () => {
	for (const { kind, metadata, spec } of listObjects(quiesced)) {
		if (kind === "Deployment") assert.equal(spec?.replicas, 0, metadata.name);
		if (kind === "StatefulSet") assert.equal(spec?.replicas, 3, metadata.name);
	}
	assert.equal(listObjects(quiesced, "Deployment").length, 14);
});

test("hibernated, everything is at zero", () => {
	for (const { kind, metadata, spec } of listObjects(hibernated))
		if (kind === "Deployment" || kind === "StatefulSet")
			assert.equal(spec?.replicas, 0, metadata.name);
});

test("nothing changes but replicas, the migration, backups by themselves and alerts", () => {
	const mend = ({ spec, ...object }: ReturnType<typeof loadObject>) => ({
		...object,
		spec: { ...spec, replicas: null, suspend: null },
	});
	for (const declaration of [quiesced, hibernated]) {
		assert.deepEqual(listChanged(declaration, mend), [
			"Job migrate-3",
			"PrometheusRule maestro",
		]);
		assert.equal(byName(declaration).get("Job migrate-3"), undefined);
		assert.ok(listChanged(declaration).includes("CronJob backup"));
	}
});

test("claims, secrets and addresses are declared as ever", () => {
	for (const kind of [
		"PersistentVolumeClaim",
		"Secret",
		"Service",
		"Ingress",
		"NetworkPolicy",
		"PodDisruptionBudget",
		"ResourceQuota",
	])
		assert.deepEqual(listObjects(hibernated, kind), listObjects(on, kind));
	for (const name of ["mongodb", "rabbitmq"])
		assert.deepEqual(
			loadObject(hibernated, "StatefulSet", name).spec
				?.persistentVolumeClaimRetentionPolicy,
			{ whenDeleted: "Retain", whenScaled: "Retain" },
		);
});

const alerts = (declaration: Declaration) => {
	const rules = loadObject(declaration, "PrometheusRule", "maestro");
	const { groups } = rules.spec as unknown as {
		groups: { rules: { alert: string }[] }[];
	};
	return groups.flatMap((group) => group.rules.map(({ alert }) => alert));
};

test("nobody is called for what is meant to rest", () => {
	const always = ["MaestroCertificateNearItsEnd", "MaestroProcessUnavailable"];
	assert.deepEqual(alerts(hibernated), always);
	assert.deepEqual(alerts(quiesced), [
		"MaestroReplicaSetShortOfMembers",
		"MaestroReplicaSetWithoutPrimary",
		...always,
	]);
	assert.equal(alerts(on).length, 7);
});

test("nothing is promised of what does not run, and the addresses are the same", () => {
	for (const { outputs } of [quiesced, hibernated]) {
		assert.deepEqual([outputs.checks, outputs.pods], [[], []]);
		assert.deepEqual(outputs.endpoints, on.outputs.endpoints);
	}
});

test("it is stopped against the order of a roll-out: the beat first, the back ends last", async () => {
	const stages: Stage[] = [];
	await declare(given("quiesced"), async (stage) => {
		stages.push(stage);
	});
	assert.deepEqual(
		stages.map(({ name }) => name),
		["stores", "beat", "fronts", "workers", "backEnds"],
	);
});
