// What differs between an object that was applied and the live one, and how bad that is.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	compareObject,
	findContext,
	type Live,
	sortItems,
} from "../../src/cluster/drift.ts";
import {
	findAdditions,
	makeRemoval,
} from "../../src/cluster/drift-additions.ts";
import type { DeclaredObject } from "../../src/domain/drift.ts";

const declare = (
	kind: string,
	content: Record<string, unknown>,
	secrets: readonly string[] = [],
): DeclaredObject => ({
	kind,
	namespace: "ns",
	name: "server",
	secrets,
	content: { metadata: { name: "server", namespace: "ns" }, ...content },
});

/** As the server hands out what was declared: with more around it. */
const live = (
	content: Record<string, unknown>,
	{
		labels = {},
		annotations = {},
		managedFields = [],
	}: {
		labels?: Record<string, string>;
		annotations?: Record<string, string>;
		managedFields?: NonNullable<Live["metadata"]>["managedFields"];
	} = {},
): Live => ({
	...content,
	metadata: {
		name: "server",
		namespace: "ns",
		uid: "1",
		resourceVersion: "7",
		labels,
		annotations,
		managedFields: managedFields ?? [],
	},
	status: { replicas: 1 },
});

const none = findContext([]);
const compare = (
	declared: DeclaredObject,
	found: Live | undefined,
	context = none,
) =>
	compareObject(declared, found, context).map(
		({ class: of, path, wanted, found }) => [of, path, wanted, found],
	);

const container = (more: object = {}) => ({
	template: {
		spec: { containers: [{ name: "server", image: "a:1", ...more }] },
	},
});

const containerLive = (more: object = {}) => ({
	replicas: 1,
	template: {
		spec: {
			restartPolicy: "Always",
			containers: [
				{
					name: "server",
					image: "a:1",
					imagePullPolicy: "IfNotPresent",
					...more,
				},
			],
		},
	},
});

test("what the server fills in and controllers write is no difference", () => {
	const declared = declare("apps/v1/Deployment", {
		spec: container({
			env: [{ name: "EMPTY", value: "" }],
			resources: { limits: { cpu: 0.5, memory: "1024Mi" } },
			ports: [{ containerPort: 80 }],
			tty: false,
			securityContext: {},
		}),
	});
	const found = live({
		spec: containerLive({
			env: [{ name: "EMPTY" }],
			resources: { limits: { cpu: "500m", memory: "1Gi" } },
			ports: [{ containerPort: 80, protocol: "TCP" }],
		}),
	});
	assert.deepEqual(compare(declared, found), []);
});

test("an image, a missing variable and a shortened list are told by their places", () => {
	const declared = declare("apps/v1/Deployment", {
		spec: container({
			args: ["--a", "--b"],
			env: [
				{ name: "A", value: "1" },
				{ name: "B", value: "2" },
			],
		}),
	});
	const found = live({
		spec: containerLive({
			image: "b:2",
			args: ["--a"],
			env: [{ name: "B", value: "2" }],
		}),
	});
	const place = "/spec/template/spec/containers/0";
	assert.deepEqual(compare(declared, found), [
		["repairable", `${place}/image`, '"a:1"', '"b:2"'],
		["repairable", `${place}/args`, '["--a","--b"]', '["--a"]'],
		["repairable", `${place}/env/A`, '{"name":"A","value":"1"}', null],
	]);
});

test("an item of a list is found by its key, wherever it is by now", () => {
	const mounts = (...paths: string[]) => ({
		volumeMounts: paths.map((mountPath) => ({ name: "data", mountPath })),
	});
	const declared = declare("apps/v1/Deployment", {
		spec: container(mounts("/a", "/b")),
	});
	const found = live({ spec: containerLive(mounts("/token", "/b", "/a")) });
	assert.deepEqual(compare(declared, found), []);
});

test("what is gone is repairable, and dangerous where it holds data", () => {
	assert.deepEqual(compare(declare("v1/Service", {}), undefined), [
		["repairable", "", "present", null],
	]);
	for (const kind of [
		"v1/PersistentVolumeClaim",
		"v1/Secret",
		"v1/Namespace",
		"apps/v1/StatefulSet",
	])
		assert.deepEqual(compare(declare(kind, {}), undefined), [
			["dangerous", "", "present", null],
		]);
});

test("a Job that deletes itself is not missed", () => {
	const spec = { ttlSecondsAfterFinished: 60 };
	assert.deepEqual(compare(declare("batch/v1/Job", { spec }), undefined), []);
});

test("the number of what an autoscaler scales is the autoscaler's", () => {
	const declared = declare("apps/v1/Deployment", { spec: { replicas: 2 } });
	const found = live({ spec: { replicas: 5 } });
	const scaler = declare("autoscaling/v2/HorizontalPodAutoscaler", {
		spec: { scaleTargetRef: { kind: "Deployment", name: "server" } },
	});
	assert.deepEqual(compare(declared, found, findContext([scaler])), []);
	assert.deepEqual(compare(declared, found), [
		["repairable", "/spec/replicas", "2", "5"],
	]);
});

const setBy = (manager: string, fieldsV1: object, subresource?: string) => ({
	manager,
	operation: "Update",
	fieldsV1,
	...(subresource !== undefined && { subresource }),
});

const labelled = (...keys: string[]) => ({
	"f:metadata": {
		"f:labels": Object.fromEntries(keys.map((key) => [`f:${key}`, {}])),
	},
});

