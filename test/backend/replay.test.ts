import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment, Resource } from "../../src/backend/deployment.ts";
import type { Entry } from "../../src/backend/entries.ts";
import { composeMagic, findFlaws } from "../../src/backend/integrity.ts";
import { replay } from "../../src/backend/replay.ts";
import { created, entry, resource, urnOf } from "./given.ts";

const options = { clientVersion: "v3.259.0", now: new Date(0) };
const run = (base: Deployment, entries: readonly Entry[]) =>
	replay(base, entries, options);
const names = (list: readonly Resource[] | null | undefined) =>
	(list ?? []).map(({ urn }) => urn.split("::").at(-1));
const base = (...list: Resource[]): Deployment => ({ resources: list });

test("a created resource is in the state, and nothing is pending", () => {
	const { state, problems, gaps } = run({}, created(1, 1, "a"));
	assert.deepEqual(state, {
		version: 3,
		features: [],
		deployment: {
			manifest: {
				time: "1970-01-01T00:00:00.000Z",
				magic: composeMagic("v3.259.0"),
				version: "v3.259.0",
			},
			resources: [resource("a")],
			metadata: {},
		},
	});
	assert.deepEqual([problems, gaps], [[], []]);
});

test("what began and did not end is pending", () => {
	const [begin] = created(1, 1, "a");
	const { state } = run({}, [begin as Entry]);
	assert.equal(state.deployment.resources, undefined);
	assert.deepEqual(state.deployment.pending_operations, [
		{ resource: resource("a"), type: "creating" },
	]);
});

test("a failed step leaves nothing, whatever state it names", () => {
	const [begin] = created(1, 1, "a");
	const { state } = run({}, [
		begin as Entry,
		entry(2, { kind: 2, operationID: 1, state: resource("a") }),
	]);
	assert.equal(state.deployment.resources, undefined);
	assert.equal(state.deployment.pending_operations, undefined);
});

test("a begin without an operation is no pending operation", () => {
	const { state } = run({}, [entry(1, { operationID: 1 })]);
	assert.equal(state.deployment.pending_operations, undefined);
});

test("of the base's pending operations only creates are carried along", () => {
	const pending = ["creating", "updating", "deleting", "reading"].map(
		(type) => ({ resource: resource(type), type }),
	);
	const { state } = run({ pending_operations: pending }, created(1, 1, "a"));
	assert.deepEqual(state.deployment.pending_operations, [pending[0]]);
});

test("fresh resources come first, then what is left of the base", () => {
	const { state } = run(base(resource("old"), resource("kept")), [
		entry(1, { kind: 1, operationID: 1, removeOld: 0, state: resource("old") }),
		...created(2, 2, "new"),
	]);
	assert.deepEqual(names(state.deployment.resources), ["old", "new", "kept"]);
});

test("removeNew drops a fresh resource", () => {
	const { state } = run({}, [
		...created(1, 1, "a"),
		...created(3, 2, "b"),
		entry(5, { kind: 1, operationID: 3, removeNew: 1 }),
	]);
	assert.deepEqual(names(state.deployment.resources), ["b"]);
});

for (const { field, mark } of [
	{ field: "delete", mark: { delete: true } },
	{ field: "pendingReplacement", mark: { pendingReplacement: true } },
]) {
	test(`${field}Old and ${field}New mark a resource`, () => {
		const { state } = run(base(resource("old")), [
			...created(1, 1, "new"),
			entry(3, {
				kind: 1,
				operationID: 2,
				[`${field}Old`]: 0,
				[`${field}New`]: 1,
			}),
		]);
		assert.deepEqual(state.deployment.resources, [
			resource("new", mark),
			resource("old", mark),
		]);
	});
}

test("a replaced resource of the base is not marked", () => {
	const { state } = run(base(resource("a")), [
		entry(1, { kind: 1, operationID: 1, deleteOld: 0 }),
		entry(2, { kind: 4, removeOld: 0, state: resource("a", { id: "x" }) }),
	]);
	assert.deepEqual(state.deployment.resources, [resource("a", { id: "x" })]);
});

test("outputs replace a resource in its place, old and new", () => {
	const { state } = run(base(resource("x"), resource("y")), [
		...created(1, 1, "a"),
		...created(3, 2, "b"),
		entry(5, { kind: 4, removeNew: 1, state: resource("a", { outputs: 1 }) }),
		entry(6, { kind: 4, removeOld: 0, state: resource("x", { outputs: 2 }) }),
	]);
	assert.deepEqual(state.deployment.resources, [
		resource("a", { outputs: 1 }),
		resource("b"),
		resource("x", { outputs: 2 }),
		resource("y"),
	]);
});

