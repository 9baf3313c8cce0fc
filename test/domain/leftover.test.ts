import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketType, userType } from "../../src/domain/aws.ts";
import type { OwnedObject } from "../../src/domain/cluster.ts";
import {
	adviseDeletion,
	findMissing,
	findStrayNamespaces,
	findStrayStorage,
	findUnknown,
	findUnknownStorage,
	type Leftover,
	type Living,
	readObject,
	type StateResource,
} from "../../src/domain/leftover.ts";
import { readStorageName, storageName } from "../../src/domain/names.ts";

const living: Living = {
	environment: "env_00000000000000000001",
	tenant: "acme",
	namespace: "acme-qa-1",
	target: "west",
	cluster: "cluster-1",
};
const place = { target: "west", cluster: "cluster-1" };

const namespaceOf = (
	name: string,
	environment: string | null,
): OwnedObject => ({
	kind: "v1/Namespace",
	namespace: null,
	name,
	environment,
	tenant: "acme",
});
const own = namespaceOf(living.namespace, living.environment);
const object = (kind: string, name: string): OwnedObject => ({
	kind,
	namespace: living.namespace,
	name,
	environment: living.environment,
	tenant: "acme",
});
const state: readonly StateResource[] = [
	{ type: "pulumi:pulumi:Stack", id: null },
	{ type: "pulumi:providers:kubernetes", id: "0b7f" },
	{ type: "kubernetes:core/v1:Namespace", id: "acme-qa-1" },
	{ type: "kubernetes:core/v1:Secret", id: "acme-qa-1/keys" },
	{ type: "kubernetes:apps/v1:StatefulSet", id: "acme-qa-1/mongodb" },
	{ type: bucketType, id: storageName(living.environment, "uploads") },
];
const all = [
	own,
	object("v1/Secret", "keys"),
	object("apps/v1/StatefulSet", "mongodb"),
];
const bucket = {
	kind: bucketType,
	name: storageName(living.environment, "uploads"),
	environment: living.environment,
} as const;
const name = (items: readonly Leftover[]) =>
	items.map(({ finding, kind, name }) => `${finding} ${kind} ${name}`);

test("where all is as the state says, nothing is found", () => {
	const seen = { objects: all, storage: [bucket] };
	assert.deepEqual(findMissing(living, state, seen), []);
	assert.deepEqual(
		findUnknown(living, state, { namespace: own, objects: all.slice(1) }),
		[],
	);
	assert.deepEqual(findUnknownStorage(living, state, [bucket]), []);
	assert.deepEqual(findStrayNamespaces(place, [own], [living]), []);
	assert.deepEqual(findStrayStorage("west", [bucket], [living]), []);
});

test("what the state names and nobody saw is missing", () => {
	const found = findMissing(living, state, {
		objects: all.slice(0, 2),
		storage: [],
	});
	assert.deepEqual(name(found), [
		"missing apps/v1/StatefulSet mongodb",
		`missing ${bucketType} ${bucket.name}`,
	]);
	assert.equal(found[0]?.namespace, "acme-qa-1");
	assert.match(found[0]?.advice ?? "", /pulumi refresh.*env-0{19}1/);
});

test("what was not looked at is not missing", () => {
	assert.deepEqual(
		findMissing(living, state, { objects: null, storage: null }),
		[],
	);
});

test("a namespace that is missing stands for all that was in it", () => {
	const found = findMissing(living, state, { objects: [], storage: null });
	assert.deepEqual(name(found), ["missing v1/Namespace acme-qa-1"]);
	assert.equal(found[0]?.namespace, "acme-qa-1");
});

test("what is in the namespace and not in the state is unknown", () => {
	const objects = [...all.slice(1), object("v1/ConfigMap", "extra")];
	const found = findUnknown(living, state, { namespace: own, objects });
	assert.deepEqual(name(found), ["unknown v1/ConfigMap extra"]);
	assert.match(
		found[0]?.advice ?? "",
		/kubectl -n acme-qa-1 delete configmap extra/,
	);
});

