// What a new value of a secret changes: the pods that read it, all of them, and no other.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { rotatableSecrets } from "../../src/domain/rotation.ts";
import type { SecretName } from "../../src/domain/secret.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	loadObject,
	plantedSecrets,
} from "./declared.ts";

/** The call graph of Maestro's private tokens. */
const backEnds = [
	"analytics",
	"analytics-front",
	"analytics-worker",
	"audit",
	"data",
	"discovery",
	"discovery-worker",
	"reports",
	"reports-worker",
	"scheduler",
	"scheduler-worker",
	"server",
];
const readers: Readonly<Partial<Record<SecretName, readonly string[]>>> = {
	MAESTRO_SECRETJWT: [
		"analytics-front",
		"discovery",
		"discovery-worker",
		"server",
		"websocket",
	],
	MAESTRO_SECRETJWT_PRIVATE: backEnds,
	MAESTRO_NOAUTH: backEnds,
	MAESTRO_SECRETJWT_PUBLIC: ["analytics-front", "server"],
	MAESTRO_SECRETJWT_FORGOT: ["server"],
	MAESTRO_SECRET_CRYPTO_FORGOT: ["server"],
	MAESTRO_WEBSOCKET_SECRET: [
		"analytics-worker",
		"discovery-worker",
		"reports-worker",
		"websocket",
	],
	MONGODB_PASSWORD: [
		"analytics-front",
		"audit",
		"data",
		// Its exporter signs in, too.
		"mongodb",
		"reports",
		"reports-worker",
		"scheduler",
		"server",
	],
};

let unchanged: Declaration;
before(async () => {
	unchanged = await declare(givenInput("ha"));
});

const rotated = (name: SecretName) =>
	declare(
		givenInput("ha", {
			secrets: { ...plantedSecrets, [name]: "a-fresh-value" },
			generations: { [name]: 2 },
		}),
	);

/** The pod templates of what runs all the time, as text, by the name of their owner. */
const listTemplates = (declaration: Declaration) =>
	new Map(
		[
			...listObjects(declaration, "Deployment"),
			...listObjects(declaration, "StatefulSet"),
		].map(({ metadata, spec }) => [
			metadata.name ?? "",
			JSON.stringify(spec?.template),
		]),
	);

for (const name of rotatableSecrets)
	test(`a fresh ${name} restarts exactly those that read it`, async () => {
		const after = listTemplates(await rotated(name));
		const changed = [...listTemplates(unchanged)]
			.filter(([owner, template]) => after.get(owner) !== template)
			.map(([owner]) => owner);
		assert.deepEqual(changed.sort(), readers[name]);
	});

test("the Job that gives MongoDB's users their passwords is another one then", async () => {
	const after = await rotated("MONGODB_PASSWORD");
	const list = (declaration: Declaration) =>
		listObjects(declaration, "Job")
			.map(({ metadata }) => metadata.name ?? "")
			.filter((name) => name.startsWith("mongodb-init"));
	assert.equal(list(after).length, 1);
	assert.notDeepEqual(list(after), list(unchanged));
});

test("an environment in which nothing was rotated says nothing of it", () => {
	const { spec } = loadObject(unchanged, "StatefulSet", "mongodb");
	assert.ok(
		!JSON.stringify(spec?.template?.metadata).includes("password-generation"),
	);
});
