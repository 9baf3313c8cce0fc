// What of an environment can be reached from outside, as the API server has it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hostName } from "../../src/domain/names.ts";
import type { KubernetesObject } from "../support/kubectl.ts";
import { listLive, type Ordered, openStage, type Stage } from "./stage.ts";

interface Ingress extends KubernetesObject {
	readonly spec: {
		readonly ingressClassName?: string;
		readonly tls?: readonly {
			readonly hosts: readonly string[];
			readonly secretName?: string;
		}[];
		readonly rules: readonly {
			readonly host: string;
			readonly http: {
				readonly paths: readonly {
					readonly path: string;
					readonly pathType: string;
					readonly backend: {
						readonly service: {
							readonly name: string;
							readonly port: { readonly name: string };
						};
					};
				}[];
			};
		}[];
	};
}

let stage: Stage;
let plain: Ordered;
let special: Ordered;
before(async () => {
	stage = await openStage();
	await stage.addTarget({
		name: "special",
		settings: {
			tls: { issuer: "letsencrypt" },
			hostPattern: "{endpoint}-{namespace}.maestro.{domain}",
			ingressAnnotations: { "example.test/owner": "platform" },
			registry: "registry.example/mirror",
		},
		pullSecret: '{"auths":{"registry.example":{"auth":"cGxhbnRlZA=="}}}',
	});
	plain = await comeUp({ name: "edge" });
	special = await comeUp({
		name: "special",
		target: "special",
		parameters: { closedSignUp: true },
	});
});
after(() => stage?.close());

async function comeUp(order: Record<string, unknown>): Promise<Ordered> {
	const ordered = await stage.order(order);
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
	return ordered;
}

async function listRoutes({ environment }: Ordered): Promise<string[]> {
	const ingresses = await listLive<Ingress>(environment.namespace, "ingresses");
	return ingresses
		.flatMap(({ spec }) =>
			spec.rules.flatMap(({ host, http }) =>
				http.paths.map(
					({ path, pathType, backend: { service } }) =>
						`${pathType} ${host}${path} → ${service.name}:${service.port.name}`,
				),
			),
		)
		.sort();
}

test("four hosts lead to the four public processes, below one wildcard; Centrifugo's /api is behind none of them", async () => {
	const { namespace } = plain.environment;
	const host = (name: string) => `${namespace}${name}.maestro.localhost`;
	assert.deepEqual(
		await listRoutes(plain),
		[
			`Prefix ${host("-analytics-front")}/ → analytics-front:http`,
			`Exact ${host("")}/ → client:index`,
			`Exact ${host("")}/index.html → client:index`,
			`Prefix ${host("")}/ → client:http`,
			`Prefix ${host("-server")}/ → server:http`,
			`Prefix ${host("-websocket")}/connection → websocket:http`,
		].sort(),
	);
});

test("what the environment tells of its endpoints is what the Ingresses serve, each with TLS", async () => {
	for (const ordered of [plain, special]) {
		const ingresses = await listLive<Ingress>(
			ordered.environment.namespace,
			"ingresses",
		);
		const served = ingresses.flatMap(({ spec }) =>
			(spec.tls ?? []).flatMap(({ hosts }) => hosts),
		);
		const told = Object.values(
			ordered.environment.endpoints as Record<string, string>,
		).map((url) => new URL(url).hostname);
		assert.deepEqual(served.sort(), told.sort());
	}
});

test("nothing else is open to the outside: no Service of another type than ClusterIP", async () => {
	const services = await listLive<
		KubernetesObject & { readonly spec: { readonly type: string } }
	>(plain.environment.namespace, "services");
	for (const { metadata, spec } of services)
		assert.equal(spec.type, "ClusterIP", metadata.name);
});

test("a websocket may be silent for an hour", async () => {
	const ingresses = await listLive<Ingress>(
		plain.environment.namespace,
		"ingresses",
	);
	const ingress = ingresses.find(
		({ metadata }) => metadata.name === "websocket",
	);
	const annotations = ingress?.metadata.annotations ?? {};
	for (const kind of ["read", "send"])
		assert.equal(
			annotations[`nginx.ingress.kubernetes.io/proxy-${kind}-timeout`],
			"3600",
		);
});

describe("on a target with a pattern, an issuer, a registry and sign-up closed", () => {
	test("the hosts are those of the pattern", async () => {
		const { namespace } = special.environment;
		const pattern = {
			domain: "apps.example.test",
			hostPattern: "{endpoint}-{namespace}.maestro.{domain}",
		};
		const hosts = (await listRoutes(special)).map(
			(route) => route.split(" ")[1]?.split("/")[0],
		);
		assert.deepEqual(
			[...new Set(hosts)].sort(),
			["client", "server", "analytics-front", "websocket"]
				.map((endpoint) => hostName(endpoint, namespace, pattern))
				.sort(),
		);
	});

	test("browsers reach the server through the gate that refuses POST /users, and no other way", async () => {
		const routes = (await listRoutes(special)).filter((route) =>
			/ → server/.test(route),
		);
		assert.equal(routes.length, 1);
		assert.match(routes[0] ?? "", /→ server:sign-up$/);
		const pods = await listLive<
			KubernetesObject & {
				readonly spec: {
					readonly containers: readonly {
						readonly name: string;
						readonly command?: readonly string[];
					}[];
				};
			}
		>(special.environment.namespace, "pods");
		const servers = pods.filter(
			({ metadata }) =>
				metadata.labels?.["app.kubernetes.io/name"] === "server",
		);
		assert.ok(servers.length > 0);
		for (const { spec } of servers)
			assert.deepEqual(
				spec.containers.map(({ name }) => name),
				["server", "sign-up"],
			);
	});

	test("each host has a certificate of the issuer, and the annotations of the target", async () => {
		const ingresses = await listLive<Ingress>(
			special.environment.namespace,
			"ingresses",
		);
		assert.equal(ingresses.length, 4);
		for (const { metadata, spec } of ingresses) {
			assert.equal(
				metadata.annotations?.["cert-manager.io/cluster-issuer"],
				"letsencrypt",
			);
			assert.equal(metadata.annotations?.["example.test/owner"], "platform");
			assert.equal(spec.tls?.[0]?.secretName, `${metadata.name}-tls`);
		}
	});

	test("every pod pulls from the registry, with its credentials, the verification's own too", async () => {
		const pods = await listLive<
			KubernetesObject & {
				readonly spec: {
					readonly serviceAccountName: string;
					readonly imagePullSecrets?: readonly { readonly name: string }[];
					readonly containers: readonly { readonly image: string }[];
					readonly initContainers?: readonly { readonly image: string }[];
				};
			}
		>(special.environment.namespace, "pods");
		assert.ok(
			pods.some(
				({ metadata }) => metadata.labels?.["impresario.dev/job"] === "verify",
			),
		);
		for (const { metadata, spec } of pods) {
			assert.equal(spec.serviceAccountName, "maestro", metadata.name);
			assert.deepEqual(
				spec.imagePullSecrets,
				[{ name: "registry" }],
				metadata.name,
			);
			for (const { image } of [
				...spec.containers,
				...(spec.initContainers ?? []),
			])
				assert.match(image, /^registry\.example\/mirror\//, metadata.name);
		}
	});
});
