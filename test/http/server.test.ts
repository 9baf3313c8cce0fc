import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { connect as connectClient } from "../../client/client.ts";
import { problem } from "../../src/contract/problem.ts";
import { parseTraceparent } from "../../src/domain/trace.ts";
import { Failure } from "../../src/failure.ts";
import { refuseConnection } from "../../src/http/broken.ts";
import { makeServer } from "../../src/http/server.ts";
import { type Db, openDatabase } from "../../src/store/db.ts";
import { answered, refused } from "../support/answers.ts";
import { noReach, silentLog } from "../support/given.ts";
import { makeCaller } from "../support/service.ts";
import { until } from "../support/until.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";
import { openStream } from "./stream-client.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door?.close());

/** What a server cannot be without, in the least form. */
const bare = (db: Db) => ({
	db,
	feed: {
		db,
		subscribe: () => () => {},
		whenMoved: () => () => {},
		close: async () => {},
	},
	reach: noReach,
	pageKey: Buffer.alloc(32),
	log: silentLog,
	version: "0",
});

test("an unknown path is not found", async () => {
	for (const path of [
		"/",
		"/v1",
		"/v1/nothing",
		"/v1/environments/",
		"/V1/environments",
	]) {
		const answer = await door.sendRaw("GET", path, { token: door.admin.token });
		assert.equal(answer.status, 404, path);
		assert.equal(answer.body.code, "not_found");
		assert.equal(answer.body.instance, path);
	}
});

test("a method that a path does not have is refused with those that it has", async () => {
	for (const [method, path, allow] of [
		["PUT", "/v1/environments", "POST, GET, HEAD"],
		["POST", "/v1/environments/x", "GET, HEAD, PATCH, DELETE"],
		["DELETE", "/v1/releases/0.6.0", "GET, HEAD"],
		["OPTIONS", "/healthz", "GET, HEAD"],
	] as const) {
		const answer = await door.sendRaw(method, path, {
			token: door.admin.token,
		});
		assert.equal(answer.status, 405, path);
		assert.equal(answer.body.code, "method_not_allowed");
		assert.equal(answer.headers.get("allow"), allow);
	}
});

test("what cannot be had in a form that the caller takes is not acceptable", async () => {
	for (const [path, accept, status] of [
		["/healthz", "text/html", 406],
		["/v1/environments", "application/xml, text/*;q=0.5", 406],
		["/v1/environments", "application/json;q=0", 406],
		["/v1/environments", "application/*", 200],
		["/v1/environments", "text/html, */*;q=0.1", 200],
	] as const) {
		const answer = await door.sendRaw("GET", path, {
			token: door.admin.token,
			headers: { accept },
		});
		assert.equal(answer.status, status, accept);
		if (status !== 406) continue;
		assert.equal(answer.body.code, "not_acceptable");
		assert.match(String(answer.body.detail), /application\/json/);
	}
});

test("every answer has a request id: the caller's, if it is a sensible one", async () => {
	const own = await door.sendRaw("GET", "/healthz", {
		headers: { "x-request-id": "build-17.2" },
	});
	assert.equal(own.headers.get("x-request-id"), "build-17.2");
	const foul = await door.sendRaw("GET", "/v1/nothing", {
		headers: { "x-request-id": "<script>" },
	});
	assert.match(foul.headers.get("x-request-id") ?? "", /^req_[0-9a-z]{20}$/);
	assert.equal(foul.body.requestId, foul.headers.get("x-request-id"));
});

test("a trace is taken up, told in the answer, and in the log", async () => {
	const traceId = "0af7651916cd43dd8448eb211c80319c";
	const own = await door.sendRaw("GET", "/healthz", {
		headers: {
			traceparent: `00-${traceId}-b7ad6b7169203331-01`,
			"x-request-id": "traced",
		},
	});
	const told = parseTraceparent(own.headers.get("traceparent") ?? "");
	assert.equal(told?.traceId, traceId);
	assert.equal(told.isSampled, true);
	const { fields } = await until("it is logged", () =>
		door.log.find((line) => line.fields.requestId === "traced"),
	);
	assert.equal(fields.traceId, traceId);
	assert.equal(fields.spanId, told.spanId);
	assert.equal(fields.parentId, "b7ad6b7169203331");
});

