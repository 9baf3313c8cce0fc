import assert from "node:assert/strict";
import { test } from "node:test";
import { checksVariable } from "../../src/domain/cluster.ts";
import { answerChecks } from "../../src/sandbox/answers.ts";
import { runChecks } from "../../src/sandbox/jobs.ts";
import type { NamespaceView, Pod } from "../../src/sandbox/namespace-view.ts";

const metadata = (name: string, labels: Record<string, string> = {}) => ({
	name,
	labels,
	uid: "",
	resourceVersion: "",
});

interface Replica {
	readonly image: string;
	readonly isReady?: boolean;
}

/** The namespace of one Service `server` on port 8888 with these replicas behind it. */
function view(...replicas: Replica[]): NamespaceView {
	return {
		services: [
			{
				metadata: metadata("server"),
				spec: { ports: [{ name: "http", port: 8888 }] },
			},
		],
		slices: [
			{
				metadata: metadata("server-1", {
					"kubernetes.io/service-name": "server",
				}),
				ports: [{ name: "http", port: 80 }],
				endpoints: replicas.map(({ isReady = true }, i) => ({
					conditions: { ready: isReady },
					targetRef: { kind: "Pod", name: `server-${i}` },
				})),
			},
		],
		pods: replicas.map(({ image }, i) => ({
			metadata: metadata(`server-${i}`),
			spec: {
				containers: [
					{ name: "beside", image: "example/beside:9.9" },
					{ name: "main", image, ports: [{ containerPort: 80 }] },
				],
			},
			status: { phase: "Running" },
		})),
		policies: [],
	};
}

const promised = {
	process: "server",
	url: "http://server:8888/",
	version: "0.6.0",
};
const answer = (namespace: NamespaceView, check: object = {}) => {
	const [result] = answerChecks(
		[{ ...promised, ...check }],
		verifier(""),
		namespace,
	);
	return [result?.version, result?.error];
};

test("the image behind the service answers with its tag", () => {
	assert.deepEqual(answer(view({ image: "server:0.6.0" })), ["0.6.0", null]);
});

test("a service whose pods are not ready refuses the connection", () => {
	const unready = view({ image: "server:0.6.0", isReady: false });
	assert.deepEqual(answer(unready), [null, "connection refused"]);
	assert.deepEqual(answer(view()), [null, "connection refused"]);
});

test("a service that is not there is no host", () => {
	const url = "http://audit:10900/";
	assert.deepEqual(answer(view(), { url }), [null, "no such host: audit"]);
});

test("a port that the service does not have does not answer", () => {
	const url = "http://server:8889/";
	assert.deepEqual(answer(view({ image: "server:0.6.0" }), { url }), [
		null,
		"no answer: service server has no port 8889",
	]);
});

test("another version than the promised one is an error, also when only one replica answers it", () => {
	const mixed = view({ image: "server:0.6.0" }, { image: "server:0.5.2" });
	assert.deepEqual(answer(mixed), ["0.5.2", "answered 0.5.2 instead of 0.6.0"]);
	assert.deepEqual(answer(view({ image: "server:0.6.0-wrong-version" })), [
		"0.0.0",
		"answered 0.0.0 instead of 0.6.0",
	]);
});

test("a replica that is not ready is not asked", () => {
	const rolling = view(
		{ image: "server:0.6.0" },
		{ image: "server:0.5.2", isReady: false },
	);
	assert.deepEqual(answer(rolling), ["0.6.0", null]);
});

test("where nothing was promised, any answer is right", () => {
	const image = `server@sha256:${"a".repeat(64)}`;
	assert.deepEqual(answer(view({ image }), { version: null }), [null, null]);
	assert.deepEqual(answer(view({ image: "server:1.0" }), { version: null }), [
		"1.0",
		null,
	]);
});

test("a page has no version, and needs somebody who serves it", () => {
	const page = { kind: "page", version: null };
	assert.deepEqual(answer(view({ image: "client:1.0" }), page), [null, null]);
	assert.deepEqual(answer(view(), page), [null, "connection refused"]);
});

test("whom the policies of the namespace keep apart gets no answer", () => {
	const namespace: NamespaceView = {
		...view({ image: "server:0.6.0" }),
		policies: [
			{
				metadata: metadata("default-deny"),
				spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
			},
		],
	};
	assert.deepEqual(answer(namespace), [null, "no answer within 3 s"]);
});

test("the host may be a full name", () => {
	const url = "http://server.acme-qa-1.svc.cluster.local:8888/";
	assert.deepEqual(answer(view({ image: "server:0.6.0" }), { url }), [
		"0.6.0",
		null,
	]);
});

const verifier = (value: string): Pod => ({
	metadata: metadata("verify"),
	spec: {
		containers: [
			{
				name: "verify",
				image: "node:24",
				env: [{ name: checksVariable, value }],
			},
		],
	},
	status: { phase: "Running" },
});

test("the Job succeeds only if no check has an error, and tells each result", () => {
	const good = runChecks(
		verifier(JSON.stringify([promised])),
		view({ image: "server:0.6.0" }),
	);
	assert.equal(good.exitCode, 0);
	assert.deepEqual(JSON.parse(good.message), [
		{ process: "server", version: "0.6.0", error: null },
	]);
	const bad = runChecks(verifier(JSON.stringify([promised])), view());
	assert.equal(bad.exitCode, 1);
});

test("checks that are no JSON fail the Job", () => {
	assert.equal(runChecks(verifier("{"), view()).exitCode, 1);
	assert.equal(
		runChecks({ ...verifier(""), spec: { containers: [] } }, view()).exitCode,
		1,
	);
});

test("the message stays within what Kubernetes keeps, and names every process", () => {
	const host = "a-service-with-a-rather-long-name-that-is-not-there-at-all";
	const checks = Array.from({ length: 40 }, (_, i) => ({
		process: `process-${i}`,
		url: `http://${host}:8888/`,
		version: "0.6.0",
	}));
	const { message } = runChecks(verifier(JSON.stringify(checks)), view());
	assert.ok(Buffer.byteLength(message) <= 4096);
	assert.equal(JSON.parse(message).length, 40);
});
