import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resource } from "../../src/backend/deployment.ts";
import { composeMagic, findFlaws } from "../../src/backend/integrity.ts";
import { resource, urnOf } from "./given.ts";

const provider = resource("p", {
	urn: urnOf("p", "pulumi:providers:test"),
	type: "pulumi:providers:test",
	custom: true,
	id: "1",
});
const reference = `${provider.urn}::1`;

const sound: Record<string, Resource[]> = {
	"nothing at all": [],
	"what it names before it": [
		resource("a"),
		provider,
		resource("b", {
			custom: true,
			id: "b",
			provider: reference,
			parent: urnOf("a"),
			dependencies: [urnOf("a")],
			propertyDependencies: { x: [urnOf("a")] },
			deletedWith: urnOf("a"),
		}),
	],
	"one living and many dying of one name": [
		resource("a"),
		resource("a", { delete: true }),
		resource("a", { delete: true }),
	],
	"only dying of one name": [
		resource("a", { delete: true }),
		resource("a", { delete: true }),
	],
	"a provider that is gone, of what is to be replaced": [
		resource("a", {
			custom: true,
			provider: reference,
			pendingReplacement: true,
		}),
	],
};

for (const [what, resources] of Object.entries(sound)) {
	test(`${what} is sound`, () => {
		const manifest = { magic: composeMagic("v1"), version: "v1" };
		assert.deepEqual(findFlaws({ manifest, resources }), []);
		assert.deepEqual(findFlaws({ resources }), []);
	});
}

const flawed: Record<string, Resource[]> = {
	"a missing parent": [resource("a", { parent: urnOf("b") })],
	"a parent that comes later": [
		resource("a", { parent: urnOf("b") }),
		resource("b"),
	],
	"a missing dependency": [resource("a", { dependencies: [urnOf("b")] })],
	"a missing property dependency": [
		resource("a", { propertyDependencies: { x: [urnOf("b")] } }),
	],
	"a missing deletedWith": [resource("a", { deletedWith: urnOf("b") })],
	"an unknown provider": [resource("a", { custom: true, provider: reference })],
	"a provider with another id": [
		provider,
		resource("a", { custom: true, provider: `${provider.urn}::2` }),
	],
	"two of one name": [resource("a"), resource("a")],
	"a component with an id": [resource("a", { id: "x" })],
	"a resource without a URN": [resource("a", { urn: "" })],
};

for (const [what, resources] of Object.entries(flawed)) {
	test(`${what} is a flaw`, () => {
		assert.equal(findFlaws({ resources }).length, 1);
	});
}

test("a magic of another version is a flaw", () => {
	const manifest = { magic: composeMagic("v1"), version: "v2" };
	assert.equal(findFlaws({ manifest }).length, 1);
});

test("snippets without ids of their own are a flaw", () => {
	assert.equal(
		findFlaws({ snippets: [{ uuid: "1" }, { uuid: "1" }] }).length,
		1,
	);
	assert.equal(findFlaws({ snippets: [{}] }).length, 1);
});
