// One order over three processes, as a collector of traces and a Prometheus see it: with the real engine and API server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { type Collector, startCollector } from "../support/collector.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { parseMetrics } from "../support/metrics.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

let database: TestDatabase;
let collector: Collector;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;
let metricsUrl = "";
before(async () => {
	database = await createTestDatabase();
	collector = await startCollector();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
		variables: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint },
	});
	api = await startRole("api", service.environment);
	const port = await findFreePort();
	metricsUrl = `http://127.0.0.1:${port}/metrics`;
	worker = await startRole("worker", {
		...service.environment,
		METRICS_PORT: String(port),
	});
	tenant = await givenTenant(
		makeCaller(() => api.url, service.adminToken),
		() => api.url,
		"acme",
	);
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await collector?.close();
	await database?.close();
});

async function findFreePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	if (address === null || typeof address === "string")
		throw new Error("no port");
	return address.port;
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const callerSpan = "b7ad6b7169203331";

test("a create is one trace from its caller to each object in the cluster, and its worker counts it", async () => {
	const { id } = await tenant.client.createEnvironment(
		{ body: { name: "traced" } },
		{ headers: { traceparent: `00-${traceId}-${callerSpan}-01` } },
	);
	const events = await tenant.follow(id);
	assert.equal(
		events.at(-1)?.type,
		"operation.succeeded",
		JSON.stringify(events.at(-1)),
	);

	const samples = parseMetrics(await (await fetch(metricsUrl)).text());
	const find = (name: string, labels: Record<string, string>) =>
		samples.find(
			(sample) =>
				sample.name === `impresario_${name}` &&
				Object.entries(labels).every(([key, to]) => sample.labels[key] === to),
		)?.value;
	const ended = { kind: "create", state: "succeeded" };
	assert.equal(find("operations_ended_total", ended), 1);
	const applied = find("phase_duration_seconds_sum", {
		...ended,
		phase: "applying",
	});
	assert.ok(applied !== undefined && applied > 0);

	// What is left is sent at their end.
	assert.equal(await worker.stop(), 0);
	assert.equal(await api.stop(), 0);
	const spans = collector.spans.filter((span) => span.traceId === traceId);
	const byId = new Map(spans.map((span) => [span.spanId, span]));
	const strays = spans.filter(
		({ parentSpanId = "" }) =>
			parentSpanId !== callerSpan && !byId.has(parentSpanId),
	);
	assert.deepEqual(strays, []);
	const processes = new Set(
		spans.map(({ resource }) => resource["service.instance.id"]),
	);
	assert.equal(processes.size, 2);

	const applying = spans.find(({ name }) => name === "phase applying");
	const steps = spans.filter(
		({ parentSpanId }) => parentSpanId === applying?.spanId,
	);
	const created = events.filter(({ type }) => type === "resource.created");
	assert.ok(created.length > 30, `${created.length}`);
	assert.deepEqual(
		steps
			.map(({ attributes }) => attributes["impresario.resource.name"])
			.sort(),
		created.map(({ data }) => (data as { name: string }).name).sort(),
	);
	// A clock of another process measured them: a few milliseconds may be between the two.
	for (const { name, startMs, endMs } of steps) {
		assert.ok(endMs >= startMs, name);
		assert.ok(startMs >= (applying?.startMs ?? 0) - 50, name);
		assert.ok(endMs <= (applying?.endMs ?? 0) + 50, name);
	}
	for (const role of [api, worker])
		assert.ok(!role.output().includes("could not be sent"));
});
