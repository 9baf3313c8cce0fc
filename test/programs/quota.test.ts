// The quota lets in all that is declared, twice over where a roll-out needs it, and hardly more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parameters } from "../../src/domain/parameters.ts";
import { decideDemand } from "../../src/domain/sizing.ts";
import type { Size } from "../../src/domain/spec.ts";
import {
	type Container,
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	loadObject,
	type Manifest,
	type PodSpec,
	plantedAws,
} from "./declared.ts";

const millis = (text = "") =>
	Number.parseInt(text, 10) * (text.endsWith("m") ? 1 : 1000);
const mebibytes = (text = "") =>
	Number.parseInt(text, 10) * (text.endsWith("Gi") ? 1024 : 1);

type Need = Record<
	"requests.cpu" | "requests.memory" | "limits.cpu" | "limits.memory" | "pods",
	number
>;

const needOf = ({ resources }: Container): Omit<Need, "pods"> => ({
	"requests.cpu": millis(resources?.requests?.cpu),
	"requests.memory": mebibytes(resources?.requests?.memory),
	"limits.cpu": millis(resources?.limits?.cpu),
	"limits.memory": mebibytes(resources?.limits?.memory),
});

/** As the API server counts a pod: its containers together, or its greediest init container. */
function countPod(pod: PodSpec, name: keyof Omit<Need, "pods">): number {
	const sum = pod.containers
		.map((container) => needOf(container)[name])
		.reduce((total, value) => total + value, 0);
	const inits = (pod.initContainers ?? []).map(
		(container) => needOf(container)[name],
	);
	return Math.max(sum, ...inits);
}

/** How many pods of a workload there may be at one moment. */
function countPods({ kind, spec }: Manifest): number {
	if (kind === "Deployment") return 2 * (spec?.replicas ?? 1);
	return kind === "StatefulSet" ? (spec?.replicas ?? 1) : 1;
}

function addUp(declaration: Declaration): Need {
	const need: Need = {
		"requests.cpu": 0,
		"requests.memory": 0,
		"limits.cpu": 0,
		"limits.memory": 0,
		pods: 0,
	};
	for (const object of listObjects(declaration)) {
		const { template, jobTemplate } = object.spec ?? {};
		const pod = template?.spec ?? jobTemplate?.spec.template.spec;
		if (pod === undefined) continue;
		const count = countPods(object);
		need.pods += count;
		for (const name of [
			"requests.cpu",
			"requests.memory",
			"limits.cpu",
			"limits.memory",
		] as const)
			need[name] += count * countPod(pod, name);
	}
	return need;
}

const loadQuota = (declaration: Declaration, name: string) =>
	loadObject(declaration, "ResourceQuota", name).spec?.hard;

const wishes: readonly (readonly [what: string, size: Size, set: unknown])[] = [
	["small", "small", {}],
	["ha", "ha", {}],
	[
		"ha with large wishes",
		"ha",
		{
			replicas: { "discovery-worker": 20 },
			resources: { "discovery-worker": { cpu: "4", memory: "8Gi" } },
			storage: { mongodb: "500Gi", backups: "900Gi" },
			closedSignUp: true,
		},
	],
	["small with the inventory only", "small", { features: { audit: false } }],
];