test("a resource that a refresh did not find is dropped, with all that points to it", () => {
	const { state } = run(
		base(
			resource("parent"),
			resource("gone"),
			resource("child", {
				parent: urnOf("gone"),
				dependencies: [urnOf("parent"), urnOf("gone")],
				propertyDependencies: {
					both: [urnOf("gone"), urnOf("parent")],
					one: [urnOf("gone")],
				},
				replaceWith: [urnOf("gone")],
				deletedWith: urnOf("gone"),
			}),
		),
		[
			entry(1, { operationID: 1 }),
			entry(2, { kind: 3, operationID: 1, removeOld: 1 }),
		],
	);
	assert.deepEqual(state.deployment.resources, [
		resource("parent"),
		resource("child", {
			dependencies: [urnOf("parent")],
			propertyDependencies: { both: [urnOf("parent")] },
		}),
	]);
	assert.deepEqual(findFlaws(state.deployment), []);
});

test("a refreshed resource is replaced where it was, also a fresh one", () => {
	const { state } = run(base(resource("x")), [
		...created(1, 1, "a"),
		entry(3, {
			kind: 3,
			operationID: 2,
			removeOld: 0,
			state: resource("x", { id: "1" }),
		}),
		entry(4, {
			kind: 3,
			operationID: 3,
			removeNew: 1,
			state: resource("a", { id: "2" }),
		}),
	]);
	assert.deepEqual(state.deployment.resources, [
		resource("a", { id: "2" }),
		resource("x", { id: "1" }),
	]);
});

test("a successful read of a refresh mends dangling references too", () => {
	const { state } = run(base(resource("a", { dependencies: [urnOf("no")] })), [
		entry(1, { kind: 1, operationID: 1, isRefresh: true }),
	]);
	assert.deepEqual(state.deployment.resources, [resource("a")]);
});

test("a written snapshot becomes the base that later entries count in", () => {
	const { state } = run(base(resource("lost")), [
		entry(1, { kind: 5, newSnapshot: base(resource("a"), resource("b")) }),
		entry(2, { kind: 1, operationID: 1, removeOld: 0 }),
	]);
	assert.deepEqual(names(state.deployment.resources), ["b"]);
});

test("the secrets manager and the snippets are those of the last entry", () => {
	const provider = { type: "service", state: { url: "http://127.0.0.1" } };
	const { state } = run({ secrets_providers: { type: "passphrase" } }, [
		entry(1, { kind: 6, secretsProvider: provider }),
		entry(2, { kind: 9, snippets: [{ uuid: "1" }] }),
	]);
	assert.deepEqual(state.deployment.secrets_providers, provider);
	assert.deepEqual(state.deployment.snippets, [{ uuid: "1" }]);
	assert.deepEqual(state.features, ["snippets-prototype"]);
});

test("after a rebuilt base the indices count in what it was rebuilt to", () => {
	const { state } = run(base(resource("gone"), resource("kept")), [
		...created(1, 1, "new"),
		entry(3, { kind: 3, operationID: 2, removeOld: 0 }),
		entry(4, { kind: 7 }),
		entry(5, {
			kind: 1,
			operationID: 1,
			removeOld: 0,
			state: resource("newer"),
		}),
	]);
	assert.deepEqual(names(state.deployment.resources), ["newer", "kept"]);
});

test("begins are forgotten with a rebuilt base, except creates", () => {
	const { state } = run({}, [
		entry(1, {
			operationID: 1,
			operation: { type: "creating", resource: resource("a") },
		}),
		entry(2, {
			operationID: 2,
			operation: { type: "updating", resource: resource("b") },
		}),
		entry(3, { kind: 7 }),
	]);
	assert.deepEqual(
		state.deployment.pending_operations?.map(({ type }) => type),
		["creating"],
	);
});

test("extensions are kept, those of the base before those of the journal", () => {
	const { state } = run({ extensions: { a: 1 } }, [
		entry(1, { kind: 8, extensionRef: "a", extension: 2 }),
		entry(2, { kind: 8, extensionRef: "b", extension: 3 }),
	]);
	assert.deepEqual(state.deployment.extensions, { a: 1, b: 3 });
});

