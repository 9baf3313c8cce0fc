// One order as its trace shows it: from the caller's part through the queue to each resource.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseConfig } from "../../src/config.ts";
import type { EngineHooks } from "../../src/domain/engine.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { Failure } from "../../src/failure.ts";
import { openTracing } from "../../src/tracing/open.ts";
import { type Door, openDoor } from "../http/door.ts";
import { attempt } from "../support/attempt.ts";
import { type CollectedSpan, startCollector } from "../support/collector.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import { silentLog } from "../support/given.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const callerSpan = "00f067aa0ba902b7";

/** What a collector has after the work. */
async function collect(
	work: () => Promise<unknown>,
	share = 1,
): Promise<readonly CollectedSpan[]> {
	const collector = await startCollector();
	try {
		const tracing = await openTracing(
			{ endpoint: collector.endpoint, serviceName: "tested", share },
			{ version: "1.2.3", instance: "host/1", log: silentLog },
		);
		try {
			await work();
		} finally {
			await tracing.close();
		}
		return collector.spans;
	} finally {
		await collector.close();
	}
}

let named = 0;

async function order(headers: Record<string, string>): Promise<OperationId> {
	const { id } = await door.operator.client.createEnvironment(
		{ body: { name: `traced-${++named}` } },
		{ headers },
	);
	return id as OperationId;
}

const sampled = { traceparent: `00-${traceId}-${callerSpan}-01` };

/** Makes one object and fails at the other. */
async function takeSteps({ onStep }: EngineHooks): Promise<undefined> {
	const now = Date.now();
	const times = { startedAt: now, endedAt: now + 5 };
	onStep?.({
		...times,
		change: "create",
		kind: "v1/Secret",
		name: "secrets",
		state: "succeeded",
	});
	onStep?.({
		...times,
		change: "create",
		kind: "apps/v1/Deployment",
		name: "server",
		state: "failed",
	});
	return undefined;
}

test("the parts of an order hang together, from its caller to each resource", async () => {
	const spans = await collect(async () => {
		const id = await order(sampled);
		assert.equal(
			await attempt(
				door.installation,
				makeScriptedWorld({ up: takeSteps }),
				id,
			),
			"final",
		);
	});
	assert.deepEqual([...new Set(spans.map((span) => span.traceId))], [traceId]);
	const find = (name: string): CollectedSpan => {
		const [span, ...more] = spans.filter((one) => one.name === name);
		assert.ok(span && more.length === 0, name);
		return span;
	};
	const request = find("createEnvironment");
	assert.equal(request.parentSpanId, callerSpan);
	assert.equal(request.kind, 2);
	assert.equal(request.attributes["http.response.status_code"], 202);
	assert.equal(request.resource["service.name"], "tested");
	assert.equal(request.resource["service.version"], "1.2.3");

	assert.equal(find("wait create").parentSpanId, request.spanId);
	const work = find("attempt create");
	assert.equal(work.parentSpanId, request.spanId);
	assert.equal(work.kind, 5);
	assert.equal(work.attributes["impresario.end"], "succeeded");
	assert.ok(!work.isFailed);
	const phases = ["preparing", "applying", "waiting", "verifying", "finishing"];
	for (const phase of phases)
		assert.equal(find(`phase ${phase}`).parentSpanId, work.spanId, phase);
	const applying = find("phase applying");
	const secret = find("create v1/Secret");
	const server = find("create apps/v1/Deployment");
	assert.equal(secret.parentSpanId, applying.spanId);
	assert.equal(server.parentSpanId, applying.spanId);
	assert.equal(server.attributes["impresario.resource.name"], "server");
	assert.deepEqual([secret.isFailed, server.isFailed], [false, true]);
	assert.equal(secret.endMs - secret.startMs, 5);

	const ids = new Set(spans.map(({ spanId }) => spanId));
	assert.equal(ids.size, spans.length, "no id is used twice");
	assert.ok(spans.every(({ startMs, endMs }) => endMs >= startMs));
	assert.equal(spans.length, 5 + phases.length);
});

