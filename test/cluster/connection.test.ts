// What a caller learns when the API server cannot be reached, refuses, or is no API server.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Client, makeClient } from "../../src/cluster/client.ts";
import { makeCluster } from "../../src/cluster/connect.ts";
import { makeConnectionFailure } from "../../src/cluster/failures.ts";
import { identifyCluster } from "../../src/cluster/identify.ts";
import { defaultLimits } from "../../src/cluster/limits.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import {
	type FakeApi,
	makeKubeconfig,
	makeStatus,
	startFakeApi,
} from "./fake-api.ts";

let api: FakeApi;
let client: Client;
before(async () => {
	api = await startFakeApi();
	client = makeClient(api.kubeconfig, {
		...defaultLimits,
		requestTimeoutMs: 1_000,
	});
});
beforeEach(() => {
	api.control.intercept = () => undefined;
});
after(async () => {
	client.close();
	await api.stop();
});

const ask = (signal = new AbortController().signal, by = client) =>
	by.send({ what: "list pods in namespace ns", path: "/api/v1/pods", signal });

async function failureOf(asked: Promise<unknown>): Promise<Failure> {
	const error = await asked.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	assert.ok(error instanceof Failure, String(error));
	return error;
}

test("an API server that refuses the connection is unavailable, and named", async () => {
	const away = makeClient(makeKubeconfig("http://127.0.0.1:1/k8s"), {
		...defaultLimits,
	});
	const failure = await failureOf(ask(undefined, away));
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, true);
	assert.match(failure.message, /http:\/\/127\.0\.0\.1:1\/k8s .*refuses/);
});

test("an address that is not known is unavailable", async () => {
	const lost = makeClient(makeKubeconfig("https://no-such-host.invalid"), {
		...defaultLimits,
	});
	const failure = await failureOf(ask(undefined, lost));
	assert.equal(failure.code, "unavailable");
	assert.match(failure.message, /its name (is not known|cannot be looked up)/);
});

test("an API server that does not answer in time is unavailable", async () => {
	api.control.intercept = () => new Promise(() => undefined);
	const failure = await failureOf(ask());
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, true);
	assert.match(failure.message, /did not answer within 1 s/);
});

const answers = [
	[503, "unavailable", true, /it answers 503 \(etcd is away\)/],
	[500, "unavailable", true, /it answers 500/],
	[429, "unavailable", true, /it answers 429/],
	[401, "not_set_up", false, /does not accept the deployer's credentials/],
	[422, "internal", false, /refused to list pods in namespace ns/],
] as const;
for (const [status, code, retryable, message] of answers) {
	test(`an answer ${status} is ${code}`, async () => {
		api.control.intercept = () => makeStatus(status, "Fake", "etcd is away");
		const failure = await failureOf(ask());
		assert.equal(failure.code, code);
		assert.equal(failure.retryable, retryable);
		assert.match(failure.message, message);
		assert.ok(failure.message.includes(api.address));
	});
}

test("a right that the deployer lacks is named", async () => {
	const said =
		'deployments.apps is forbidden: User "deployer" cannot list resource "deployments" in API group "apps" in the namespace "ns"';
	api.control.intercept = () => makeStatus(403, "Forbidden", said);
	const failure = await failureOf(ask());
	assert.equal(failure.code, "not_set_up");
	assert.match(failure.message, /lacks the right to list deployments\.apps/);
	assert.match(failure.advice ?? "", /"list" on "deployments".*"apps"/);
});

test("a refusal by a server that has just started counts only when it is ready", async () => {
	const said = 'pods is forbidden: User "deployer" cannot list resource "pods"';
	api.control.isReady = false;
	api.control.intercept = () => makeStatus(403, "Forbidden", said);
	const failure = await failureOf(ask());
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, true);
	assert.match(failure.message, /is not ready/);

	api.control.isReady = true;
	let asked = 0;
	api.control.intercept = () =>
		asked++ === 0 ? makeStatus(403, "Forbidden", said) : undefined;
	await ask();
	assert.equal(asked, 2);
});

