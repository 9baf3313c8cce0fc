// What holds for every object.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { labelVersion } from "../../programs/maestro/conventions.ts";
import type { Size } from "../../src/domain/spec.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	loadObject,
} from "./declared.ts";

const sizes: readonly Size[] = ["small", "ha"];
const declared: Record<string, Declaration> = {};
const load = (size: Size): Declaration => {
	const declaration = declared[size];
	if (declaration === undefined) throw new Error(`${size} was not declared`);
	return declaration;
};
before(async () => {
	for (const size of sizes) declared[size] = await declare(givenInput(size));
});

const ownership = {
	"app.kubernetes.io/instance": "qa-1",
	"app.kubernetes.io/managed-by": "impresario",
	"app.kubernetes.io/part-of": "maestro",
	"impresario.dev/tenant": "acme",
	"impresario.dev/environment": "env_0123456789abcdefghjk",
};

for (const size of sizes) {
	test(`every object of ${size} says what it is and whose`, () => {
		for (const { kind, metadata } of listObjects(load(size))) {
			const { labels = {}, name } = metadata;
			for (const [key, value] of Object.entries(ownership))
				assert.equal(labels[key], value, `${kind} ${name}: ${key}`);
			for (const key of ["name", "component"])
				assert.ok(
					labels[`app.kubernetes.io/${key}`],
					`${kind} ${name}: ${key}`,
				);
		}
	});

	test(`what runs an image of the release says in ${size} in which version, and nothing else does`, () => {
		const versions = new Map(
			listObjects(load(size)).flatMap(({ kind, metadata }) => {
				const version = metadata.labels?.["app.kubernetes.io/version"];
				return version === undefined
					? []
					: [[`${kind} ${metadata.name}`, version] as const];
			}),
		);
		assert.equal(versions.get("Deployment server"), "0.6.0");
		assert.equal(versions.get("Deployment client"), "0.15.0");
		assert.equal(versions.get("Job migrate-3"), "0.6.0");
		// The stores have versions of their own, whatever the release is.
		for (const [object, version] of versions)
			assert.ok(
				/^(Deployment|Job) /.test(object) || version !== "0.6.0",
				object,
			);
	});

	test(`pods and claims of ${size} say whose they are, but not in which version`, () => {
		for (const { kind, metadata, spec } of listObjects(load(size)))
			for (const template of [
				spec?.template,
				...(spec?.volumeClaimTemplates ?? []),
			]) {
				const labels = template?.metadata.labels;
				if (template === undefined) continue;
				for (const [key, value] of Object.entries(ownership))
					assert.equal(labels?.[key], value, `${kind} ${metadata.name}`);
				assert.equal(labels?.["app.kubernetes.io/version"], undefined);
			}
	});

	test(`every object of ${size} is applied without awaits and deleted in the background`, () => {
		for (const { kind, metadata } of listObjects(load(size))) {
			const { annotations = {} } = metadata;
			assert.equal(annotations["pulumi.com/skipAwait"], "true", kind);
			assert.equal(
				annotations["pulumi.com/deletionPropagationPolicy"],
				"background",
			);
		}
	});

	test(`every object of ${size} is in the one namespace, after it and gone with it`, () => {
		const { resources } = load(size);
		const namespaces = resources.filter(
			({ type }) => type === "kubernetes:core/v1:Namespace",
		);
		assert.equal(namespaces.length, 1);
		const urn =
			"urn:pulumi:env-test::impresario-maestro::pulumi:pulumi:Stack$kubernetes:core/v1:Namespace::acme-qa-1-x7k2";
		for (const resource of resources.filter(
			({ type }) =>
				type.startsWith("kubernetes:") &&
				type !== "kubernetes:core/v1:Namespace",
		)) {
			assert.equal(resource.inputs.metadata.namespace, "acme-qa-1-x7k2");
			assert.equal(resource.deletedWith, urn, resource.name);
			assert.ok(resource.dependencies.includes(urn), resource.name);
		}
	});

	test(`every object of ${size} goes through the one provider`, () => {
		const { resources } = load(size);
		const providers = resources.filter(({ type }) =>
			type.startsWith("pulumi:providers:"),
		);
		assert.deepEqual(
			providers.map(({ type }) => type),
			["pulumi:providers:kubernetes"],
		);
		for (const { type, provider, name } of resources)
			if (type.startsWith("kubernetes:"))
				assert.match(provider, /::kubernetes::kubernetes$/, name);
	});

	test(`every object of ${size} has the name that it was given, once`, () => {
		const names = listObjects(load(size)).map(
			({ kind, metadata }) => `${kind}/${metadata.name}`,
		);
		assert.equal(new Set(names).size, names.length);
		assert.ok(!names.some((name) => name.endsWith("/undefined")));
	});

	test(`the same input of ${size} always declares the same`, async () => {
		const again = await declare(givenInput(size));
		assert.deepEqual(again, load(size));
	});
}

test("the namespace carries the tenant's labels, and ours win", async () => {
	const declaration = await declare(
		givenInput("small", { labels: { purpose: "testing" } }),
	);
	const { labels } = loadObject(
		declaration,
		"Namespace",
		"acme-qa-1-x7k2",
	).metadata;
	assert.equal(labels?.purpose, "testing");
	assert.equal(labels?.["pod-security.kubernetes.io/enforce"], "baseline");
});

test("the provider names its cluster, so that another address of it replaces nothing", () => {
	const provider = load("small").resources.find(({ type }) =>
		type.startsWith("pulumi:providers:"),
	);
	assert.deepEqual(JSON.parse(provider?.shown ?? "{}"), {
		kubeconfig: "[secret]",
		clusterIdentifier: "sandbox",
		kubeClientSettings: JSON.stringify({ qps: 500, burst: 1000 }),
		enableServerSideApply: "true",
		enableConfigMapMutable: "true",
		enableSecretMutable: "true",
	});
});

test("a new release of one process changes that process's pods alone", async () => {
	const input = givenInput("ha");
	const declaration = await declare({
		...input,
		release: {
			name: "0.6.1",
			images: { ...input.release.images, data: "data-maestro:0.6.1" },
		},
	});
	const templates = (size: Declaration) =>
		new Map(
			listObjects(size)
				.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
				.map(({ metadata, spec }) => [
					metadata.name,
					JSON.stringify(spec?.template),
				]),
		);
	const before = templates(load("ha"));
	const changed = [...templates(declaration)].filter(
		([name, template]) => before.get(name) !== template,
	);
	assert.deepEqual(
		changed.map(([name]) => name),
		["data"],
	);
});

const digest = `sha256:${"a".repeat(64)}`;
const versions: readonly (readonly [string, string | undefined])[] = [
	["maestroserver/server-maestro:0.6.0", "0.6.0"],
	["registry.example:5000/maestro/server:v0.6.1-slow", "v0.6.1-slow"],
	[`server-maestro:0.6.0@${digest}`, "0.6.0"],
	[`server-maestro@${digest}`, undefined],
	["registry.example:5000/maestro/server", undefined],
	// A label's value ends in a letter or digit, and has at most 63 characters.
	["server-maestro:0.6.0-", "0.6.0"],
	[`server-maestro:${"a".repeat(62)}-b`, "a".repeat(62)],
];
for (const [image, version] of versions)
	test(`${image} is labelled ${version ?? "with no version"}`, () => {
		assert.equal(labelVersion(image).version, version);
	});