test("a trace that is none is left aside, and one begins", async () => {
	const { status, headers } = await door.sendRaw("GET", "/healthz", {
		headers: { traceparent: "00-nonsense" },
	});
	assert.equal(status, 200);
	assert.ok(parseTraceparent(headers.get("traceparent") ?? ""));
});

test("the version is told to whoever asks", async () => {
	const answer = await door.sendRaw("GET", "/version");
	assert.deepEqual(answer.body, { name: "impresario", version: "1.2.3" });
});

test("a request is logged with who and how long, and without its token and query", async () => {
	await door.sendRaw("GET", "/v1/environments?name=hidden-name", {
		token: door.viewer.token,
		headers: { "x-request-id": "logged" },
	});
	const line = await until("it is logged", () =>
		door.log.find(({ fields }) => fields.requestId === "logged"),
	);
	assert.equal(line.level, "info");
	assert.equal(line.fields.status, 200);
	assert.equal(line.fields.path, "/v1/environments");
	assert.equal(line.fields.actor, door.viewer.actor.token);
	assert.equal(typeof line.fields.durationMs, "number");
	const all = JSON.stringify(door.log);
	assert.ok(!all.includes(door.viewer.token));
	assert.ok(!all.includes("hidden-name"));
});

test("a client that sends its request drop by drop is told that it is too slow, and let go", async () => {
	// A door of its own: on a busy machine its limits are short for anybody.
	const own = await openDoor({
		limits: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkEveryMs: 50 },
	});
	try {
		for (const start of [
			"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
			`POST /v1/environments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.operator.token}\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{`,
			`POST /v1/environments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.operator.token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9999\r\n{`,
		]) {
			const told = readRawProblem(await dripUntilClosed(own.port, start));
			assert.equal(told.status, 408, start);
			assert.equal(told.code, "request_timeout");
		}
		await until("others are served", async () => {
			const answer = await own
				.as()
				.checkAlive()
				.catch(() => undefined);
			return answer?.status === "alive";
		});
	} finally {
		await own.close();
	}
});

/** Sends a beginning, and then drop after drop until the server has had enough. */
async function dripUntilClosed(port: number, start: string): Promise<string> {
	const socket = connect(port, "127.0.0.1");
	let answer = "";
	// What is sent into a connection that is closed already is of no interest.
	socket.on("error", () => {});
	socket.on("data", (chunk) => {
		answer += chunk;
	});
	const closed = once(socket, "close");
	socket.write(start);
	const drip = setInterval(() => socket.write("0"), 20);
	await closed.finally(() => clearInterval(drip));
	return answer;
}

test("more headers than are read are refused, and none of them is left out in silence", async () => {
	const many = Object.fromEntries(
		Array.from({ length: 150 }, (_, index) => [`x-many-${index}`, "1"]),
	);
	const answer = await door.sendRaw("GET", "/v1/environments", {
		headers: many,
		token: door.viewer.token,
	});
	assert.equal(answer.status, 431);
	assert.equal(answer.body.code, "header_fields_too_large");
	const few = Object.fromEntries(Object.entries(many).slice(0, 60));
	const other = await door.sendRaw("GET", "/v1/environments", {
		headers: few,
		token: door.viewer.token,
	});
	assert.equal(other.status, 200, other.text);
});

test("what goes wrong in telling what went wrong shows nothing of the inside", async () => {
	const server = makeServer({
		...bare(door.db),
		log: {
			info() {},
			warn() {},
			error() {
				throw new Error("the log is full");
			},
		},
		verbs: door.installation,
		onDenied: () => {
			throw new Error("planted-inside");
		},
		verifier: {
			verify: () => {
				throw new Error("planted-verifier");
			},
		},
	});
	const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
	try {
		const url = `http://127.0.0.1:${port}`;
		const client = connectClient({ url, token: "a.b.c", attempts: 1 });
		const told = await refused(client.listEnvironments());
		assert.equal(told.status, 500);
		assert.equal(told.code, "internal");
		const text = JSON.stringify(problem.parse(told.document));
		assert.doesNotMatch(text, /planted|\bat |node_modules|\.ts|log is full/);
	} finally {
		await server.close();
	}
});

