// What holds for each pod, whoever owns it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, test } from "node:test";
import { processNames } from "../../src/domain/release.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	listPods,
	loadContainer,
	loadObject,
	loadPod,
} from "./declared.ts";

let sizes: readonly Declaration[];
let ha: Declaration;
before(async () => {
	ha = await declare(givenInput("ha"));
	sizes = [ha, await declare(givenInput("small"))];
});

test("no pod gets variables for Services or a token of the cluster", () => {
	for (const size of sizes)
		for (const [owner, pod] of listPods(size)) {
			assert.equal(pod.enableServiceLinks, false, owner);
			assert.equal(pod.automountServiceAccountToken, false, owner);
		}
});

test("every container has requests and limits", () => {
	for (const size of sizes)
		for (const [owner, pod] of listPods(size))
			for (const { name, resources } of listContainers(pod))
				for (const part of [resources?.requests, resources?.limits]) {
					assert.match(part?.cpu ?? "", /^\d+m?$/, `${owner} ${name}`);
					assert.match(part?.memory ?? "", /^\d+Mi$/, `${owner} ${name}`);
				}
});

test("no container asks for more than it may take", () => {
	for (const size of sizes)
		for (const [owner, pod] of listPods(size))
			for (const { resources } of listContainers(pod))
				assert.ok(
					Number.parseInt(resources?.requests?.memory ?? "", 10) <=
						Number.parseInt(resources?.limits?.memory ?? "", 10),
					owner,
				);
});

test("Python, MongoDB and RabbitMQ run under a user's number, the images that need root as root", () => {
	const roots = ["client", "server", "analytics-front", "audit", "websocket"];
	for (const name of processNames) {
		const pod = loadPod(loadObject(ha, "Deployment", name));
		const { securityContext } = loadContainer(pod);
		assert.equal(
			securityContext?.runAsNonRoot,
			roots.includes(name) ? undefined : true,
			name,
		);
		assert.equal(
			securityContext?.runAsUser,
			roots.includes(name) ? undefined : 1000,
			name,
		);
	}
	for (const name of ["mongodb", "rabbitmq"]) {
		const pod = loadPod(loadObject(ha, "StatefulSet", name));
		for (const container of listContainers(pod))
			assert.equal(container.securityContext?.runAsUser, 999);
	}
});

test("nobody gains rights that the image did not start with", () => {
	for (const [owner, pod] of listPods(ha))
		for (const { securityContext } of listContainers(pod))
			assert.equal(securityContext?.allowPrivilegeEscalation, false, owner);
});

test("workers have at least 90 seconds to end what they do", () => {
	for (const name of processNames.filter((one) => one.endsWith("-worker"))) {
		const pod = loadPod(loadObject(ha, "Deployment", name));
		assert.ok((pod.terminationGracePeriodSeconds ?? 0) >= 90, name);
	}
});

for (const name of processNames) {
	test(`the replicas of ${name} spread over zones and nodes`, () => {
		const deployment = loadObject(ha, "Deployment", name);
		const replicas = deployment.spec?.replicas ?? 0;
		const spread = loadPod(deployment).topologySpreadConstraints ?? [];
		assert.deepEqual(
			spread.map((rule) => [
				rule.topologyKey,
				rule.whenUnsatisfiable,
				rule.minDomains,
			]),
			[
				["topology.kubernetes.io/zone", "ScheduleAnyway", undefined],
				replicas > 1
					? ["kubernetes.io/hostname", "DoNotSchedule", replicas]
					: ["kubernetes.io/hostname", "ScheduleAnyway", undefined],
			],
		);
		for (const rule of spread)
			assert.deepEqual(rule.labelSelector.matchLabels, {
				"app.kubernetes.io/name": name,
			});
	});
}

test("two members of a store must not share a node in ha, and may in small", () => {
	for (const name of ["mongodb", "rabbitmq"]) {
		const rules = sizes.map((size) =>
			Object.keys(
				loadPod(loadObject(size, "StatefulSet", name)).affinity
					?.podAntiAffinity ?? {},
			),
		);
		assert.deepEqual(rules, [
			["requiredDuringSchedulingIgnoredDuringExecution"],
			["preferredDuringSchedulingIgnoredDuringExecution"],
		]);
	}
});

test("each workload's selector, Service and budget mean its own pods and nobody else's", () => {
	const pods = listObjects(ha).filter(
		(object) => object.spec?.template !== undefined,
	);
	const matched = (selector: Record<string, string>) =>
		pods
			.filter((pod) =>
				Object.entries(selector).every(
					([key, value]) =>
						pod.spec?.template?.metadata.labels?.[key] === value,
				),
			)
			.map((pod) => pod.metadata.name);
	for (const kind of ["Deployment", "StatefulSet", "PodDisruptionBudget"])
		for (const { metadata, spec } of listObjects(ha, kind))
			assert.deepEqual(matched(spec?.selector?.matchLabels ?? {}), [
				metadata.name,
			]);
});

test("shell scripts are correct shell", () => {
	for (const [owner, pod] of listPods(ha))
		for (const { command = [] } of listContainers(pod)) {
			const [shell, flag, script = ""] = command;
			if ((shell !== "bash" && shell !== "sh") || flag !== "-c") continue;
			const check = spawnSync("bash", ["-n"], { input: script });
			assert.equal(check.status, 0, `${owner}: ${check.stderr}`);
		}
});
