// The promises of Maestro's fact sheet, one row for each of the 14 processes.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { type ProcessName, processNames } from "../../src/domain/release.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	listPlainVariables,
	loadContainer,
	loadObject,
	loadPod,
	plantedAws,
} from "./declared.ts";

interface Promised {
	readonly port: number | null;
	readonly ha: number;
	readonly probe: string | null;
	readonly strategy: "RollingUpdate" | "Recreate";
	readonly budget: boolean;
	readonly database: string | null;
	readonly waits: readonly string[];
}

const rolling = { ha: 2, strategy: "RollingUpdate", budget: false } as const;
const http = { ...rolling, probe: "/", database: null, waits: [] };
const worker = {
	...rolling,
	port: null,
	probe: "celery",
	database: null,
	waits: ["wait-for-rabbitmq"],
};
const mongodb = ["wait-for-mongodb"];

const promised: Record<ProcessName, Promised> = {
	client: { ...http, port: 80, budget: true },
	server: {
		...http,
		port: 8888,
		budget: true,
		database: "maestro-client",
		waits: ["wait-for-migration"],
	},
	discovery: { ...http, port: 5000 },
	"discovery-worker": worker,
	reports: {
		...http,
		port: 5005,
		database: "maestro-reports",
		waits: mongodb,
	},
	"reports-worker": { ...worker, database: "maestro-reports" },
	scheduler: {
		port: null,
		ha: 1,
		probe: null,
		strategy: "Recreate",
		budget: false,
		database: "maestro-client",
		waits: ["wait-for-mongodb", "wait-for-rabbitmq"],
	},
	"scheduler-worker": worker,
	analytics: { ...http, port: 5020 },
	"analytics-worker": worker,
	"analytics-front": {
		...http,
		port: 9999,
		database: "maestro-client",
		waits: mongodb,
	},
	data: {
		...http,
		port: 5010,
		budget: true,
		database: "maestro-client",
		waits: mongodb,
	},
	audit: {
		...http,
		port: 10900,
		database: "maestro-audit",
		waits: mongodb,
	},
	websocket: {
		...http,
		port: 8000,
		ha: 1,
		probe: "/health",
		strategy: "Recreate",
	},
};

let small: Declaration;
let ha: Declaration;
before(async () => {
	small = await declare(givenInput("small"));
	const input = givenInput("ha");
	// The promise of two of each holds where uploads have a store that both see.
	ha = await declare({
		...input,
		target: { ...input.target, aws: plantedAws },
	});
});

test("an environment is exactly 14 Deployments and 2 StatefulSets", () => {
	for (const size of [small, ha]) {
		const names = listObjects(size, "Deployment").map(
			(deployment) => deployment.metadata.name,
		);
		assert.deepEqual(names.sort(), [...processNames].sort());
		assert.deepEqual(
			listObjects(size, "StatefulSet").map((set) => set.metadata.name),
			["mongodb", "rabbitmq"],
		);
	}
});

for (const name of processNames) {
	describe(name, () => {
		const row = promised[name];
		const deployment = (size = ha) => loadObject(size, "Deployment", name);
		const container = () => loadContainer(loadPod(deployment()));

		test(`runs once in small and ${row.ha} times in ha`, () => {
			assert.equal(deployment(small).spec?.replicas, 1);
			assert.equal(deployment(ha).spec?.replicas, row.ha);
		});

		test(`is rolled out by ${row.strategy}`, () => {
			assert.equal(deployment().spec?.strategy?.type, row.strategy);
		});

		test(
			row.port === null ? "listens on nothing" : `listens on ${row.port}`,
			() => {
				const services = listObjects(ha, "Service").filter(
					(service) => service.metadata.name === name,
				);
				const ports = services.flatMap((service) =>
					(service.spec?.ports ?? [])
						.filter((port) => port.name === "http")
						.map((port) => port.port),
				);
				assert.deepEqual(ports, row.port === null ? [] : [row.port]);
				assert.deepEqual(
					(container().ports ?? []).map((port) => port.containerPort),
					ports,
				);
			},
		);

		test(`is probed by ${row.probe ?? "nothing"}`, () => {
			const { startupProbe, livenessProbe, readinessProbe } = container();
			if (row.probe === null) {
				assert.deepEqual(
					[startupProbe, livenessProbe, readinessProbe],
					[undefined, undefined, undefined],
				);
			} else if (row.probe === "celery") {
				for (const probe of [startupProbe, livenessProbe]) {
					assert.match(
						probe?.exec?.command.join(" ") ?? "",
						/celery -A app\.celery inspect ping .*-d "celery@\$HOSTNAME"/,
					);
					assert.ok((probe?.timeoutSeconds ?? 0) >= 15);
				}
			} else {
				for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
					assert.deepEqual(probe?.httpGet, { path: row.probe, port: row.port });
					assert.ok((probe?.timeoutSeconds ?? 0) >= 3);
				}
			}
		});

		test(`${row.budget ? "has a" : "has no"} disruption budget`, () => {
			const budgets = (size: Declaration) =>
				listObjects(size, "PodDisruptionBudget").filter(
					(budget) => budget.metadata.name === name,
				);
			assert.deepEqual(
				budgets(ha).map((budget) => budget.spec?.maxUnavailable),
				row.budget ? [1] : [],
			);
			assert.equal(budgets(small).length, 0);
		});

		test(`keeps its data in ${row.database ?? "no database"}`, () => {
			assert.equal(
				listPlainVariables(container()).MAESTRO_MONGO_DATABASE,
				row.database ?? undefined,
			);
		});

		test(`starts after ${row.waits.join(", ") || "nothing"}`, () => {
			assert.deepEqual(
				(loadPod(deployment()).initContainers ?? []).map((wait) => wait.name),
				row.waits,
			);
		});

		test("runs the image that the release names", () => {
			assert.equal(container().image, givenInput("ha").release.images[name]);
		});
	});
}

test("there is no autoscaler, least of all for the scheduler", () => {
	for (const size of [small, ha])
		assert.deepEqual(listObjects(size, "HorizontalPodAutoscaler"), []);
});

test("no Service has a name that would fill a variable of Maestro", () => {
	const names = listObjects(ha, "Service").map(
		(service) => service.metadata.name ?? "",
	);
	for (const name of ["maestro", "smtp", "centrifugo"])
		assert.ok(!names.includes(name), name);
});

test("only the MongoDB and RabbitMQ Services have no process behind them", () => {
	const names = listObjects(ha, "Service").map(
		(service) => service.metadata.name,
	);
	assert.deepEqual(
		names.filter((name) => !processNames.some((process) => process === name)),
		["mongodb", "rabbitmq", "rabbitmq-nodes"],
	);
});