test("a label that somebody added is cosmetic, unless something selects by it", () => {
	const declared = declare("apps/v1/Deployment", {});
	const found = live(
		{},
		{
			labels: { by: "hand", tier: "x" },
			managedFields: [setBy("kubectl-label", labelled("by", "tier"))],
		},
	);
	const policy = declare("networking.k8s.io/v1/NetworkPolicy", {
		spec: { podSelector: { matchLabels: { tier: "x" } } },
	});
	assert.deepEqual(compare(declared, found, findContext([policy])), [
		["cosmetic", "/metadata/labels/by", null, '"hand"'],
		["repairable", "/metadata/labels/tier", null, '"x"'],
	]);
});

test("a label by which the service finds its objects is no matter of looks", () => {
	const label = "impresario.dev/environment";
	const declared = declare("v1/ConfigMap", {
		metadata: { name: "server", labels: { [label]: "env_1", tier: "a" } },
	});
	const found = live({}, { labels: { [label]: "env_2" } });
	assert.deepEqual(compare(declared, found), [
		[
			"repairable",
			"/metadata/labels/impresario.dev~1environment",
			'"env_1"',
			'"env_2"',
		],
		["cosmetic", "/metadata/labels/tier", '"a"', null],
	]);
});

test("what controllers, the service and a restart set is nobody's addition", () => {
	const restarted = "kubectl.kubernetes.io/restartedAt";
	const found = live(
		{
			spec: {
				template: { metadata: { annotations: { [restarted]: "now" } } },
				volumeName: "pv-1",
			},
		},
		{
			annotations: { "deployment.kubernetes.io/revision": "1" },
			managedFields: [
				setBy("kube-controller-manager", {
					"f:metadata": {
						"f:annotations": { "f:deployment.kubernetes.io/revision": {} },
					},
					"f:spec": { "f:volumeName": {} },
				}),
				setBy("impresario", { "f:spec": { "f:volumeName": {} } }),
				setBy("kubectl-rollout", {
					"f:spec": {
						"f:template": {
							"f:metadata": { "f:annotations": { [`f:${restarted}`]: {} } },
						},
					},
				}),
				setBy("curl", { "f:status": { "f:replicas": {} } }, "status"),
			],
		},
	);
	const declared = declare("apps/v1/Deployment", {
		spec: { template: { metadata: { annotations: { a: "b" } } } },
	});
	assert.deepEqual(compare(declared, found), [
		["repairable", "/spec/template/metadata/annotations/a", '"b"', null],
	]);
});

test("values of secrets and of variables are never told", () => {
	const secret = declare("v1/Secret", { stringData: { password: "s3cret-1" } });
	const changed = live({ data: { password: "b3RoZXI=" } });
	const map = declare(
		"v1/ConfigMap",
		{ data: { conf: "s3cret-2", other: "x" } },
		["/data/conf"],
	);
	const env = declare("apps/v1/Deployment", {
		spec: container({ env: [{ name: "A", value: "1" }] }),
	});
	const items = [
		...compare(secret, changed),
		...compare(map, live({ data: { conf: "s3cret-3", other: "x" } })),
		...compare(
			env,
			live({
				spec: containerLive({ env: [{ name: "A", value: "s3cret-4" }] }),
			}),
		),
	];
	assert.equal(items.length, 3);
	assert.doesNotMatch(JSON.stringify(items), /s3cret|b3RoZXI/);
	assert.deepEqual(items[0], [
		"dangerous",
		"/data/password",
		'"[secret]"',
		'"[secret]"',
	]);
});

test("a Secret that holds what was declared as text does not differ", () => {
	const secret = declare("v1/Secret", { stringData: { password: "s3cret" } });
	const data = { password: Buffer.from("s3cret").toString("base64") };
	assert.deepEqual(compare(secret, live({ data })), []);
});

test("the removal of additions touches nothing else, and only what was seen", () => {
	const declared = declare("apps/v1/Deployment", {
		spec: container({ env: [{ name: "A", value: "1" }] }),
	});
	const found = live(
		{
			spec: containerLive({
				env: [
					{ name: "X", value: "1" },
					{ name: "A", value: "1" },
					{ name: "Y", value: "2" },
				],
			}),
		},
		{
			labels: { by: "hand" },
			managedFields: [
				setBy("kubectl-set", {
					...labelled("by"),
					"f:spec": {
						"f:template": {
							"f:spec": {
								"f:containers": {
									'k:{"name":"server"}': {
										"f:env": {
											'k:{"name":"X"}': { ".": {}, "f:value": {} },
											'k:{"name":"Y"}': { ".": {}, "f:value": {} },
										},
									},
								},
							},
						},
					},
				}),
			],
		},
	);
	const additions = findAdditions(declared.content, found);
	assert.deepEqual(additions.map(({ path }) => path.join("/")).sort(), [
		"metadata/labels/by",
		"spec/template/spec/containers/0/env/0",
		"spec/template/spec/containers/0/env/2",
	]);
	const { metadata, spec } = makeRemoval(found, additions);
	assert.deepEqual(metadata, { labels: { by: null }, resourceVersion: "7" });
	assert.deepEqual(spec, {
		template: {
			spec: {
				containers: [
					{
						name: "server",
						image: "a:1",
						imagePullPolicy: "IfNotPresent",
						env: [{ name: "A", value: "1" }],
					},
				],
			},
		},
	});
});

test("the most dangerous comes first", () => {
	const item = { kind: "v1/Service", path: "", wanted: null, found: null };
	const sorted = sortItems([
		{ ...item, name: "b", class: "cosmetic" },
		{ ...item, name: "c", class: "repairable" },
		{ ...item, name: "a", class: "repairable" },
		{ ...item, name: "d", class: "dangerous" },
	]);
	assert.deepEqual(
		sorted.map(({ name }) => name),
		["d", "a", "c", "b"],
	);
});
