// Each row of the fact sheet, one test case for each promise.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ProcessName, processNames } from "../../../src/domain/release.ts";
import type { KubernetesObject } from "../../support/kubectl.ts";
import { factSheet, type Row, switches } from "./fact-sheet.ts";
import {
	type Container,
	findNamed,
	type Live,
	listContainers,
	listKind,
	listPlaces,
	listPodsOf,
	loadContainer,
	loadNamed,
	type Probe,
	readSecret,
	type Specified,
	type Workload,
} from "./live.ts";

export function promiseProcesses(live: () => Live): void {
	for (const name of processNames)
		describe(name, () => promiseProcess(name, factSheet[name], live));
}

function promiseProcess(name: ProcessName, row: Row, live: () => Live): void {
	const deployment = () => loadNamed<Workload>(live(), "Deployment", name);
	const podSpec = () => deployment().spec.template.spec;
	const container = () => loadContainer(live(), "Deployment", name);
	const pods = () => listPodsOf(live(), name);

	test(`has ${row.replicas} that are ready, and no other`, () => {
		assert.equal(deployment().spec.replicas, row.replicas);
		assert.equal(deployment().status.readyReplicas, row.replicas);
		assert.equal(pods().length, row.replicas);
	});

	test("runs the image of the release", () => {
		const expected = `maestroserver/${images[name]}`;
		assert.equal(container().image, expected);
		for (const { spec } of pods())
			assert.equal(
				spec.containers.find((one) => one.name === name)?.image,
				expected,
			);
	});

	test(
		row.port === null ? "listens on nothing" : `listens on ${row.port}`,
		() => {
			const service = findNamed<Specified>(live(), "Service", name);
			const ports = (service?.spec.ports ?? []) as readonly {
				readonly name: string;
				readonly port: number;
			}[];
			const own = row.port === null ? [] : [row.port];
			assert.deepEqual(
				ports.filter((port) => port.name === "http").map(({ port }) => port),
				own,
			);
			assert.deepEqual(
				(container().ports ?? []).map(({ containerPort }) => containerPort),
				own,
			);
		},
	);

	test(`is probed by ${row.probe ?? "nothing"}`, () =>
		assertProbes(container(), row));

	test(`is rolled out by ${row.strategy}`, () => {
		const { strategy } = deployment().spec;
		assert.equal(strategy?.type, row.strategy);
		if (row.strategy === "RollingUpdate")
			assert.equal(strategy?.rollingUpdate?.maxUnavailable, 0);
	});

	test(
		row.budget ? "has a disruption budget" : "has no disruption budget",
		() => {
			const budget = findNamed<Specified>(live(), "PodDisruptionBudget", name);
			assert.equal(budget?.spec.maxUnavailable, row.budget ? 1 : undefined);
		},
	);

	if (row.replicas === 1)
		test("is scaled by nobody", () => {
			const scaled = listKind<Specified>(live(), "HorizontalPodAutoscaler").map(
				({ spec }) => (spec.scaleTargetRef as { name: string }).name,
			);
			assert.ok(!scaled.includes(name));
		});
	else
		test("must be on different nodes, should be in different zones, and is", () => {
			const spread = new Map(
				podSpec().topologySpreadConstraints?.map((one) => [
					one.topologyKey,
					one.whenUnsatisfiable,
				]),
			);
			assert.equal(spread.get("kubernetes.io/hostname"), "DoNotSchedule");
			assert.equal(spread.get("topology.kubernetes.io/zone"), "ScheduleAnyway");
			for (const label of [
				"kubernetes.io/hostname",
				"topology.kubernetes.io/zone",
			])
				assert.equal(listPlaces(live(), pods(), label).length, 2, label);
		});

	test("says of every container what it needs and what it may take", () => {
		for (const one of listContainers(podSpec()))
			for (const kind of ["requests", "limits"] as const)
				for (const resource of ["cpu", "memory"])
					assert.ok(
						one.resources[kind]?.[resource],
						`${one.name} ${kind} ${resource}`,
					);
	});

	test(`has at least ${row.grace} seconds to end`, () => {
		assert.ok(podSpec().terminationGracePeriodSeconds >= row.grace);
	});

	test("gets no variables from Services and no token", () => {
		assert.equal(podSpec().enableServiceLinks, false);
		assert.equal(podSpec().automountServiceAccountToken, false);
		for (const { spec } of pods())
			assert.ok(!spec.volumes?.some(({ projected }) => projected));
	});

	test("may do no more than its image needs", () =>
		assertConfined(row, podSpec(), container()));

	test(
		row.waits.length === 0
			? "waits for nothing"
			: `has init containers that ${row.waits.join(", ").replaceAll("-", " ")}`,
		() => {
			const names = (podSpec().initContainers ?? []).map((one) => one.name);
			assert.deepEqual(names, row.waits);
		},
	);

	test(`takes secrets from ${row.secrets.join(", ") || "nowhere"}, each of which is there`, () => {
		const references = (container().env ?? []).flatMap(
			({ valueFrom }) => valueFrom?.secretKeyRef ?? [],
		);
		const groups = new Set(references.map((reference) => reference.name));
		assert.deepEqual([...groups].sort(), row.secrets);
		for (const { name: secret, key } of references)
			assert.ok(readSecret(live(), secret)[key], `${secret} ${key}`);
	});

	test(`works on ${row.database ?? "no database"}`, () => {
		const { MAESTRO_MONGO_DATABASE } = listPlain(container());
		assert.equal(MAESTRO_MONGO_DATABASE, row.database ?? undefined);
	});

	test("is told what it would not ask for, and nothing by a shared ConfigMap", () => {
		const plain = listPlain(container());
		for (const [variable, wanted] of Object.entries(row.variables))
			if (typeof wanted === "string") assert.equal(plain[variable], wanted);
			else assert.match(plain[variable] ?? "", wanted, variable);
		assert.equal(container().envFrom, undefined);
	});

	test("has no switch set that is not meant", () => {
		const set = switches.filter((variable) =>
			(container().env ?? []).some((one) => one.name === variable),
		);
		assert.deepEqual(
			set,
			switches.filter((variable) => variable in row.variables),
		);
	});

	test(row.isPublic ? "is public" : "is reached from inside only", () => {
		const ingress = findNamed<KubernetesObject>(live(), "Ingress", name);
		assert.equal(ingress !== undefined, row.isPublic);
	});
}

