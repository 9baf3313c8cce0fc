// `/metrics` of the API: what it tells, to whom, and that there is never more of it than there are names in the source.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { api } from "../../src/contract/api.ts";
import {
	operationKinds,
	operationStates,
	phaseNames,
} from "../../src/domain/operation.ts";
import { Failure, failureCodes } from "../../src/failure.ts";
import { openMetricsServer } from "../../src/http/metrics.ts";
import { collectProcess } from "../../src/metrics.ts";
import { openDatabase } from "../../src/store/db.ts";
import { answered } from "../support/answers.ts";
import { attempt } from "../support/attempt.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import { countRise, parseMetrics, readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";
import {
	type Door,
	givenEnvironment,
	openDoor,
	openDoorBeside,
} from "./door.ts";
import { openStream } from "./stream-client.ts";

let door: Door;
before(async () => {
	collectProcess("1.2.3");
	door = await openDoor();
});
after(() => door.close());

const requestsOf = (
	labels: Record<string, string>,
	work: () => Promise<unknown>,
) => countRise("impresario_http_requests_total", labels, work);

test("it is told to whoever asks, in the text format of Prometheus, and only read", async () => {
	const answer = await door.sendRaw("GET", "/metrics");
	assert.equal(answer.status, 200);
	assert.equal(
		answer.headers.get("content-type"),
		"text/plain; version=0.0.4; charset=utf-8",
	);
	const names = new Set(parseMetrics(answer.text).map(({ name }) => name));
	for (const name of [
		"impresario_build_info",
		"impresario_queue_depth",
		"nodejs_eventloop_lag_seconds",
		"process_resident_memory_bytes",
	])
		assert.ok(names.has(name), name);
	const refused = await door.sendRaw("POST", "/metrics");
	assert.equal(refused.status, 405);
	assert.equal(refused.headers.get("allow"), "GET, HEAD");
});

test("a request is counted under its endpoint's name, with the class of its status and how long it took", async () => {
	const labels = { route: "findEnvironment", method: "GET", status: "4xx" };
	const timed = { route: "findEnvironment", method: "GET" };
	const ask = () =>
		answered(door.viewer.client.findEnvironment({ id: "env_nowhere" }));
	assert.equal(await requestsOf(labels, ask), 1);
	assert.equal(
		await countRise(
			"impresario_http_request_duration_seconds_count",
			timed,
			ask,
		),
		1,
	);
	assert.equal(
		await countRise(
			"impresario_http_problems_total",
			{ code: "not_found" },
			ask,
		),
		1,
	);
});

