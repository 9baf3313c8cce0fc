// The parts of the verification's script that look at MongoDB, RabbitMQ and pages, run for real against sockets.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http, { type RequestListener } from "node:http";
import {
	type AddressInfo,
	createServer,
	type Server,
	type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BSON, type Document } from "mongodb";
import { verifyScript } from "../../src/cluster/verify-script.ts";
import type { Check } from "../../src/domain/blueprint.ts";
import type { CheckResult } from "../../src/domain/cluster.ts";
import { startMongodb } from "../support/mongodb.ts";

let dir: string;
const endings: (() => void)[] = [];
before(() => {
	dir = mkdtempSync(join(tmpdir(), "impresario-verify-"));
});
after(() => {
	for (const end of endings) end();
	rmSync(dir, { recursive: true, force: true });
});

async function listen(server: Server | http.Server): Promise<string> {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Speaks as much of MongoDB's protocol as to answer one OP_QUERY with an OP_REPLY, in two pieces. */
async function serveMember(
	answer: (command: Document) => Document,
): Promise<string> {
	const sockets = new Set<Socket>();
	const server = createServer((socket) => {
		sockets.add(socket);
		socket.on("error", () => undefined);
		let received = Buffer.alloc(0);
		socket.on("data", (chunk) => {
			received = Buffer.concat([received, chunk]);
			if (received.length < 4 || received.length < received.readInt32LE(0))
				return;
			const { command, collection } = readQuery(received);
			assert.equal(collection, "admin.$cmd");
			const reply = composeReply(received.readInt32LE(4), answer(command));
			socket.write(reply.subarray(0, 30));
			setImmediate(() => socket.write(reply.subarray(30)));
		});
	});
	endings.push(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	return listen(server);
}

/** The wire protocol's OP_QUERY: header, flags, collection, two numbers, document. */
function readQuery(message: Buffer) {
	assert.equal(message.readInt32LE(12), 2004);
	const end = message.indexOf(0, 20);
	return {
		collection: message.toString("utf8", 20, end),
		command: BSON.deserialize(message.subarray(end + 9)),
	};
}

function composeReply(to: number, document: Document): Buffer {
	const body = BSON.serialize(document);
	const head = Buffer.alloc(36);
	head.writeInt32LE(36 + body.length, 0);
	head.writeInt32LE(to, 8);
	head.writeInt32LE(1, 12);
	head.writeInt32LE(1, 32);
	return Buffer.concat([head, body]);
}

/** What a member of MongoDB 4.4 answers, its rarer kinds of values included. */
const isMaster = (
	role: "primary" | "secondary" | "none",
	hosts: readonly string[],
	changes: Document = {},
): Document => ({
	topologyVersion: {
		processId: new BSON.ObjectId(),
		counter: BSON.Long.fromNumber(6),
	},
	hosts: [...hosts],
	setName: "maestro",
	setVersion: 3,
	ismaster: role === "primary",
	secondary: role === "secondary",
	me: hosts[0],
	electionId: new BSON.ObjectId(),
	lastWrite: {
		opTime: { ts: new BSON.Timestamp({ t: 1, i: 1 }), t: BSON.Long.ONE },
		lastWriteDate: new Date(),
	},
	localTime: new Date(),
	minWireVersion: 0,
	maxWireVersion: 9,
	readOnly: false,
	ok: 1,
	$clusterTime: {
		clusterTime: new BSON.Timestamp({ t: 1, i: 1 }),
		signature: {
			hash: new BSON.Binary(Buffer.alloc(20)),
			keyId: BSON.Long.ZERO,
		},
	},
	...changes,
});

let runs = 0;
async function run(
	check: Check,
	password = "",
	patienceMs = 1,
): Promise<string | null> {
	runs += 1;
	const log = join(dir, `termination-log-${runs}`);
	const exitCode = await new Promise<number>((fulfil) => {
		const env = {
			CHECKS: JSON.stringify([check]),
			TERMINATION_LOG: log,
			QUEUES_PASSWORD: password,
			PATIENCE_MS: String(patienceMs),
		};
		execFile(process.execPath, ["-e", verifyScript], { env }, (error) => {
			fulfil(typeof error?.code === "number" ? error.code : 0);
		});
	});
	const [result] = JSON.parse(readFileSync(log, "utf8")) as CheckResult[];
	assert.equal(result?.process, check.process);
	assert.equal(exitCode, result?.error === null ? 0 : 1);
	return result?.error ?? null;
}

const ofSet = (hosts: readonly string[]): Check => ({
	kind: "replicaSet",
	process: "mongodb",
	set: "maestro",
	hosts,
	version: null,
});

type Role = Parameters<typeof isMaster>[0];

/** Members in these roles that know of each other. */
async function serveSet(
	roles: readonly Role[],
	changes: readonly Document[] = [],
): Promise<string[]> {
	const hosts: string[] = [];
	for (const [index, role] of roles.entries())
		hosts.push(
			await serveMember((command) => {
				assert.equal(Object.keys(command)[0], "isMaster");
				return isMaster(role, hosts, changes[index]);
			}),
		);
	return hosts;
}

test("a set of three with one primary is as promised", async () => {
	const hosts = await serveSet(["secondary", "primary", "secondary"]);
	assert.equal(await run(ofSet(hosts)), null);
});

test("a set of one is a set", async () => {
	assert.equal(await run(ofSet(await serveSet(["primary"]))), null);
});

test("a member that is away is named, with the count of those that are there", async () => {
	const [first = "", ...rest] = await serveSet(["primary", "secondary"]);
	const closed = createServer();
	const gone = await listen(closed);
	closed.close();
	const error = await run(ofSet([first, ...rest, gone]));
	assert.ok(error?.startsWith("0 of 3 members: "), error ?? "");
	assert.match(error ?? "", new RegExp(`${gone} connection refused`));
	assert.match(error ?? "", /knows 2 of 3 members/);
});

const faults: readonly (readonly [
	string,
	readonly Role[],
	readonly Document[],
	RegExp,
])[] = [
	[
		"a member that still recovers",
		["primary", "secondary", "none"],
		[],
		/^2 of 3 members: \S+ is neither primary nor secondary$/,
	],
	["no primary", ["secondary", "secondary", "secondary"], [], /^0 primaries$/],
	["two primaries", ["primary", "primary", "secondary"], [], /^2 primaries$/],
	[
		"a member of another set",
		["primary", "secondary"],
		[{}, { setName: "other" }],
		/^1 of 2 members: \S+ is in the set other$/,
	],
	[
		"a member of no set",
		["primary", "none"],
		[{}, { setName: undefined, hosts: undefined }],
		/^1 of 2 members: \S+ is in no set$/,
	],
];
for (const [what, roles, changes, expected] of faults) {
	test(`a set with ${what} is not as promised`, async () => {
		const error = await run(ofSet(await serveSet(roles, changes)));
		assert.match(error ?? "", expected);
	});
}

test("an election that ends within the time of patience passes", async () => {
	let asked = 0;
	const hosts: string[] = [];
	hosts.push(
		await serveMember(() => {
			asked += 1;
			return isMaster(asked < 3 ? "secondary" : "primary", hosts);
		}),
	);
	assert.equal(await run(ofSet(hosts), "", 10_000), null);
	assert.equal(asked, 3);
});

test("a server that speaks something else is not MongoDB", async () => {
	const server = createServer((socket) => {
		socket.on("error", () => undefined);
		socket.end(Buffer.from([40, 0, 0, 0, ...Buffer.alloc(36, 99)]));
	});
	endings.push(() => server.close());
	const error = await run(ofSet([await listen(server)]));
	assert.match(error ?? "", /^0 of 1 members: \S+ the answer /);
});

test("a real server without a replica set is understood, and said to be in none", async () => {
	const server = await startMongodb();
	try {
		const host = new URL(server.uri).host;
		assert.equal(
			await run(ofSet([host])),
			`0 of 1 members: ${host} is in no set`,
		);
	} finally {
		await server.stop();
	}
});

async function serveHttp(listener: RequestListener): Promise<string> {
	const server = http.createServer(listener);
	endings.push(() => {
		server.close();
		server.closeAllConnections();
	});
	return `http://${await listen(server)}`;
}

const ofQueues = (url: string): Check => ({
	kind: "queues",
	process: "rabbitmq",
	url: `${url}/api/queues/%2F?columns=name,consumers`,
	queues: ["discovery", "reports"],
	user: "maestro",
	password: { secret: "datastores", key: "RABBITMQ_PASSWORD" },
	version: null,
});
const credentials = `Basic ${Buffer.from("maestro:planted").toString("base64")}`;

const serveManagement = (list: () => unknown) =>
	serveHttp((request, response) => {
		const isKnown = request.headers.authorization === credentials;
		const isList = request.url === "/api/queues/%2F?columns=name,consumers";
		response.writeHead(isKnown ? (isList ? 200 : 404) : 401);
		response.end(isKnown ? JSON.stringify(list()) : "");
	});

test("queues that each have a consumer are as promised, whatever other queues there are", async () => {
	const url = await serveManagement(() => [
		{ name: "discovery", consumers: 2 },
		{ name: "reports", consumers: 1 },
		{ name: "celery@x.celery.pidbox", consumers: 0 },
	]);
	assert.equal(await run(ofQueues(url), "planted"), null);
});

test("a queue without a consumer, and one that is not there, are named", async () => {
	const idle = await serveManagement(() => [
		{ name: "discovery", consumers: 2 },
		{ name: "reports", consumers: 0 },
	]);
	assert.equal(
		await run(ofQueues(idle), "planted"),
		"nobody works on the queue reports",
	);
	const none = await serveManagement(() => []);
	assert.equal(
		await run(ofQueues(none), "planted"),
		"nobody works on the queue discovery, reports",
	);
});

test("consumers that come within the time of patience pass", async () => {
	let asked = 0;
	const url = await serveManagement(() => {
		asked += 1;
		return ["discovery", "reports"].map((name) => ({
			name,
			consumers: asked < 3 ? 0 : 1,
		}));
	});
	assert.equal(await run(ofQueues(url), "planted", 10_000), null);
});

test("a management that refuses the password, or answers with no list, is told of", async () => {
	const url = await serveManagement(() => ({ error: "none" }));
	assert.equal(
		await run(ofQueues(url), "wrong"),
		"the management answered with status 401",
	);
	assert.equal(
		await run(ofQueues(url), "planted"),
		"the management answered with no list of queues",
	);
});

const ofPage = (url: string): Check => ({
	kind: "page",
	process: "client",
	url: `${url}/`,
	version: null,
});

test("a page is one that is HTML and answered as found", async () => {
	const answers: readonly (readonly [number, string, string | null])[] = [
		[200, '<!DOCTYPE html>\n<html lang="en"><title>Maestro</title>', null],
		[200, '{"version":"0.6.0"}', "answered with no page"],
		[404, "<html></html>", "answered with status 404"],
	];
	for (const [status, body, error] of answers) {
		const url = await serveHttp((_request, response) => {
			response.writeHead(status);
			response.end(body);
		});
		assert.equal(await run(ofPage(url)), error);
	}
});