/** What was answered on a socket, which has to be a problem. */
function readRawProblem(answer: string) {
	const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
	assert.match(head, /^content-type: application\/problem\+json/im);
	assert.match(head, /^connection: close/im);
	const told = problem.parse(JSON.parse(body));
	assert.equal(/^x-request-id: (.*)$/im.exec(head)?.[1], told.requestId);
	assert.ok(head.startsWith(`HTTP/1.1 ${told.status} `));
	return told;
}

async function sendBytes(text: string) {
	const socket = connect(door.port, "127.0.0.1");
	let answer = "";
	socket.on("data", (chunk) => {
		answer += chunk;
	});
	socket.write(text);
	await once(socket, "close");
	return readRawProblem(answer);
}

for (const [what, text, status, code] of [
	["what is no HTTP", "EHLO mail.example.com\r\n\r\n", 400, "invalid_request"],
	[
		"a method that HTTP does not have",
		"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
		400,
		"invalid_request",
	],
	[
		"a length that is none",
		"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
		400,
		"invalid_request",
	],
	[
		"a request for a tunnel",
		"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
		400,
		"invalid_request",
	],
	[
		"a request without a host",
		"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
		400,
		"invalid_request",
	],
	[
		"headers that are too large",
		`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${"a".repeat(20_000)}\r\n\r\n`,
		431,
		"header_fields_too_large",
	],
] as const) {
	test(`${what} is answered with a problem`, async () => {
		const told = await sendBytes(text);
		assert.equal(told.status, status);
		assert.equal(told.code, code);
		assert.ok(told.advice);
	});
}

test("who was refused and does not hang up is cut off", async () => {
	const refused = createServer({ allowHalfOpen: true }, (socket) => {
		socket.on("error", () => {});
		refuseConnection(
			{ log: silentLog, publicUrl: undefined },
			new Error("no HTTP"),
			socket,
		);
	});
	refused.listen(0, "127.0.0.1");
	await once(refused, "listening");
	const { port } = refused.address() as AddressInfo;
	const [socket, client] = await Promise.all([
		once(refused, "connection").then(([one]) => one as Socket),
		connect({ port, host: "127.0.0.1", allowHalfOpen: true }),
	]);
	client.resume();
	await once(socket, "close");
	client.destroy();
	refused.close();
});

test("an expectation that nobody knows is left aside", async () => {
	const socket = connect(door.port, "127.0.0.1");
	let answer = "";
	socket.on("data", (chunk) => {
		answer += chunk;
	});
	socket.write(
		"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n",
	);
	await once(socket, "close");
	assert.match(answer, /^HTTP\/1.1 200 /);
});

test("without its database the service is alive, not ready, and says what it lacks", async () => {
	const database = openDatabase({
		// Port 1 is nobody's.
		url: "postgresql://nobody@127.0.0.1:1/nothing",
		maxConnections: 1,
		onError: () => {},
	});
	const server = makeServer({
		...bare(database.db),
		verbs: { ...door.installation, db: database.db },
	});
	const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
	const url = `http://127.0.0.1:${port}`;
	const { client } = makeCaller(() => url, door.viewer.token);
	assert.equal((await client.checkAlive()).status, "alive");
	for (const call of [
		() => client.checkReady(),
		() => client.listEnvironments(),
	]) {
		const { status, headers, body } = await answered(call());
		assert.equal(status, 503);
		assert.ok(Number(headers.get("retry-after")) > 0);
		assert.equal(body.code, "unavailable");
		assert.equal(body.retryable, true);
		assert.match(String(body.detail), /database/);
		assert.doesNotMatch(JSON.stringify(body), /ECONNREFUSED|127\.0\.0\.1/);
	}
	await server.close();
	await database.close();
});