test("paths that nobody knows are one route, and methods that nobody uses one method", async () => {
	const unknown = { route: "unknown", status: "4xx" };
	const askAll = async () => {
		for (const path of ["/a", "/b/c", "/V1/environments", "/%00", "/v1/%ff"])
			await door.sendRaw("GET", path);
		for (const method of ["PROPFIND", "M-SEARCH", "SUBSCRIBE"]) {
			const socket = connect(door.port, "127.0.0.1");
			socket.end(
				`${method} /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
			);
			socket.resume();
			await once(socket, "close");
		}
	};
	assert.equal(await requestsOf(unknown, askAll), 8);
	assert.equal(await requestsOf({ ...unknown, method: "other" }, askAll), 3);
});

test("what never becomes a request is counted with what it was refused for", async () => {
	const send = async () => {
		const socket = connect(door.port, "127.0.0.1");
		socket.end("this is no HTTP\r\n\r\n");
		socket.resume();
		await once(socket, "close");
	};
	const unknown = { route: "unknown", method: "other", status: "4xx" };
	assert.equal(await requestsOf(unknown, send), 1);
	assert.equal(
		await countRise(
			"impresario_http_problems_total",
			{ code: "invalid_request" },
			send,
		),
		1,
	);
});

test("a stream is counted while it is open, and its length is no duration of a request", async () => {
	const { operation } = await givenEnvironment(door);
	const timed = { route: "listOperationEvents" };
	const durations = await countRise(
		"impresario_http_request_duration_seconds_count",
		timed,
		async () => {
			const ended = await requestsOf(timed, async () => {
				const stream = await openStream(
					`${door.url}/v1/operations/${operation.id}/events`,
					{ authorization: `Bearer ${door.viewer.token}` },
				);
				assert.equal(await readMetric("impresario_http_streams_open"), 1);
				stream.leave();
				await until(
					"it is gone",
					async () => (await readMetric("impresario_http_streams_open")) === 0,
				);
			});
			assert.equal(ended, 1);
		},
	);
	assert.equal(durations, 0);
});

test("a request that waits for news is counted, and its wait is no duration", async () => {
	const { operation } = await givenEnvironment(door);
	const ask = () =>
		answered(
			door.viewer.client.findOperation({ id: operation.id, wait: "1s" }),
		);
	const counted = { route: "findOperation", status: "2xx" };
	const timed = { route: "findOperation" };
	let durations = -1;
	const requests = await requestsOf(counted, async () => {
		durations = await countRise(
			"impresario_http_request_duration_seconds_count",
			timed,
			ask,
		);
	});
	assert.deepEqual([requests, durations], [1, 0]);
});

test("the queue is told as it is in the database, by any process, which is not asked more often than it should be", async () => {
	const own = await openDoor();
	try {
		await givenEnvironment(own);
		await own.db
			.updateTable("operations")
			.set({ created_at: new Date(Date.now() - 90_000) })
			.execute();
		const read = async (asked: Door) => {
			const { text } = await asked.sendRaw("GET", "/metrics");
			const all = parseMetrics(text);
			return (name: string) =>
				all.find((sample) => sample.name === `impresario_${name}`)?.value;
		};
		const first = await read(own);
		assert.equal(first("database_up"), 1);
		assert.equal(first("queue_depth"), 1);
		const age = first("queue_oldest_seconds") ?? 0;
		assert.ok(age > 80 && age < 200, `${age}`);
		assert.equal(first("operations_open"), 1);
		assert.equal(first("webhook_backlog"), 0);

		await givenEnvironment(own);
		assert.equal((await read(own))("queue_depth"), 1, "it was asked again");
		const beside = await openDoorBeside(own);
		assert.equal((await read(beside))("queue_depth"), 2);
		await beside.close();
	} finally {
		await own.close();
	}
});

test("without the database the process still tells of itself, and of the service nothing", async () => {
	const database = openDatabase({
		// Port 1 is nobody's.
		url: "postgresql://nobody@127.0.0.1:1/nothing",
		maxConnections: 1,
		onError: () => {},
	});
	const server = await openMetricsServer({
		db: database.db,
		host: "127.0.0.1",
		port: 0,
	});
	try {
		const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
		assert.equal(response.status, 200);
		const all = parseMetrics(await response.text());
		const find = (name: string) => all.find((sample) => sample.name === name);
		assert.equal(find("impresario_database_up")?.value, 0);
		assert.equal(find("impresario_queue_depth"), undefined);
		assert.equal(find("impresario_operations_open"), undefined);
		assert.ok(find("process_cpu_seconds_total"));
	} finally {
		await server.close();
		await database.close();
	}
});

test("on a port of its own it is there and nowhere else", async () => {
	const server = await openMetricsServer({
		db: door.db,
		host: "127.0.0.1",
		port: 0,
	});
	const beside = await openDoorBeside(door, { servesMetrics: false });
	try {
		const ask = (path: string) =>
			fetch(`http://127.0.0.1:${server.port}${path}`);
		assert.equal((await ask("/metrics?x=1")).status, 200);
		assert.equal((await ask("/v1/environments")).status, 404);
		assert.equal((await beside.sendRaw("GET", "/metrics")).status, 404);
		await assert.rejects(
			openMetricsServer({ db: door.db, host: "127.0.0.1", port: server.port }),
			(error) => error instanceof Failure && error.code === "not_set_up",
		);
	} finally {
		await server.close();
		await beside.close();
	}
});

/** Every label, with all that it may say. */
const allowed: Readonly<Record<string, readonly string[] | RegExp>> = {
	route: [...api.map(({ name }) => name), "readMetrics", "unknown"],
	method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"],
	status: /^[1-5]xx$/,
	code: failureCodes,
	kind: [
		...operationKinds,
		// Of Node's collections of garbage.
		...["major", "minor", "incremental", "weakcb"],
	],
	state: operationStates,
	phase: phaseNames,
	end: ["final", "postponed", "lost"],
	reason: ["died", "not_started", "runs", "memory", "untrusted"],
	outcome: ["delivered", "failed"],
	le: /^(\d+(\.\d+)?|\+Inf)$/,
	// Node's and the process's own.
	version: /^v?\d+\.\d+\.\d+$/,
	node: /^v\d+\.\d+\.\d+$/,
	major: /^\d+$/,
	minor: /^\d+$/,
	patch: /^\d+$/,
	space: /^[a-z_]+$/,
	type: /^[A-Za-z]+$/,
};

test("no label says anything that is not on a list of its own", async () => {
	for (const { endpoint } of api.map((one) => ({ endpoint: one })))
		await door.sendRaw(
			endpoint.method,
			endpoint.path.replace(/\{\w+\}/, "thing-of-a-caller"),
			{ token: door.operator.token, body: endpoint.body && {} },
		);
	const { operation } = await givenEnvironment(door);
	await attempt(door.installation, makeScriptedWorld(), operation.id);
	const { text } = await door.sendRaw("GET", "/metrics");
	const samples = parseMetrics(text);
	const wrong = samples.flatMap(({ name, labels }) =>
		Object.entries(labels).flatMap(([label, value]) => {
			const known = allowed[label];
			const isKnown =
				known instanceof RegExp ? known.test(value) : known?.includes(value);
			return isKnown ? [] : [`${name} ${label}=${value}`];
		}),
	);
	assert.deepEqual(wrong, []);
	assert.ok(
		samples.some(
			({ name }) => name === "impresario_phase_duration_seconds_sum",
		),
	);
	assert.ok(!text.includes("thing-of-a-caller"));
	assert.ok(!text.includes(operation.id));
});