test("what a policy refuses is told in its words", async () => {
	const said = 'jobs "x" is forbidden: exceeded quota: q';
	api.control.intercept = () => makeStatus(403, "Forbidden", said);
	const failure = await failureOf(ask());
	assert.match(failure.message, /exceeded quota: q/);
	assert.match(failure.advice ?? "", /quota/);
});

test("a proxy that answers with HTML is told by its number", async () => {
	api.control.intercept = () => ({ status: 502, body: "<h1>Bad gateway</h1>" });
	const failure = await failureOf(ask());
	assert.match(failure.message, /it answers 502/);
});

test("an answer that is no JSON is unavailable", async () => {
	api.control.intercept = () => ({ status: 200, body: "<h1>Welcome</h1>" });
	const failure = await failureOf(ask());
	assert.equal(failure.code, "unavailable");
	assert.match(failure.message, /no JSON/);
});

test("a certificate that is not trusted is not asked again", () => {
	const error = Object.assign(new Error("self-signed certificate"), {
		code: "DEPTH_ZERO_SELF_SIGNED_CERT",
	});
	const failure = makeConnectionFailure("https://k8s.example", error);
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, false);
	assert.match(failure.advice ?? "", /certificate authority/);
});

test("a request ends at once when it is cancelled", async () => {
	api.control.intercept = () => new Promise(() => undefined);
	const controller = new AbortController();
	const asked = failureOf(ask(controller.signal));
	const since = performance.now();
	controller.abort();
	assert.equal((await asked).code, "cancelled");
	assert.ok(performance.now() - since < 500);
});

test("a kept connection that the server has closed is not noticed by the caller", async () => {
	await ask();
	api.dropConnections();
	assert.equal((await ask()).ok, true);
});

test("one connection serves one request after the other", async () => {
	await ask();
	await ask();
	await ask();
	await until("one is left", () => api.countConnections() === 1);
});

for (const kubeconfig of [
	"password: hunter2",
	"{ not yaml: hunter2",
	"",
	makeKubeconfig("hunter2"),
	makeKubeconfig("ftp://hunter2.example"),
]) {
	test(`a kubeconfig that leads nowhere is refused and not quoted (${kubeconfig.length} characters)`, () => {
		assert.throws(
			() => makeCluster(kubeconfig),
			(error) =>
				error instanceof Failure &&
				error.code === "not_set_up" &&
				!error.message.includes("hunter2"),
		);
	});
}

test("credentials that cannot be read are told of, and what went wrong is not quoted", async () => {
	const kubeconfig = JSON.parse(api.kubeconfig);
	kubeconfig.users[0].user = {
		exec: {
			apiVersion: "client.authentication.k8s.io/v1",
			command: process.execPath,
			args: ["-e", "console.log('hunter2')"],
		},
	};
	const failure = await failureOf(
		ask(undefined, makeClient(JSON.stringify(kubeconfig), defaultLimits)),
	);
	assert.equal(failure.code, "not_set_up");
	assert.match(failure.message, /credentials .* cannot be read/);
	assert.equal(failure.cause, undefined);
});

test("credentials in the server's address are in no message", async () => {
	const kubeconfig = makeKubeconfig("http://admin:hunter2@127.0.0.1:1");
	const failure = await failureOf(
		ask(undefined, makeClient(kubeconfig, defaultLimits)),
	);
	assert.ok(!failure.message.includes("hunter2"));
});

test("a cluster is identified by its namespace kube-system", async () => {
	api.put("api/v1/namespaces", {
		metadata: { name: "kube-system", uid: "the-cluster" },
	});
	assert.equal(await identifyCluster(api.kubeconfig), "the-cluster");
	api.remove("api/v1/namespaces", "kube-system");
	const failure = await failureOf(identifyCluster(api.kubeconfig));
	assert.equal(failure.code, "not_set_up");
});
