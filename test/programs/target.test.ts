// What a target sets for all of its environments.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { targetSettings } from "../../src/domain/target.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	listPods,
	loadObject,
} from "./declared.ts";

let plain: Declaration;
before(async () => {
	plain = await declare(givenInput("ha"));
});

function declareAt(settings: unknown, pullSecret: string | null = null) {
	const input = givenInput("ha");
	return declare({
		...input,
		target: {
			...input.target,
			settings: targetSettings.parse(settings),
			pullSecret,
		},
	});
}

const listImages = (declaration: Declaration) =>
	listPods(declaration).flatMap(([, pod]) =>
		listContainers(pod).map(({ image }) => image),
	);

test("every image comes from the registry of the target, under the path that it has at Docker Hub", async () => {
	const declaration = await declareAt({ registry: "registry.example/mirror" });
	const images = listImages(declaration);
	assert.deepEqual(
		images,
		listImages(plain).map(
			(image) =>
				`registry.example/mirror/${image.includes("/") ? image : `library/${image}`}`,
		),
	);
	assert.ok(images.includes("registry.example/mirror/library/mongo:4.4.29"));
});

test("all pods are one account that has no token", () => {
	for (const [owner, pod] of listPods(plain))
		assert.equal(pod.serviceAccountName, "maestro", owner);
	const account = loadObject(plain, "ServiceAccount", "maestro");
	assert.equal(account.automountServiceAccountToken, false);
	assert.equal(account.imagePullSecrets, undefined);
	assert.equal(plain.outputs.serviceAccount, "maestro");
});

test("workloads are declared after their account, without which no pod is admitted", () => {
	for (const { type, name, dependencies } of plain.resources)
		if (/:(Deployment|StatefulSet|Job|CronJob)$/.test(type))
			assert.ok(
				dependencies.some((urn) => urn.endsWith(":ServiceAccount::maestro")),
				name,
			);
});

test("the account brings the credentials of the registry, which are never plain", async () => {
	const text = '{"auths":{"registry.example":{"auth":"planted"}}}';
	const declaration = await declareAt({}, text);
	assert.deepEqual(
		loadObject(declaration, "ServiceAccount", "maestro").imagePullSecrets,
		[{ name: "registry" }],
	);
	const secret = loadObject(declaration, "Secret", "registry");
	assert.deepEqual(secret.stringData, { ".dockerconfigjson": text });
	assert.equal(secret.type, "kubernetes.io/dockerconfigjson");
	for (const { shown } of declaration.resources)
		assert.doesNotMatch(shown, /planted/);
});

test("without a certificate of its own an Ingress leaves it to the controller", () => {
	for (const { spec } of listObjects(plain, "Ingress"))
		assert.deepEqual(Object.keys(spec?.tls?.[0] ?? {}), ["hosts"]);
});

test("a certificate that every namespace has serves all hosts", async () => {
	const declaration = await declareAt({ tls: { secretName: "wildcard" } });
	for (const { spec } of listObjects(declaration, "Ingress"))
		assert.equal(spec?.tls?.[0]?.secretName, "wildcard");
});

for (const [kind, annotation] of [
	["Issuer", "cert-manager.io/issuer"],
	["ClusterIssuer", "cert-manager.io/cluster-issuer"],
] as const) {
	test(`a certificate of cert-manager's ${kind} is asked for once for each host`, async () => {
		const declaration = await declareAt({
			tls: { issuer: "letsencrypt", kind },
		});
		const ingresses = listObjects(declaration, "Ingress");
		for (const { metadata, spec } of ingresses) {
			assert.equal(metadata.annotations?.[annotation], "letsencrypt");
			assert.equal(spec?.tls?.[0]?.secretName, `${metadata.name}-tls`);
		}
		assert.equal(ingresses.length, 4);
	});
}

test("annotations of the target are on every Ingress, and win", async () => {
	const declaration = await declareAt({
		ingressAnnotations: {
			"example.test/owner": "platform",
			"nginx.ingress.kubernetes.io/proxy-body-size": "8m",
		},
	});
	for (const { metadata } of listObjects(declaration, "Ingress")) {
		assert.equal(metadata.annotations?.["example.test/owner"], "platform");
		assert.equal(
			metadata.annotations?.["nginx.ingress.kubernetes.io/proxy-body-size"],
			"8m",
		);
	}
});
