// The gates in front of public processes. The script of the sign-up's gate runs for real, before a real Express.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import express from "express";
import { gateScript } from "../../programs/maestro/gate-script.ts";
import { indexConfiguration } from "../../programs/maestro/gates.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { until } from "../support/until.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listPlainVariables,
	loadObject,
	loadPod,
} from "./declared.ts";

async function findFreePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

describe("the sign-up's gate", () => {
	const reached: string[] = [];
	let gate: ReturnType<typeof spawn>;
	let port = 0;
	let stop = (): unknown => undefined;
	before(async () => {
		const app = express();
		app.use((request, _response, next) => {
			reached.push(`${request.method} ${request.url}`);
			next();
		});
		app.post("/users", (_request, response) => {
			response.json({ made: true });
		});
		app.get("/users", (_request, response) => {
			response.set("x-from", "server").json([]);
		});
		app.put("/users/avatar", async (request, response) => {
			response.send(String((await text(request)).length));
		});
		app.post("/users/auth", (_request, response) => {
			response.status(201).json({ token: "t" });
		});
		const server = app.listen(0, "127.0.0.1");
		await once(server, "listening");
		port = await findFreePort();
		gate = spawn(process.execPath, ["-e", gateScript], {
			env: {
				GATE_PORT: String(port),
				GATE_TARGET: String((server.address() as AddressInfo).port),
			},
			stdio: "inherit",
		});
		stop = () => server.close();
		await until("the gate answers", () => call("GET", "/users"));
	});
	after(async () => {
		if (gate.exitCode === null) {
			gate.kill("SIGKILL");
			await once(gate, "exit");
		}
		stop();
	});

	const call = (method: string, path: string, body?: string) =>
		fetch(`http://127.0.0.1:${port}${path}`, {
			method,
			...(body === undefined ? {} : { body }),
		});

	/** As it stands, without what fetch would tidy up. Returns the answer's first line. */
	async function send(requestLine: string): Promise<string> {
		const socket = connect(port, "127.0.0.1");
		socket.end(
			`${requestLine} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
		);
		return (await text(socket)).split("\r\n")[0] ?? "";
	}

	for (const path of [
		"/users",
		"/users/",
		"/users//",
		"//users",
		"/USERS",
		"/Users/",
		"/users?x=1",
		"/%75sers",
		"/users%2F",
		"/./users",
		"/users/.",
		"http://x/users",
		"http://x/users?y",
	]) {
		test(`refuses POST ${path}, and the server never hears of it`, async () => {
			reached.length = 0;
			assert.match(await send(`POST ${path}`), / 403 /);
			assert.deepEqual(reached, []);
		});
	}

	test("every spelling that Express takes for POST /users is refused", async () => {
		for (const path of ["/users", "/users/", "/USERS", "/users?x", "/uSers/"])
			assert.match(await send(`POST ${path}`), / 403 /, path);
	});

	test("says why, so that a browser on another origin can read it", async () => {
		const answer = await call("POST", "/users", "{}");
		assert.equal(answer.headers.get("access-control-allow-origin"), "*");
		assert.match(await answer.text(), /Nobody can sign up here/);
	});

	test("lets everything else through, both ways and whole", async () => {
		const list = await call("GET", "/users?name=a");
		assert.equal(list.status, 200);
		assert.equal(list.headers.get("x-from"), "server");
		const size = 5 * 2 ** 20;
		const put = await call("PUT", "/users/avatar", "x".repeat(size));
		assert.equal(await put.text(), String(size));
		const signIn = await call("POST", "/users/auth", "{}");
		assert.equal(signIn.status, 201);
		assert.equal((await call("GET", "/nowhere")).status, 404);
	});

	test("ends when it is told to", async () => {
		gate.kill("SIGTERM");
		const [code] = await once(gate, "exit");
		assert.equal(code, 0);
	});
});

test("the gate's script holds nothing that Kubernetes would expand", () => {
	assert.ok(!gateScript.includes("$("));
});

describe("with sign-up closed", () => {
	let open: Declaration;
	let closed: Declaration;
	before(async () => {
		open = await declare(givenInput("ha"));
		closed = await declare(
			givenInput("ha", {
				parameters: parameters.parse({ closedSignUp: true }),
			}),
		);
	});
	const paths = (declaration: Declaration, name: string) =>
		loadObject(declaration, "Ingress", name).spec?.rules?.flatMap(({ http }) =>
			http.paths.map(({ path, backend }) => [path, backend.service.port.name]),
		);

	test("browsers reach the server through its gate, and only so", () => {
		assert.deepEqual(paths(open, "server"), [["/", "http"]]);
		assert.deepEqual(paths(closed, "server"), [["/", "sign-up"]]);
		const policy = JSON.stringify(
			loadObject(closed, "NetworkPolicy", "server").spec,
		);
		assert.match(policy, /ingress-nginx[^}]*\}\}\}\],"ports":\[\{[^}]*8889/);
	});

	test("the gate stands beside each server, in its image, and calls the same pod", () => {
		const pod = loadPod(loadObject(closed, "Deployment", "server"));
		assert.deepEqual(
			pod.containers.map(({ name }) => name),
			["server", "sign-up"],
		);
		const [server, gate] = pod.containers;
		assert.equal(gate?.image, server?.image);
		assert.deepEqual(gate && listPlainVariables(gate), {
			GATE_PORT: "8889",
			GATE_TARGET: "8888",
		});
		const before = loadPod(loadObject(open, "Deployment", "server"));
		assert.equal(before.containers.length, 1);
	});

	test("peers inside reach the server itself", () => {
		const { spec } = loadObject(closed, "Service", "server");
		assert.deepEqual(
			spec?.ports?.map(({ port }) => port),
			[8888, 8889],
		);
	});

	test("the client's page goes through a gate in every environment, its other files do not", () => {
		assert.deepEqual(paths(open, "client"), [
			["/", "index"],
			["/index.html", "index"],
			["/", "http"],
		]);
	});
});

test("the client's page is to be asked for again, and lies in the same pod", () => {
	assert.match(indexConfiguration, /add_header Cache-Control no-cache always;/);
	assert.match(indexConfiguration, /proxy_hide_header Expires;/);
	assert.match(indexConfiguration, /proxy_pass http:\/\/127\.0\.0\.1:80;/);
});