/** Section 1 of the fact sheet, with the tags of the release 0.6.0. */
const images: Readonly<Record<ProcessName, string>> = {
	client: "client-maestro:0.15.0",
	server: "server-maestro:0.6.0",
	discovery: "discovery-maestro:0.6.0",
	"discovery-worker": "discovery-maestro-celery:0.6.0",
	reports: "reports-maestro:0.6.0",
	"reports-worker": "reports-maestro-celery:0.6.0",
	scheduler: "scheduler-maestro:0.6.0",
	"scheduler-worker": "scheduler-maestro-celery:0.6.0",
	analytics: "analytics-maestro:0.6.0",
	"analytics-worker": "analytics-maestro-celery:0.6.0",
	"analytics-front": "analytics-front-maestro:0.6.0",
	data: "data-maestro:0.6.0",
	audit: "audit-app-maestro:0.6.0",
	websocket: "websocket-maestro:0.6.0",
};

const listPlain = ({ env = [] }: Container): Record<string, string> =>
	Object.fromEntries(
		env.flatMap(({ name, value }) =>
			value === undefined ? [] : [[name, value]],
		),
	);

function assertProbes(container: Container, { probe, port }: Row): void {
	const { startupProbe, livenessProbe, readinessProbe } = container;
	const all = [startupProbe, livenessProbe, readinessProbe].filter(
		(one) => one !== undefined,
	);
	if (probe === null) {
		assert.deepEqual(all, []);
		return;
	}
	assert.ok(startupProbe && livenessProbe);
	const lasts = ({ periodSeconds, failureThreshold }: Probe) =>
		periodSeconds * failureThreshold;
	// Node may wait a minute for MongoDB.
	assert.ok(lasts(startupProbe) >= 60);
	for (const { httpGet, exec, timeoutSeconds } of all) {
		if (probe === "celery") {
			assert.match(
				exec?.command.join(" ") ?? "",
				/celery -A app\.celery inspect ping .*celery@\$HOSTNAME/,
			);
			assert.ok(timeoutSeconds >= 15 && timeoutSeconds <= 30);
		} else {
			assert.deepEqual(
				{ path: httpGet?.path, port: httpGet?.port },
				{ path: probe, port },
			);
			assert.ok(timeoutSeconds >= 3 && timeoutSeconds <= 5);
		}
	}
	assert.equal(readinessProbe !== undefined, probe !== "celery");
}

/** Capabilities that Pod Security's level `baseline` lets a container have. */
const baseline = [
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
];

function assertConfined(
	{ isRoot }: Row,
	spec: Workload["spec"]["template"]["spec"],
	own: Container,
): void {
	assert.equal(spec.securityContext?.seccompProfile?.type, "RuntimeDefault");
	for (const { name, securityContext: may } of listContainers(spec)) {
		assert.equal(may?.allowPrivilegeEscalation, false, name);
		assert.deepEqual(may?.capabilities?.drop, ["ALL"], name);
		assert.ok(!may?.privileged, name);
		const added = may?.capabilities?.add ?? [];
		assert.ok(added.every((one) => baseline.includes(one)));
		if (name === own.name && isRoot) continue;
		assert.deepEqual(added, [], name);
		assert.equal(may?.runAsNonRoot, true, name);
		// An image that only names its user cannot be checked by the kubelet.
		assert.ok((may?.runAsUser ?? 0) > 0, name);
		if (name === own.name) assert.equal(may?.readOnlyRootFilesystem, true);
	}
}
