// What the real API server lets into an environment's namespace, and that it does not stand in the way of a roll-out.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type KubernetesObject, kubectl } from "../support/kubectl.ts";
import { until } from "../support/until.ts";
import {
	adminKubeconfig,
	listLive,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

let stage: Stage;
let ordered: Ordered;
before(async () => {
	stage = await openStage();
	ordered = await stage.order({ name: "gate", size: "ha" });
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
});
after(() => stage?.close());

/** What kubectl says, to both ends. */
async function run(
	args: readonly string[],
	input = "",
	namespace: string = ordered.environment.namespace,
): Promise<string> {
	const tools = JSON.parse(
		readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
	);
	const child = spawn(tools.kubectl, [
		"--kubeconfig",
		adminKubeconfig(),
		"-n",
		namespace,
		...args,
	]);
	let said = "";
	for (const stream of [child.stdout, child.stderr])
		stream.on("data", (chunk) => {
			said += chunk;
		});
	child.stdin.end(input);
	await once(child, "close");
	return said;
}

/** What the API server says to an object that somebody sends by hand. */
const apply = (object: object) =>
	run(["create", "-f", "-"], JSON.stringify(object));

const pod = (spec: object, container: object = {}) => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: "by-hand" },
	spec: {
		...spec,
		containers: [{ name: "c", image: "busybox", ...container }],
	},
});

interface PodSpec extends Record<string, unknown> {
	readonly volumes?: readonly object[];
}
interface Templated extends KubernetesObject {
	readonly spec: {
		readonly template?: { readonly spec: PodSpec };
		readonly jobTemplate?: {
			readonly spec: { readonly template: { readonly spec: PodSpec } };
		};
	};
}

/** The pods that the environment's objects describe. */
async function listTemplates() {
	const owners = await listLive<Templated>(
		ordered.environment.namespace,
		"deployments,statefulsets,jobs,cronjobs",
	);
	const none: PodSpec = {};
	return owners
		.filter(({ metadata }) => !metadata.name.startsWith("verify-"))
		.map(({ metadata, spec }) => ({
			metadata,
			spec: spec.template?.spec ?? spec.jobTemplate?.spec.template.spec ?? none,
		}));
}

describe("Pod Security", () => {
	for (const [what, object] of [
		[
			"a privileged container",
			pod({}, { securityContext: { privileged: true } }),
		],
		["the host's network", pod({ hostNetwork: true })],
		[
			"a folder of the host",
			pod({ volumes: [{ name: "v", hostPath: { path: "/" } }] }),
		],
		[
			"a capability beyond the default ones",
			pod({}, { securityContext: { capabilities: { add: ["NET_ADMIN"] } } }),
		],
	] as const) {
		test(`refuses ${what}`, async () => {
			assert.match(await apply(object), /violates PodSecurity "baseline/);
		});
	}

	test("is kept at its strictest by every workload but those whose images start as root", async (t) => {
		const namespace = `${ordered.environment.namespace}-strict`;
		await kubectl(adminKubeconfig(), "create", "namespace", namespace);
		t.after(() =>
			kubectl(
				adminKubeconfig(),
				"delete",
				"namespace",
				namespace,
				"--wait=false",
			),
		);
		await kubectl(
			adminKubeconfig(),
			"label",
			"namespace",
			namespace,
			"pod-security.kubernetes.io/enforce=restricted",
		);
		const refused: string[] = [];
		for (const { metadata, spec } of await listTemplates()) {
			// The strict namespace has no such account.
			const { serviceAccountName: _, serviceAccount: __, ...rest } = spec;
			const object = {
				apiVersion: "v1",
				kind: "Pod",
				metadata: { name: "p", namespace },
				spec: {
					...rest,
					restartPolicy: "Never",
					// A StatefulSet would add the claim.
					volumes: [...(rest.volumes ?? []), { name: "data", emptyDir: {} }],
				},
			};
			const said = await run(
				["create", "--dry-run=server", "-f", "-"],
				JSON.stringify(object),
				namespace,
			);
			if (/violates PodSecurity "restricted/.test(said))
				refused.push(metadata.name);
			else assert.match(said, /created/, metadata.name);
		}
		assert.deepEqual(refused.sort(), [
			"analytics-front",
			"audit",
			"client",
			"migrate-1",
			"server",
			"websocket",
		]);
	});
});

describe("the quota", () => {
	test("refuses what would be public without an Ingress", async () => {
		for (const type of ["LoadBalancer", "NodePort"]) {
			const said = await apply({
				apiVersion: "v1",
				kind: "Service",
				metadata: { name: "by-hand" },
				spec: { type, ports: [{ port: 80 }] },
			});
			assert.match(said, /exceeded quota: claims/);
		}
	});

	test("refuses a pod that would take more than any of Maestro's", async () => {
		const said = await apply(
			pod({}, { resources: { limits: { memory: "64Gi", cpu: "1" } } }),
		);
		assert.match(said, /maximum memory usage per Container/);
	});

	test("refuses another claim", async () => {
		const said = await apply({
			apiVersion: "v1",
			kind: "PersistentVolumeClaim",
			metadata: { name: "by-hand" },
			spec: {
				accessModes: ["ReadWriteOnce"],
				resources: { requests: { storage: "1Gi" } },
			},
		});
		assert.match(said, /exceeded quota: claims/);
	});
});

interface Event extends KubernetesObject {
	readonly reason: string;
	readonly message: string;
}
interface Workload extends KubernetesObject {
	readonly spec: { readonly replicas: number };
	readonly metadata: KubernetesObject["metadata"] & {
		readonly generation: number;
	};
	readonly status: {
		readonly observedGeneration?: number;
		readonly updatedReplicas?: number;
		readonly readyReplicas?: number;
		readonly replicas?: number;
	};
}

test("every workload can be rolled out at the same moment", async () => {
	const { namespace } = ordered.environment;
	await kubectl(
		adminKubeconfig(),
		"-n",
		namespace,
		"rollout",
		"restart",
		"deployments,statefulsets",
	);
	await until(
		"everything is rolled out",
		async () => {
			const workloads = await listLive<Workload>(
				namespace,
				"deployments,statefulsets",
			);
			return workloads.every(
				({ metadata, spec, status }) =>
					status.observedGeneration === metadata.generation &&
					status.updatedReplicas === spec.replicas &&
					status.readyReplicas === spec.replicas &&
					status.replicas === spec.replicas,
			);
		},
		{ timeoutMs: 120_000, everyMs: 500 },
	);
	const events = await listLive<Event>(namespace, "events");
	assert.deepEqual(
		events
			.filter(({ reason }) => reason === "FailedCreate")
			// Whoever writes a quota at the same moment has to try again: that is no refusal.
			.filter(({ message }) => !/please apply your changes/.test(message))
			.map(({ message }) => message),
		[],
	);
});
