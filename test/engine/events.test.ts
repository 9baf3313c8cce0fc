import assert from "node:assert/strict";
import { test } from "node:test";
import { presentKind } from "../../src/domain/stock.ts";
import { makeTranslator, presentMessage } from "../../src/engine/events.ts";
import { readRecorded, translateRecorded } from "./recorded.ts";

/** An event as `type kind name`. */
const told = (name: string) =>
	translateRecorded(name).events.map(({ type, data }) =>
		"kind" in data && "name" in data
			? `${type} ${data.kind} ${data.name}`
			: type,
	);

test("each object that is created is told once, under its name in the cluster", () => {
	assert.deepEqual(told("objects-created").sort(), [
		"resource.created apps/v1/Deployment server",
		"resource.created v1/ConfigMap settings",
		"resource.created v1/Namespace acme-qa-1-x7k2",
		"resource.created v1/Secret secrets",
	]);
});

test("a replacement is one event, when the new object is there", () => {
	assert.deepEqual(told("objects-updated").sort(), [
		"resource.created v1/Service server",
		"resource.replaced v1/ConfigMap settings",
		"resource.updated apps/v1/Deployment server",
	]);
});

test("what stays as it is makes no event", () => {
	assert.deepEqual(told("objects-same"), []);
});

test("each object that is deleted is told once", () => {
	assert.deepEqual(told("objects-deleted").sort(), [
		"resource.deleted apps/v1/Deployment server",
		"resource.deleted v1/ConfigMap settings",
		"resource.deleted v1/Namespace acme-qa-1-x7k2",
		"resource.deleted v1/ResourceQuota quota",
		"resource.deleted v1/Secret secrets",
		"resource.deleted v1/Service server",
	]);
});

// The engine counts its own two resources, the stack and the provider, too.
for (const [name, own] of [
	["objects-created", { create: 2 }],
	["objects-updated", { same: 2 }],
	["objects-same", { same: 2 }],
	["objects-deleted", { delete: 2 }],
	["components", { create: 1 }],
] as const) {
	test(`the counts of ${name} are those of the engine's summary, without its own resources`, () => {
		const summary = readRecorded(name).find(
			(event) => event.summaryEvent !== undefined,
		)?.summaryEvent?.resourceChanges;
		const { changes } = translateRecorded(name);
		const counted = Object.fromEntries(
			Object.entries(changes)
				.map(([op, count]) => [
					op,
					count + ((own as Record<string, number>)[op] ?? 0),
				])
				.filter(([, count]) => count !== 0),
		);
		assert.deepEqual(counted, summary);
	});
}

test("a component is told under the engine's type", () => {
	assert.deepEqual(told("components"), [
		"engine.warned",
		"resource.created test:index:Part one",
		"resource.created test:index:Part two",
	]);
});

test("a warning is told with its text", () => {
	const [warning] = translateRecorded("components").events;
	assert.deepEqual(warning, {
		type: "engine.warned",
		data: { message: "careful" },
	});
});

test("an object that could not be created is told with the API server's reason", () => {
	const { events, errors } = translateRecorded("quota");
	const failed = events.filter(({ type }) => type === "resource.failed");
	assert.deepEqual(
		failed
			.map(({ data }) => data)
			.find((data) => "name" in data && data.name === "one"),
		{
			kind: "v1/Secret",
			name: "one",
			message:
				'secrets "one" is forbidden: exceeded quota: quota, requested: secrets=1, used: secrets=1, limited: secrets=1',
		},
	);
	assert.equal(failed.length, 2);
	assert.deepEqual(errors.length, 2);
});

test("an object that the API server finds invalid is told without the provider's preamble", () => {
	const { errors } = translateRecorded("invalid");
	assert.equal(errors.length, 1);
	assert.match(errors[0]?.message ?? "", /^Service "server" is invalid: /);
});

test("what goes wrong with the provider is an error and no event", () => {
	const { events, errors } = translateRecorded("missing-plugin");
	assert.deepEqual(events, []);
	assert.deepEqual(errors, [
		{
			kind: "pulumi:providers:kubernetes",
			name: "kubernetes",
			message:
				"no resource plugin 'pulumi-resource-kubernetes' found in the workspace at version v4.26.0",
		},
	]);
});

test("what a program throws is an error without a resource and without a stack trace", () => {
	const { events, errors } = translateRecorded("throws");
	assert.deepEqual(events, []);
	assert.deepEqual(errors, [
		{ kind: null, name: null, message: "No storage class." },
		{ kind: null, name: null, message: "No storage class." },
	]);
});

test("every text passes the redaction", () => {
	const redact = (text: string) =>
		text.replaceAll("exceeded quota", "[secret]");
	const { events, errors } = translateRecorded("quota", redact);
	assert.doesNotMatch(JSON.stringify([events, errors]), /exceeded quota/);
	assert.match(JSON.stringify(errors), /\[secret\]/);
});

test("an event of a kind that is not known means nothing", () => {
	const translate = makeTranslator((text) => text);
	assert.deepEqual(
		translate({ sequence: 1, timestamp: 1, cancelEvent: {} }),
		{},
	);
});

for (const [type, kind] of [
	["kubernetes:apps/v1:Deployment", "apps/v1/Deployment"],
	["kubernetes:core/v1:Namespace", "v1/Namespace"],
	["kubernetes:networking.k8s.io/v1:Ingress", "networking.k8s.io/v1/Ingress"],
	["aws:s3/bucket:Bucket", "aws:s3/bucket:Bucket"],
	["test:index:Part", "test:index:Part"],
] as const) {
	test(`${type} is shown as ${kind}`, () =>
		assert.equal(presentKind(type), kind));
}

for (const [text, message] of [
	["<{%fg 1%}>plain<{%reset%}>\n", "plain"],
	[
		"Unhandled exception: TypeError: x is not a function\n    at f (/srv/a.js:1:2)\n",
		"x is not a function",
	],
	["", ""],
] as const) {
	test(`the message ${JSON.stringify(text)} is shown as "${message}"`, () =>
		assert.equal(presentMessage(text), message));
}
