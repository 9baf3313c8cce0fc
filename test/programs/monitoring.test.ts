// What a Prometheus is told.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { parameters } from "../../src/domain/parameters.ts";
import { targetSettings } from "../../src/domain/target.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	loadObject,
	type Manifest,
} from "./declared.ts";

const withOperator = (set: unknown = {}) => {
	const input = givenInput("ha", { parameters: parameters.parse(set) });
	return declare({
		...input,
		target: {
			...input.target,
			settings: targetSettings.parse({
				monitoring: { operator: true, namespace: "observability" },
			}),
		},
	});
};

let plain: Declaration;
let operated: Declaration;
before(async () => {
	plain = await declare(givenInput("ha"));
	operated = await withOperator();
});

const metrics: readonly (readonly [
	kind: string,
	name: string,
	port: string,
])[] = [
	["StatefulSet", "rabbitmq", "15692"],
	["StatefulSet", "mongodb", "9216"],
	["Deployment", "websocket", "8000"],
];

for (const [kind, name, port] of metrics) {
	test(`${name} has metrics at ${port}, which a pod's annotations tell and the port exists`, () => {
		const { template } = loadObject(plain, kind, name).spec ?? {};
		const annotations = template?.metadata.annotations ?? {};
		assert.deepEqual(
			["scrape", "port", "path"].map(
				(key) => annotations[`prometheus.io/${key}`],
			),
			["true", port, "/metrics"],
		);
		const ports = (template?.spec.containers ?? []).flatMap((container) =>
			(container.ports ?? []).map(({ containerPort }) => containerPort),
		);
		assert.ok(ports.includes(Number(port)));
	});
}

test("no other pod claims to have metrics", () => {
	const claiming = listObjects(plain)
		.filter(
			({ spec }) =>
				spec?.template?.metadata.annotations?.["prometheus.io/scrape"] !==
				undefined,
		)
		.map(({ metadata }) => metadata.name);
	assert.deepEqual(claiming.sort(), ["mongodb", "rabbitmq", "websocket"]);
});

test("without the operator none of its objects is declared", () => {
	assert.deepEqual(
		listObjects(plain).filter(({ apiVersion }) =>
			apiVersion.startsWith("monitoring.coreos.com"),
		),
		[],
	);
});

interface Rule {
	readonly alert: string;
	readonly expr: string;
}
const listRules = (declaration: Declaration): readonly Rule[] => {
	const { spec } = loadObject(
		declaration,
		"PrometheusRule",
		"maestro",
	) as Manifest & {
		readonly spec: { readonly groups: readonly { rules: Rule[] }[] };
	};
	return spec.groups.flatMap(({ rules }) => rules);
};

test("with it, each of them has a PodMonitor that selects its pods by a port that exists", () => {
	const monitors = listObjects(operated, "PodMonitor");
	assert.deepEqual(monitors.map(({ metadata }) => metadata.name).sort(), [
		"mongodb",
		"rabbitmq",
		"websocket",
	]);
	for (const { metadata, spec } of monitors)
		assert.deepEqual(spec?.selector?.matchLabels, {
			"app.kubernetes.io/name": metadata.name,
		});
});

test("the documented dangers have an alert each", () => {
	assert.deepEqual(
		listRules(operated).map(({ alert }) => alert),
		[
			"MaestroNotOneScheduler",
			"MaestroQueueWithoutConsumer",
			"MaestroBackupTooOld",
			"MaestroReplicaSetShortOfMembers",
			"MaestroReplicaSetWithoutPrimary",
			"MaestroCertificateNearItsEnd",
			"MaestroProcessUnavailable",
		],
	);
	for (const { alert, expr } of listRules(operated))
		assert.match(expr, /acme-qa-1-x7k2/, alert);
});

test("the pods of the scheduler's worker are not taken for schedulers", () => {
	const [rule] = listRules(operated);
	const pattern = /pod=~"([^"]+)"/.exec(rule?.expr ?? "")?.[1] ?? "";
	// Prometheus anchors its patterns.
	const anchored = new RegExp(`^(?:${pattern})$`);
	assert.match("scheduler-7d9f8b6c5-x2x4z", anchored);
	assert.doesNotMatch("scheduler-worker-7d9f8b6c5-x2x4z", anchored);
});

test("what is not there has no alert", async () => {
	const declaration = await withOperator({
		features: { scheduler: false, reports: false },
		external: { mongodb: "mongodb://db.example.test" },
		backups: { enabled: false },
	});
	const rules = listRules(declaration);
	assert.deepEqual(
		rules.map(({ alert }) => alert),
		[
			"MaestroQueueWithoutConsumer",
			"MaestroCertificateNearItsEnd",
			"MaestroProcessUnavailable",
		],
	);
	assert.match(rules[0]?.expr ?? "", /queue=~"discovery\|analytics"/);
	assert.deepEqual(
		listObjects(declaration, "PodMonitor")
			.map(({ metadata }) => metadata.name)
			.sort(),
		["rabbitmq", "websocket"],
	);
});

test("the dashboard is JSON that Grafana's sidecar finds", () => {
	const map = loadObject(plain, "ConfigMap", "grafana-dashboard");
	assert.equal(map.metadata.labels?.grafana_dashboard, "1");
	const dashboard = JSON.parse(map.data?.["maestro.json"] ?? "");
	assert.equal(dashboard.title, "Maestro acme-qa-1-x7k2");
	assert.ok(dashboard.uid.length <= 40);
	assert.ok(dashboard.panels.length >= 6);
});

test("only whoever fetches metrics reaches their ports from outside", () => {
	for (const [, name, port] of metrics) {
		const text = JSON.stringify(
			loadObject(operated, "NetworkPolicy", name).spec,
		);
		assert.ok(
			text.includes(
				`{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"observability"}}}],"ports":[{"port":${port},"protocol":"TCP"}]}`,
			),
			text,
		);
	}
});

test("the exporter signs in as a user of its own, with a password from a Secret", () => {
	const containers =
		loadObject(plain, "StatefulSet", "mongodb").spec?.template?.spec
			.containers ?? [];
	const exporter = containers.find(({ name }) => name === "exporter");
	const password = exporter?.env?.find(
		({ name }) => name === "MONGODB_PASSWORD",
	);
	assert.deepEqual(password?.valueFrom?.secretKeyRef, {
		name: "datastores",
		key: "mongodb-password.exporter",
	});
	assert.match(
		exporter?.image ?? "",
		/^percona\/mongodb_exporter:\d+\.\d+\.\d+$/,
	);
});
