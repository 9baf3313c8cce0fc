// The script of the verification Job, run for real against servers that answer as Maestro's processes do.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http, { type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { verifyScript } from "../../src/cluster/verify-script.ts";
import type { VersionCheck } from "../../src/domain/blueprint.ts";
import type { CheckResult } from "../../src/domain/cluster.ts";

let dir: string;
const servers: http.Server[] = [];
before(() => {
	dir = mkdtempSync(join(tmpdir(), "impresario-verify-"));
});
after(() => {
	for (const server of servers) {
		server.close();
		server.closeAllConnections();
	}
	rmSync(dir, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<string> {
	const server = http.createServer(listener);
	servers.push(server);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const serveText = (body: string, status = 200) =>
	serve((_request, response) => {
		response.writeHead(status);
		response.end(body);
	});

interface Run {
	readonly exitCode: number;
	readonly results: CheckResult[];
	readonly bytes: number;
	readonly ms: number;
}

let runs = 0;
async function run(checks: readonly VersionCheck[]): Promise<Run> {
	runs += 1;
	const log = join(dir, `termination-log-${runs}`);
	const since = performance.now();
	const exitCode = await new Promise<number>((fulfil) => {
		const env = { CHECKS: JSON.stringify(checks), TERMINATION_LOG: log };
		execFile(process.execPath, ["-e", verifyScript], { env }, (error) => {
			fulfil(typeof error?.code === "number" ? error.code : 0);
		});
	});
	const ms = performance.now() - since;
	const raw = readFileSync(log);
	return {
		exitCode,
		results: JSON.parse(raw.toString()),
		bytes: raw.length,
		ms,
	};
}

const check = (url: string, version: string | null, process = "server") => ({
	process,
	url,
	version,
});

// maestro.md §3.1 and §3.3: a Node process names itself `app`, a Flask one `name`.
const serverAnswer =
	'{"app":"server-app","description":"Server app - Maestro","version":"0.6.1","api_timeout":10000}';
const flaskAnswer =
	'{"name":"discovery-maestro","description":"Flask, discovery services","version":"0.6.0","license":"ISC"}';

test("endpoints that answer as promised pass, in the order of the checks", async () => {
	const { exitCode, results } = await run([
		check(await serveText(serverAnswer), "0.6.1", "server"),
		check(await serveText(flaskAnswer), "0.6.0", "discovery"),
	]);
	assert.equal(exitCode, 0);
	assert.deepEqual(results, [
		{ process: "server", version: "0.6.1", error: null },
		{ process: "discovery", version: "0.6.0", error: null },
	]);
});

test("an endpoint without a promise needs only to answer, be it HTML", async () => {
	const { exitCode, results } = await run([
		check(await serveText("<!DOCTYPE html><title>Maestro</title>"), null),
		check(await serveText(serverAnswer), null, "digest"),
	]);
	assert.equal(exitCode, 0);
	assert.deepEqual(results, [
		{ process: "server", version: null, error: null },
		{ process: "digest", version: "0.6.1", error: null },
	]);
});

const closed = async () => {
	const url = await serveText("");
	const server = servers.pop();
	server?.close();
	return url;
};

const failures: readonly (readonly [
	string,
	() => Promise<string>,
	string | null,
	string,
])[] = [
	[
		"another version",
		() => serveText(serverAnswer),
		"0.6.1",
		"answered 0.6.1 instead of 0.7.0",
	],
	["a closed port", closed, null, "connection refused"],
	[
		"a name that nobody has",
		async () => "http://no-such-host.invalid:8888/",
		null,
		"",
	],
	["garbage", () => serveText("{{{{"), null, "answered without a version"],
	[
		"JSON that is no object",
		() => serveText("null"),
		null,
		"answered without a version",
	],
	[
		"a version that is no text",
		() => serveText('{"version":{"major":0}}'),
		null,
		"answered without a version",
	],
	[
		"an error page",
		() => serveText(serverAnswer, 503),
		null,
		"answered with status 503",
	],
	[
		"an answer that never ends",
		() =>
			serve((_request, response) => {
				const flood = () => response.write("x".repeat(1 << 16), flood);
				response.on("error", () => undefined);
				flood();
			}),
		null,
		"the answer is too long",
	],
	[
		"an answer that is cut off",
		() =>
			serve((_request, response) => {
				response.writeHead(200, { "content-length": "100" });
				response.write('{"version":');
				setImmediate(() => response.destroy());
			}),
		null,
		"the answer was cut off",
	],
	["no address", async () => "not a url", null, ""],
];
for (const [what, start, version, error] of failures) {
	test(`an endpoint that gives ${what} fails`, async () => {
		const { exitCode, results } = await run([check(await start(), "0.7.0")]);
		assert.equal(exitCode, 1);
		assert.equal(results.length, 1);
		assert.equal(results[0]?.process, "server");
		assert.equal(results[0]?.version, version);
		assert.ok(results[0]?.error);
		if (error !== "") assert.equal(results[0]?.error, error);
	});
}

test("an endpoint that hangs fails after three tries of three seconds, and holds up no other", async () => {
	const hanging = await serve(() => undefined);
	const { exitCode, results, ms } = await run([
		check(hanging, "0.6.1", "data"),
		check(await serveText(serverAnswer), "0.6.1", "server"),
	]);
	assert.equal(exitCode, 1);
	assert.deepEqual(results, [
		{ process: "data", version: null, error: "no answer within 3 s" },
		{ process: "server", version: "0.6.1", error: null },
	]);
	assert.ok(ms > 9_000 && ms < 20_000, `${ms} ms`);
});

test("an endpoint that answers at the second try passes", async () => {
	let asked = 0;
	const url = await serve((_request, response) => {
		asked += 1;
		response.writeHead(asked === 1 ? 503 : 200);
		response.end(serverAnswer);
	});
	const { exitCode } = await run([check(url, "0.6.1")]);
	assert.equal(exitCode, 0);
	assert.equal(asked, 2);
});

test("findings fit into a termination message however many fail and whatever they answer", async () => {
	const long = await serveText(
		JSON.stringify({ version: `9.${"9".repeat(500)}` }),
	);
	const checks = Array.from({ length: 24 }, (_, index) =>
		check(long, "0.6.1", `process-${index}`),
	);
	const { exitCode, results, bytes } = await run(checks);
	assert.equal(exitCode, 1);
	assert.equal(results.length, 24);
	assert.ok(bytes <= 4096, `${bytes} bytes`);
	assert.ok(results.every(({ error }) => error !== null));
});

test("nothing to check passes", async () => {
	const { exitCode, results } = await run([]);
	assert.equal(exitCode, 0);
	assert.deepEqual(results, []);
});

test("the script holds nothing that Kubernetes would take for a variable", () => {
	assert.ok(!verifyScript.includes("$"));
});