test("a mistake of ours is logged whole and told as nothing more than that", async () => {
	const { environment } = await givenEnvironment(door);
	const { operation } = await givenEnvironment(door);
	await door.db
		.updateTable("operations")
		.set({ phases: JSON.stringify([{ name: "secret stuff" }]) })
		.where("id", "=", operation.id)
		.execute();
	const answer = await door.sendRaw("GET", `/v1/operations/${operation.id}`, {
		token: door.viewer.token,
		headers: { "x-request-id": "broken" },
	});
	assert.equal(answer.status, 500);
	assert.equal(answer.body.code, "internal");
	assert.doesNotMatch(answer.text, /secret stuff|schema|zod/i);
	const line = door.log.find(
		({ level, fields }) => level === "error" && fields.requestId === "broken",
	);
	assert.ok(line?.fields.err instanceof Error);
	assert.ok(line.fields.err.cause);
	const other = await door.sendRaw(
		"GET",
		`/v1/environments/${environment.id}`,
		{
			token: door.viewer.token,
		},
	);
	assert.equal(other.status, 200);
});

test("an address that is taken is refused with a reason", async () => {
	const server = makeServer({
		...bare(door.db),
		verbs: door.installation,
	});
	await assert.rejects(
		server.listen({ host: "127.0.0.1", port: door.port }),
		(error) =>
			error instanceof Failure &&
			error.code === "not_set_up" &&
			error.message.includes(String(door.port)),
	);
});

test("closing ends streams without an end, answers what is on its way, and takes no more", async () => {
	const own = await openDoor();
	try {
		const { environment } = await givenEnvironment(own);
		const authorization = `Bearer ${own.viewer.token}`;
		const reader = await openStream(
			`${own.url}/v1/environments/${environment.id}/events`,
			{ authorization },
		);
		await until("the stream runs", () => reader.ids().length === 1);

		const late = connect(own.port, "127.0.0.1");
		let answer = "";
		late.on("data", (chunk) => {
			answer += chunk;
		});
		const body = '{"name":"late"}';
		late.write(
			`POST /v1/environments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.operator.token}\r\nContent-Type: application/json\r\nIdempotency-Key: "late"\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
		);
		await until("the request began", () => answer.includes("100 Continue"));
		const closed = own.closeServer();
		await until("the stream is over", () => reader.isOver());
		assert.notEqual(reader.messages.at(-1)?.event, "end");
		late.write(body);
		await closed;
		// The server's end can be seen before the caller has read its answer.
		await until("it is answered", () => answer.includes("HTTP/1.1 202 "));
		// Nobody is there: it is no problem that is thrown.
		await assert.rejects(own.as().checkAlive(), TypeError);
	} finally {
		await own.close();
	}
});

test("a process that is told to stop says that it is not ready, serves as before for a while, and then sends its readers elsewhere", async () => {
	const own = await openDoor();
	try {
		const { environment } = await givenEnvironment(own);
		const reader = await openStream(
			`${own.url}/v1/environments/${environment.id}/events`,
			{ authorization: `Bearer ${own.viewer.token}` },
		);
		await until("the stream runs", () => reader.ids().length === 1);
		own.drain();

		const ready = await own.sendRaw("GET", "/readyz");
		assert.equal(ready.status, 503);
		assert.deepEqual(readPointers(ready), ["/draining"]);
		const list = await own.sendRaw("GET", "/v1/environments", {
			token: own.viewer.token,
		});
		assert.equal(list.status, 200);
		// Whoever keeps connections opens the next one elsewhere.
		assert.equal(list.headers.get("connection"), "close");
		assert.equal(reader.isOver(), false);

		const closed = own.closeServer();
		await until("the stream is over", () => reader.isOver());
		const { retry = "" } = reader.messages.at(-1) ?? {};
		assert.ok(Number(retry) > 0 && Number(retry) <= 5_000, retry);
		assert.ok(reader.messages.every(({ event }) => event !== "end"));
		await closed;
		// Nobody is there: it is no problem that is thrown.
		await assert.rejects(own.as().checkAlive(), TypeError);
	} finally {
		await own.close();
	}
});

test("closing does not wait for ever for a request that does not end", async () => {
	const own = await openDoor({ limits: { closeWithinMs: 100 } });
	const socket = connect(own.port, "127.0.0.1");
	socket.on("error", () => {});
	socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n");
	await once(socket, "connect");
	await own.close();
	await until("the connection is cut", () => socket.destroyed);
});
