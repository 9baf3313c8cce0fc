// What holds for an environment as a whole: whose it is, what it may take, who reaches it, and its secrets.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KubernetesObject } from "../../support/kubectl.ts";
import { tokenHolders, tokenSecrets } from "./fact-sheet.ts";
import {
	type Live,
	listContainers,
	listKind,
	loadNamed,
	type Pod,
	readSecret,
	type Specified,
	type Workload,
} from "./live.ts";

export function promiseNamespace(live: () => Live): void {
	describe("the namespace", () => {
		test("enforces the level baseline of Pod Security, and warns of what is not restricted", () => {
			const labels = live().namespace.metadata.labels ?? {};
			const level = (mode: string) =>
				labels[`pod-security.kubernetes.io/${mode}`];
			assert.equal(level("enforce"), "baseline");
			assert.equal(level("warn"), "restricted");
			assert.equal(level("audit"), "restricted");
		});

		test("holds nothing that does not say whose it is", () => {
			const made = live().objects.filter(
				({ kind, metadata }) =>
					!["Pod", "ReplicaSet"].includes(kind) &&
					// Kubernetes' own.
					!["kube-root-ca.crt", "default"].includes(metadata.name),
			);
			assert.ok(made.length > 60);
			for (const { kind, metadata } of [
				...made,
				...listKind<Pod>(live(), "Pod"),
			]) {
				assert.equal(
					metadata.labels?.["impresario.dev/environment"],
					live().environment.id,
					`${kind} ${metadata.name}`,
				);
				assert.equal(metadata.labels?.["impresario.dev/tenant"], "acme");
				assert.equal(
					metadata.labels?.["app.kubernetes.io/managed-by"],
					"impresario",
				);
			}
		});

		test("has quotas that everything fits into", () => {
			const quotas = listKind<Specified>(live(), "ResourceQuota");
			const bounded = quotas.flatMap(({ spec }) =>
				Object.keys(spec.hard as object),
			);
			for (const what of [
				"pods",
				"limits.cpu",
				"limits.memory",
				"requests.storage",
				"persistentvolumeclaims",
				"services.loadbalancers",
			])
				assert.ok(bounded.includes(what), what);
		});

		test("has limits for whoever names none", () => {
			const [range] = listKind<Specified>(live(), "LimitRange");
			const limits = range?.spec.limits as readonly {
				readonly type: string;
				readonly default?: object;
				readonly max?: object;
			}[];
			const ofContainers = limits.find(({ type }) => type === "Container");
			assert.ok(ofContainers?.default);
			assert.ok(ofContainers?.max);
		});

		test("gives nobody a right in the cluster", () => {
			assert.deepEqual(listKind(live(), "Role"), []);
			assert.deepEqual(listKind(live(), "RoleBinding"), []);
			const account = loadNamed<
				KubernetesObject & { automountServiceAccountToken?: boolean }
			>(live(), "ServiceAccount", "maestro");
			assert.equal(account.automountServiceAccountToken, false);
			for (const { metadata, spec } of listKind<Pod>(live(), "Pod"))
				assert.equal(spec.serviceAccountName, "maestro", metadata.name);
		});
	});
	describe("network policies", () => promisePolicies(live));
	describe("secrets", () => promiseSecrets(live));
}

interface Policy extends Specified {
	readonly spec: {
		readonly podSelector: {
			readonly matchLabels?: Readonly<Record<string, string>>;
		};
		readonly policyTypes: readonly string[];
		readonly ingress?: readonly object[];
		readonly egress?: readonly object[];
	};
}

function promisePolicies(live: () => Live): void {
	test("deny everything both ways that no other one allows", () => {
		const { spec } = loadNamed<Policy>(live(), "NetworkPolicy", "default-deny");
		assert.deepEqual(spec.podSelector, {});
		assert.deepEqual([...spec.policyTypes].sort(), ["Egress", "Ingress"]);
		assert.equal(spec.ingress, undefined);
		assert.equal(spec.egress, undefined);
	});

	test("let everybody ask for names, on port 53 only", () => {
		const { spec } = loadNamed<Policy>(live(), "NetworkPolicy", "dns");
		assert.deepEqual(spec.podSelector, {});
		const ports = (spec.egress ?? []).flatMap(
			(rule) => (rule as { ports: readonly { port: number }[] }).ports,
		);
		assert.ok(ports.length > 0 && ports.every(({ port }) => port === 53));
	});

	test("name every pod that runs", () => {
		const selectors = listKind<Policy>(live(), "NetworkPolicy")
			.map(({ spec }) => Object.entries(spec.podSelector.matchLabels ?? {}))
			.filter((labels) => labels.length > 0);
		for (const { metadata } of listKind<Pod>(live(), "Pod"))
			assert.ok(
				selectors.some((labels) =>
					labels.every(([key, value]) => metadata.labels?.[key] === value),
				),
				metadata.name,
			);
	});
}

/** What upstream's code falls back to. */
const publicDefaults = [
	"defaultSecretKey",
	"defaultSecretKeyPrivate",
	"defaultSecretNoAuthToken",
	"wsSecretKey",
];

function promiseSecrets(live: () => Live): void {
	const generated = () => ({
		...readSecret(live(), "jwt"),
		...Object.fromEntries(
			Object.entries(readSecret(live(), "datastores")).filter(
				([key]) => !/uri|url/i.test(key),
			),
		),
	});

	test("are all seven tokens, and each stands alone", () => {
		assert.deepEqual(Object.keys(readSecret(live(), "jwt")).sort(), [
			...[...tokenSecrets].sort(),
		]);
	});

	test("are unique, at least 256 bits long, and none that upstream publishes", () => {
		const values = Object.entries(generated());
		assert.ok(values.length >= 14, values.map(([key]) => key).join());
		for (const [key, value] of values) {
			assert.ok(!publicDefaults.includes(value), key);
			// A hexadecimal digit is four bits.
			assert.match(value, /^[0-9a-f]{64,}$/, key);
		}
		assert.equal(new Set(values.map(([, value]) => value)).size, values.length);
	});

	for (const token of tokenSecrets)
		test(`give ${token} to those who share it, and to nobody else`, () => {
			const holders = listKind<Workload>(live(), "Deployment")
				.filter(({ spec }) =>
					spec.template.spec.containers.some(({ env = [] }) =>
						env.some(
							({ name, valueFrom }) =>
								name === token && valueFrom?.secretKeyRef?.key === token,
						),
					),
				)
				.map(({ metadata }) => metadata.name);
			assert.deepEqual(holders.sort(), tokenHolders[token]);
		});

	test("are in Secrets and in no other object", () => {
		const rest = JSON.stringify(
			live().objects.filter(({ kind }) => kind !== "Secret"),
		);
		const all = listKind(live(), "Secret").flatMap(({ metadata }) =>
			Object.entries(readSecret(live(), metadata.name)),
		);
		assert.ok(all.length > 20);
		// An access key's id is no secret: a pod is restarted when it changes.
		for (const [key, value] of all)
			if (key !== "AWS_ACCESS_KEY_ID" && key !== "SMTP_USERNAME")
				assert.ok(!rest.includes(value), key);
	});

	test("are no arguments of any container", () => {
		const secrets = Object.values(generated());
		for (const { spec, metadata } of listKind<Pod>(live(), "Pod"))
			for (const { command = [] } of listContainers(spec))
				for (const word of command)
					assert.ok(!secrets.some((one) => word.includes(one)), metadata.name);
	});
}