test("a claim that a known StatefulSet makes from its template is not unknown, and another one is", () => {
	const claims = ["data-mongodb-0", "data-rabbitmq-0"].map((one) =>
		object("v1/PersistentVolumeClaim", one),
	);
	const found = findUnknown(living, state, { namespace: own, objects: claims });
	assert.deepEqual(name(found), [
		"unknown v1/PersistentVolumeClaim data-rabbitmq-0",
	]);
});

test("a namespace that its environment's state does not know stands for all that is in it", () => {
	const found = findUnknown(living, [], {
		namespace: own,
		objects: all.slice(1),
	});
	assert.deepEqual(name(found), ["unknown v1/Namespace acme-qa-1"]);
});

for (const [why, namespace, others] of [
	["nobody's", namespaceOf("old", "env_0000000000000000gone"), []],
	["without an environment", namespaceOf("acme-qa-1", null), []],
	[
		"a living environment's, under another name",
		namespaceOf("acme-qa-1-copy", living.environment),
		[],
	],
	[
		"an environment's of another cluster",
		namespaceOf("acme-qa-1", "env_00000000000000000002"),
		[{ ...living, environment: "env_00000000000000000002", cluster: "2" }],
	],
] as const) {
	test(`a namespace that is ${why} is a stray`, () => {
		const found = findStrayNamespaces(
			place,
			[own, namespace],
			[living, ...others],
		);
		assert.deepEqual(name(found), [`stray v1/Namespace ${namespace.name}`]);
		assert.match(
			found[0]?.advice ?? "",
			/no other installation.*kubectl delete namespace/,
		);
	});
}

test("a bucket of a living environment is nobody's stray, whichever target the environment has", () => {
	assert.deepEqual(findStrayStorage("east", [bucket], [living]), []);
});

test("a bucket and a user of nobody are strays, and are told how to be deleted", () => {
	const environment = "env_0000000000000000gone";
	const storage = [
		{
			kind: bucketType,
			name: storageName(environment, "backups"),
			environment,
		},
		{ kind: userType, name: storageName(environment, "uploads"), environment },
	] as const;
	const found = findStrayStorage("west", storage, [living]);
	assert.deepEqual(name(found), [
		`stray ${bucketType} impresario-env-0000000000000000gone-backups`,
		`stray ${userType} impresario-env-0000000000000000gone-uploads`,
	]);
	assert.match(found[0]?.advice ?? "", /unless its backups are wanted/);
	assert.match(adviseDeletion(storage[1]), /aws iam delete-user/);
});

test("a bucket of a living environment that its state does not know is unknown", () => {
	const user = { ...bucket, kind: userType } as const;
	assert.deepEqual(name(findUnknownStorage(living, state, [bucket, user])), [
		`unknown ${userType} ${bucket.name}`,
	]);
});

test("a name in AWS tells its environment, and only a name of ours does", () => {
	for (const purpose of ["uploads", "backups"] as const) {
		assert.deepEqual(
			readStorageName(storageName(living.environment, purpose)),
			{ environment: living.environment, purpose },
		);
	}
	for (const other of [
		"impresario-env-short-uploads",
		"impresario-state",
		`x-${bucket.name}`,
		`${bucket.name}.example`,
	]) {
		assert.equal(readStorageName(other), undefined, other);
	}
});

for (const [type, id, expected] of [
	[
		"kubernetes:networking.k8s.io/v1:Ingress",
		"ns/web",
		{ kind: "networking.k8s.io/v1/Ingress", namespace: "ns", name: "web" },
	],
	[
		"kubernetes:core/v1:Namespace",
		"ns",
		{ kind: "v1/Namespace", namespace: null, name: "ns" },
	],
	["kubernetes:core/v1:Secret", null, undefined],
	["pulumi:providers:kubernetes", "0b7f", undefined],
	[bucketType, "name", undefined],
] as const) {
	test(`the state's ${type} with the id ${id} is ${expected?.kind ?? "no object of a cluster"}`, () => {
		assert.deepEqual(readObject({ type, id }), expected);
	});
}