for (const [what, size, set] of wishes) {
	test(`${what} fits, and nobody could bring a second one into its namespace`, async () => {
		const declaration = await declare(
			givenInput(size, { parameters: parameters.parse(set) }),
		);
		const hard = loadQuota(declaration, "pods");
		for (const [name, need] of Object.entries(addUp(declaration))) {
			const read = name.endsWith("memory") ? mebibytes : millis;
			const limit = name === "pods" ? Number(hard?.pods) : read(hard?.[name]);
			assert.ok(limit >= need, `${name}: ${need} of ${limit}`);
			assert.ok(limit < 2 * need, `${name}: ${limit} for ${need}`);
		}
	});

	test(`the claims of ${what} fit`, async () => {
		const declaration = await declare(
			givenInput(size, { parameters: parameters.parse(set) }),
		);
		const hard = loadQuota(declaration, "claims");
		const claims = listObjects(declaration, "PersistentVolumeClaim").map(
			({ spec }) => mebibytes(spec?.resources?.requests.storage),
		);
		assert.equal(Number(hard?.persistentvolumeclaims), claims.length);
		assert.equal(
			mebibytes(hard?.["requests.storage"]),
			claims.reduce((total, value) => total + value, 0),
		);
	});

	test(`no container or claim of ${what} is above the limit of a single one`, async () => {
		const declaration = await declare(
			givenInput(size, { parameters: parameters.parse(set) }),
		);
		const limits = loadObject(declaration, "LimitRange", "environment").spec
			?.limits;
		const [ofContainer, ofClaim] = limits ?? [];
		assert.equal(ofContainer?.type, "Container");
		for (const object of listObjects(declaration)) {
			const pod =
				object.spec?.template?.spec ??
				object.spec?.jobTemplate?.spec.template.spec;
			for (const container of pod === undefined ? [] : listContainers(pod)) {
				const need = needOf(container);
				assert.ok(need["limits.cpu"] <= millis(ofContainer?.max?.cpu));
				assert.ok(need["limits.memory"] <= mebibytes(ofContainer?.max?.memory));
			}
		}
		for (const { spec } of listObjects(declaration, "PersistentVolumeClaim"))
			assert.ok(
				mebibytes(spec?.resources?.requests.storage) <=
					mebibytes(ofClaim?.max?.storage),
			);
	});
}

test("nothing is public but through an Ingress, whoever tries", async () => {
	const declaration = await declare(givenInput("small"));
	const hard = loadQuota(declaration, "claims");
	assert.equal(hard?.["services.loadbalancers"], "0");
	assert.equal(hard?.["services.nodeports"], "0");
});

test("quota and limits come before every pod and claim", async () => {
	const declaration = await declare(givenInput("ha"));
	for (const { type, name, dependencies } of declaration.resources)
		if (
			/:(Deployment|StatefulSet|Job|CronJob|PersistentVolumeClaim)$/.test(type)
		)
			for (const first of [
				"ResourceQuota::pods",
				"ResourceQuota::claims",
				"LimitRange::environment",
			])
				assert.ok(
					dependencies.some((urn) => urn.endsWith(`:${first}`)),
					`${type} ${name}`,
				);
});

test("an upgrade that switches a feature off leaves room for what still runs", async () => {
	const all = await declare(givenInput("ha"));
	const few = await declare(
		givenInput("ha", {
			parameters: parameters.parse({
				features: { discovery: false, reports: false, analytics: false },
			}),
		}),
	);
	assert.deepEqual(loadQuota(few, "pods"), loadQuota(all, "pods"));
});

const demanding: readonly (readonly [
	what: string,
	size: Size,
	set: unknown,
])[] = [
	...wishes,
	[
		"ha with stores of its own elsewhere",
		"ha",
		{
			external: {
				mongodb: "mongodb://db.example.com/",
				rabbitmq: "amqp://mq.example.com/",
			},
		},
	],
	[
		"small without anything that needs a broker",
		"small",
		{
			features: {
				discovery: false,
				reports: false,
				analytics: false,
				scheduler: false,
			},
		},
	],
];

for (const [what, size, set] of demanding)
	test(`what ${what} is counted for is what it declares`, async () => {
		const input = givenInput(size, { parameters: parameters.parse(set) });
		const target = { ...input.target, aws: plantedAws };
		const declaration = await declare({ ...input, target });
		const need = { cpuMillis: 0, memoryMiB: 0 };
		for (const { kind, spec } of listObjects(declaration)) {
			const pod = spec?.template?.spec;
			if (pod === undefined || kind === "Job") continue;
			const count = spec?.replicas ?? 1;
			need.cpuMillis += count * countPod(pod, "requests.cpu");
			need.memoryMiB += count * countPod(pod, "requests.memory");
		}
		assert.deepEqual(decideDemand(input), need);
	});