test("aliases rename a resource everywhere, and its children with it", () => {
	const old = urnOf("old", "test:index:Group");
	const fresh = urnOf("new", "test:index:Team");
	const provider = urnOf("p", "pulumi:providers:test");
	const child = urnOf("child", "test:index:Group$test:index:Part");
	const { state } = run(
		base(
			resource("p", {
				urn: provider,
				custom: true,
				id: "1",
				type: "pulumi:providers:test",
			}),
			resource("child", {
				urn: child,
				parent: old,
				provider: `${provider}::1`,
				dependencies: [old],
				propertyDependencies: { x: [old] },
				deletedWith: old,
				replaceWith: [old],
			}),
			resource("last", { dependencies: [child], viewOf: old }),
		),
		[
			entry(1, {
				kind: 1,
				operationID: 1,
				state: resource("new", { urn: fresh, aliases: [old, old] }),
			}),
		],
	);
	const moved = urnOf("child", "test:index:Team$test:index:Part");
	assert.deepEqual(state.deployment.resources?.slice(0, 1), [
		resource("new", { urn: fresh }),
	]);
	assert.deepEqual(state.deployment.resources?.at(2), {
		...resource("child"),
		urn: moved,
		parent: fresh,
		provider: `${provider}::1`,
		dependencies: [fresh],
		propertyDependencies: { x: [fresh] },
		deletedWith: fresh,
		// As the CLI: these are the only ones that are not renamed.
		replaceWith: [old],
	});
	assert.deepEqual(
		state.deployment.resources?.at(3),
		resource("last", { dependencies: [moved], viewOf: fresh }),
	);
});

test("a child of the root keeps its URN when the root is renamed", () => {
	const root = urnOf("s-new", "pulumi:pulumi:Stack");
	const old = urnOf("s-old", "pulumi:pulumi:Stack");
	const { state } = run(base(resource("child", { parent: old })), [
		entry(1, {
			kind: 1,
			operationID: 1,
			state: resource("root", { urn: root, aliases: [old] }),
		}),
	]);
	assert.deepEqual(
		state.deployment.resources?.at(1),
		resource("child", { parent: root }),
	);
});

test("one alias for two resources is a problem", () => {
	const { problems } = run({}, [
		entry(1, {
			kind: 1,
			operationID: 1,
			state: resource("a", { aliases: ["x"] }),
		}),
		entry(2, {
			kind: 1,
			operationID: 2,
			state: resource("b", { aliases: ["x"] }),
		}),
	]);
	assert.match(problems.join(), /have the same alias x/);
});

for (const [feature, part] of Object.entries({
	refreshBeforeUpdate: { refreshBeforeUpdate: true },
	views: { viewOf: urnOf("x") },
	hooks: { resourceHooks: { beforeCreate: ["one"] } },
	taint: { taint: true },
	replaceWith: { replaceWith: [urnOf("x")] },
	extensionParameterization: { extensionRef: "x" },
	"snippets-prototype": { snippetID: "x" },
})) {
	test(`a resource or a pending operation with ${Object.keys(part)} needs the feature ${feature}`, () => {
		const whole = created(1, 1, "a", part);
		for (const entries of [whole, whole.slice(0, 1)]) {
			const { state } = run({}, entries);
			assert.deepEqual([state.version, state.features], [4, [feature]]);
		}
	});
}

test("features are sorted, and byte strings are one of them", () => {
	const { state } = run({}, [
		...created(1, 1, "a", { taint: true }),
		entry(3, { operationID: 2, requiresByteString: true }),
	]);
	assert.deepEqual(state.features, ["byteString", "taint"]);
});

test("no version, no magic", () => {
	const { state } = replay({}, [], { clientVersion: "", now: new Date(0) });
	assert.equal(state.deployment.manifest?.magic, "");
});

test("what does not fit is reported and left out", () => {
	const { state, problems } = run(base(resource("x")), [
		...created(1, 1, "a"),
		entry(3, { kind: 1, operationID: 2, removeNew: 99 }),
		entry(4, { kind: 1, operationID: 3, removeOld: 1 }),
		entry(5, { kind: 77 }),
	]);
	assert.deepEqual(names(state.deployment.resources), ["a", "x"]);
	assert.deepEqual(
		problems.map((problem) => problem.split(" ").slice(0, 2).join(" ")),
		["entry 3", "entry 4", "entry 5"],
	);
});

test("missing numbers are told, whatever the order of arrival", () => {
	const entries = [7, 3, 1, 3].map((number) => entry(number));
	assert.deepEqual(run({}, entries).gaps, [2, 4, 5, 6]);
});

test("keys that are a prototype's elsewhere are only keys here", () => {
	const state: Resource = JSON.parse(
		JSON.stringify(resource("a")).replace(
			/}$/,
			`,"inputs":{"__proto__":{"x":1},"constructor":null},"propertyDependencies":{"__proto__":["${urnOf("b")}"]}}`,
		),
	);
	const { deployment } = run(base(resource("b")), [
		entry(1, { kind: 1, operationID: 1, isRefresh: true, state }),
	]).state;
	const text = JSON.stringify(deployment);
	assert.match(text, /"__proto__":\{"x":1\}/);
	assert.equal(({} as { x?: unknown }).x, undefined);
});