test("the answer and the log name the same parts, and the queue's message is the id alone", async () => {
	let traceparent: string | null = "";
	let id = "";
	const spans = await collect(async () => {
		const { headers } = await door.viewer.client
			.listEnvironments({}, { headers: sampled })
			.withResponse();
		traceparent = headers.get("traceparent");
		id = await order(sampled);
	});
	const list = spans.find(({ name }) => name === "listEnvironments");
	assert.equal(traceparent, `00-${traceId}-${list?.spanId}-01`);
	const line = door.log.find(({ fields }) => fields.spanId === list?.spanId);
	assert.equal(line?.fields.traceId, traceId);
	assert.equal(door.installation.sent.at(-1), id);
});

test("a failed phase, its attempt and a request that we failed are marked, without what was said", async () => {
	const spans = await collect(async () => {
		const id = await order(sampled);
		const world = makeScriptedWorld({
			ready: async () => {
				throw new Failure({
					code: "workload_stuck",
					message: "planted in a message",
				});
			},
		});
		await attempt(door.installation, world, id);
	});
	const failed = spans.filter(({ isFailed }) => isFailed);
	assert.deepEqual(failed.map(({ name }) => name).sort(), [
		"attempt create",
		"phase waiting",
	]);
	assert.ok(!JSON.stringify(spans).includes("planted"));
});

test("what follows from a failure by itself is in the same trace", async () => {
	await collect(async () => {
		const id = await order(sampled);
		await attempt(door.installation, makeScriptedWorld(), id);
		const { environment_id: environment } = await door.db
			.selectFrom("operations")
			.select("environment_id")
			.where("id", "=", id)
			.executeTakeFirstOrThrow();
		const { data, status } = await door.operator.client
			.upgradeEnvironment(
				{
					id: environment,
					body: { parameters: { theme: "dark" }, backup: "skip" },
				},
				{ headers: sampled },
			)
			.withResponse();
		assert.equal(status, 202);
		assert.ok("id" in data);
		const world = makeScriptedWorld({
			up: async () => {
				throw new Failure({ code: "engine_failed", message: "No." });
			},
		});
		const upgradeId = data.id as OperationId;
		await attempt(door.installation, world, upgradeId);
		const rollback = await door.db
			.selectFrom("operations")
			.select(["kind", "traceparent"])
			.where("caused_by", "=", upgradeId)
			.executeTakeFirstOrThrow();
		assert.equal(rollback.kind, "rollback");
		assert.ok(
			rollback.traceparent?.includes(traceId),
			`${rollback.traceparent}`,
		);
	});
});

test("who does not want his trace recorded is obeyed", async () => {
	const spans = await collect(async () => {
		const id = await order({ traceparent: `00-${traceId}-${callerSpan}-00` });
		const world = makeScriptedWorld({
			up: async ({ onStep }) => {
				assert.equal(onStep, undefined);
				return undefined;
			},
		});
		assert.equal(await attempt(door.installation, world, id), "final");
	});
	assert.deepEqual(spans, []);
});

test("of the traces that begin here the share is recorded that was set", async () => {
	const list = () => door.viewer.client.listEnvironments();
	assert.equal((await collect(list, 0)).length, 0);
	const [whole] = await collect(list, 1);
	assert.equal(whole?.name, "listEnvironments");
	assert.equal(whole.parentSpanId, undefined);
});

test("a collector that is away is told of once and keeps nobody waiting", async () => {
	const warned: string[] = [];
	const tracing = await openTracing(
		// Port 1 is nobody's.
		{ endpoint: "http://127.0.0.1:1", serviceName: "tested", share: 1 },
		{
			version: "1.2.3",
			instance: "host/1",
			log: { warn: (_: object, text?: string) => warned.push(text ?? "") },
		},
	);
	for (let i = 0; i < 3; i++)
		assert.equal((await door.as().checkAlive()).status, "alive");
	await tracing.close();
	assert.deepEqual(warned, ["spans could not be sent"]);
});

test("an endpoint that is none, or has a password in it, is refused at the start", () => {
	const read = (endpoint: string) =>
		parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).tracing.endpoint;
	assert.equal(read("http://collector:4318"), "http://collector:4318");
	assert.equal(parseConfig({}).tracing.endpoint, undefined);
	for (const endpoint of ["collector:4318", "grpc://c", "http://u:planted@c"])
		assert.throws(
			() => read(endpoint),
			(error) =>
				error instanceof Failure &&
				error.code === "not_set_up" &&
				!error.message.includes("planted"),
		);
});
