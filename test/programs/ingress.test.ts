// Four public hosts, and no more.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	loadObject,
} from "./declared.ts";

let ha: Declaration;
before(async () => {
	ha = await declare(givenInput("ha"));
});

test("exactly four hosts are public, each with the paths that browsers need", () => {
	const routes = listObjects(ha, "Ingress").flatMap(({ spec }) =>
		(spec?.rules ?? []).flatMap(({ host, http }) =>
			http.paths.map(({ path, backend }) => [host, path, backend.service.name]),
		),
	);
	assert.deepEqual(routes, [
		[
			"acme-qa-1-x7k2-analytics-front.apps.example.test",
			"/",
			"analytics-front",
		],
		// Twice through a gate that has browsers ask for the page again.
		["acme-qa-1-x7k2.apps.example.test", "/", "client"],
		["acme-qa-1-x7k2.apps.example.test", "/index.html", "client"],
		["acme-qa-1-x7k2.apps.example.test", "/", "client"],
		["acme-qa-1-x7k2-server.apps.example.test", "/", "server"],
		// Not `/api`, where everybody who has the key may publish.
		["acme-qa-1-x7k2-websocket.apps.example.test", "/connection", "websocket"],
	]);
});

test("each host is served with TLS", () => {
	for (const { spec } of listObjects(ha, "Ingress"))
		assert.deepEqual(
			spec?.tls?.flatMap(({ hosts }) => hosts),
			spec?.rules?.map(({ host }) => host),
		);
});

test("nothing but the Ingresses is reachable from outside", () => {
	for (const { metadata, spec } of listObjects(ha, "Service"))
		assert.ok(
			spec?.type === "ClusterIP" || spec?.clusterIP === "None",
			metadata.name,
		);
});

test("the outputs name the endpoints, the websocket by its own scheme", () => {
	assert.deepEqual(ha.outputs.endpoints, {
		client: "https://acme-qa-1-x7k2.apps.example.test",
		server: "https://acme-qa-1-x7k2-server.apps.example.test",
		analyticsFront: "https://acme-qa-1-x7k2-analytics-front.apps.example.test",
		websocket: "wss://acme-qa-1-x7k2-websocket.apps.example.test",
	});
});

test("a websocket may be silent for an hour", () => {
	const { annotations } = loadObject(ha, "Ingress", "websocket").metadata;
	assert.equal(
		annotations?.["nginx.ingress.kubernetes.io/proxy-read-timeout"],
		"3600",
	);
});

test("the class is the target's, or the cluster's default where the target has none", async () => {
	const { target } = givenInput("small");
	const declaration = await declare(
		givenInput("small", { target: { ...target, ingressClass: "public" } }),
	);
	for (const { spec } of listObjects(declaration, "Ingress"))
		assert.equal(spec?.ingressClassName, "public");
	for (const { spec } of listObjects(ha, "Ingress"))
		assert.equal(spec?.ingressClassName, undefined);
});
