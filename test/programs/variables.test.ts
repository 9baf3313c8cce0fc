// Which variable each process gets, and which it must never get.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type ProcessName, processNames } from "../../src/domain/release.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	listPlainVariables,
	listPods,
	loadContainer,
	loadObject,
	loadPod,
} from "./declared.ts";

const server = "https://acme-qa-1-x7k2-server.apps.example.test";
const analyticsFront =
	"https://acme-qa-1-x7k2-analytics-front.apps.example.test";

/** Everything but secrets and the database's name. */
const expected: Record<ProcessName, Record<string, string>> = {
	client: {
		THEME: "lotus",
		API_URL: server,
		STATIC_URL: `${server}/static/`,
		ANALYTICS_URL: analyticsFront,
		WEBSOCKET_URL: "wss://acme-qa-1-x7k2-websocket.apps.example.test",
	},
	server: {
		API_URL: server,
		SKIP_MIGRATION: "true",
		MAESTRO_DISCOVERY_URI: "http://discovery:5000",
		MAESTRO_REPORT_URI: "http://reports:5005",
		MAESTRO_ANALYTICS_URI: "http://analytics:5020",
		MAESTRO_AUDIT_URI: "http://audit:10900",
	},
	discovery: { MAESTRO_DATA_URI: "http://data:5010" },
	"discovery-worker": {
		MAESTRO_DATA_URI: "http://data:5010",
		MAESTRO_AUDIT_URI: "http://audit:10900",
		MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
		MAESTRO_SERVER_URI: "http://server:8888",
	},
	reports: {},
	"reports-worker": {
		MAESTRO_DATA_URI: "http://data:5010",
		MAESTRO_REPORT_URI: "http://reports:5005",
		MAESTRO_AUDIT_URI: "http://audit:10900",
		MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
	},
	scheduler: { MAESTRO_DATA_URI: "http://data:5010" },
	"scheduler-worker": {
		MAESTRO_DATA_URI: "http://data:5010",
		MAESTRO_DISCOVERY_URI: "http://discovery:5000",
		MAESTRO_REPORT_URI: "http://reports:5005",
		MAESTRO_ANALYTICS_URI: "http://analytics:5020",
	},
	// It reads an address of data as well, and calls nobody.
	analytics: {},
	"analytics-worker": {
		MAESTRO_DATA_URI: "http://data:5010",
		MAESTRO_ANALYTICS_FRONT_URI: "http://analytics-front:9999",
		MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
	},
	"analytics-front": { API_URL: server, ANALYTICS_URL: analyticsFront },
	data: {},
	audit: { MAESTRO_DATA_URI: "http://data:5010" },
	websocket: { CENTRIFUGO_HEALTH: "true", CENTRIFUGO_PROMETHEUS: "true" },
};

let ha: Declaration;
before(async () => {
	ha = await declare(givenInput("ha"));
});

for (const name of processNames) {
	test(`${name} gets the addresses that it calls or hands out, and nothing else`, () => {
		const pod = loadPod(loadObject(ha, "Deployment", name));
		const { MAESTRO_MONGO_DATABASE: _, ...rest } = listPlainVariables(
			loadContainer(pod),
		);
		assert.deepEqual(rest, expected[name]);
	});
}

test("the migration works on the server's database", () => {
	const pod = loadPod(loadObject(ha, "Job", "migrate-3"));
	const migrate = pod.initContainers?.find(({ name }) => name === "migrate");
	assert.deepEqual(migrate && listPlainVariables(migrate), {
		MAESTRO_MONGO_DATABASE: "maestro-client",
	});
});

test("nothing that is read as a switch is set to off, because every text means on", () => {
	for (const [owner, pod] of listPods(ha))
		for (const container of listContainers(pod))
			for (const [name, value] of Object.entries(listPlainVariables(container)))
				assert.notEqual(value, "false", `${owner} ${name}`);
});

test("mail, object storage and ports are left to their defaults", () => {
	for (const [owner, pod] of listPods(ha))
		for (const container of listContainers(pod))
			for (const { name } of container.env ?? [])
				assert.doesNotMatch(
					name,
					/^(SMTP_|AWS_|MAESTRO_PORT$|MAESTRO_TMP$|LOCAL_DIR$|MAESTRO_UPLOAD_TYPE$|.*_DISABLED$)/,
					owner,
				);
});

test("no ConfigMap holds a variable that differs from process to process", () => {
	for (const map of listObjects(ha, "ConfigMap"))
		for (const key of Object.keys(map.data ?? {}))
			assert.doesNotMatch(key, /^[A-Z_]+$/, map.metadata.name);
});

test("a worker's command sets its concurrency and never the state file of upstream's image", () => {
	for (const name of processNames.filter((one) => one.endsWith("-worker"))) {
		const pod = loadPod(loadObject(ha, "Deployment", name));
		const command = loadContainer(pod).command ?? [];
		assert.deepEqual(command.slice(0, 4), [
			"celery",
			"-A",
			"app.celery",
			"worker",
		]);
		assert.ok(command.includes("--concurrency=4"), name);
		assert.ok(!command.includes("-S"), name);
		assert.equal(
			command.includes("--max-tasks-per-child=2"),
			name === "analytics-worker",
		);
	}
});

test("processes that are no workers run their image's own command", () => {
	for (const name of processNames.filter((one) => !one.endsWith("-worker"))) {
		const pod = loadPod(loadObject(ha, "Deployment", name));
		assert.equal(loadContainer(pod).command, undefined, name);
	}
});
