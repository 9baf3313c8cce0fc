// A release goes to environments of two tenants: twelve, or a few in an ordinary run. The cluster refuses its image in the third one's namespace: the
// roll-out stops, the third is rolled back, and the rest is as if nothing had been ordered.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { upstreamRelease } from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectl, kubectlGet } from "../support/kubectl.ts";
import { isThorough } from "../support/sample.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { until } from "../support/until.ts";

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";
const adminKubeconfig = process.env.TEST_ADMIN_KUBECONFIG ?? "";
const folder = mkdtempSync(join(tmpdir(), "impresario-fleet-"));
const count = isThorough ? 12 : 5;
const names = Array.from({ length: count }, (_, i) => `fleet-${i + 1}`);
const timeoutMs = 600_000;
const tag = "0.6.1";

let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let admin: Caller;
/** By the number of the environment: of each tenant every other one. */
let owners: Caller[];
let namespaces: string[];

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	admin = makeCaller(url, service.adminToken);
	const tenants = [
		await givenTenant(admin, url, "acme"),
		await givenTenant(admin, url, "globex"),
	];
	owners = names.map((_, i) => tenants[i % 2] ?? admin);
	const created: string[] = [];
	for (const [i, name] of names.entries()) {
		const { status, body } = await ownerOf(i).call("POST", "/v1/environments", {
			name,
			labels: { fleet: "yes" },
		});
		assert.equal(status, 202, JSON.stringify(body));
		created.push(String(body.id));
	}
	for (const [i, id] of created.entries()) {
		const { state, error } = await ownerOf(i).end(id, timeoutMs);
		assert.equal(state, "succeeded", JSON.stringify(error));
	}
	namespaces = await Promise.all(
		names.map(async (_, i) => String((await look(i)).namespace)),
	);
	await plantFault(namespaces[2] ?? "");
	const { images } = upstreamRelease("0.6.0", "0.15.0");
	const release = await admin.call("POST", "/v1/releases", {
		name: tag,
		images: { ...images, audit: `${images.audit.split(":")[0]}:${tag}` },
	});
	assert.equal(release.status, 201, JSON.stringify(release.body));
});
after(async () => {
	await removeFault();
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
	rmSync(folder, { recursive: true, force: true });
});

const ownerOf = (i: number): Caller => owners[i] ?? admin;
const look = async (i: number) =>
	(await ownerOf(i).call("GET", `/v1/environments/${names[i]}`)).body;

/** The namespace admits no Deployment with the release's image. */
async function plantFault(namespace: string): Promise<void> {
	const name = `fleet-${namespace}`;
	const common = { apiVersion: "admissionregistration.k8s.io/v1" };
	const policy = {
		...common,
		kind: "ValidatingAdmissionPolicy",
		metadata: { name },
		spec: {
			failurePolicy: "Fail",
			matchConstraints: {
				resourceRules: [
					{
						apiGroups: ["apps"],
						apiVersions: ["v1"],
						resources: ["deployments"],
						operations: ["CREATE", "UPDATE"],
					},
				],
			},
			validations: [
				{
					expression: `!object.spec.template.spec.containers.exists(c, c.image.endsWith(':${tag}'))`,
					message: "the platform does not admit this image",
				},
			],
		},
	};
	const binding = {
		...common,
		kind: "ValidatingAdmissionPolicyBinding",
		metadata: { name },
		spec: {
			policyName: name,
			validationActions: ["Deny"],
			matchResources: {
				namespaceSelector: {
					matchLabels: { "kubernetes.io/metadata.name": namespace },
				},
			},
		},
	};
	const path = join(folder, "fault.json");
	const items = [policy, binding];
	writeFileSync(
		path,
		JSON.stringify({ apiVersion: "v1", kind: "List", items }),
	);
	await kubectl(adminKubeconfig, "apply", "--server-side", "-f", path);
	// The API server takes a moment until it knows of a policy.
	await until("the namespace admits no such Deployment", async () => {
		const run = kubectl(
			adminKubeconfig,
			...["create", "deployment", "probe", "-n", namespace, "--dry-run=server"],
			`--image=probe:${tag}`,
		);
		return run.then(
			() => false,
			(error) => /does not admit this image/.test(String(error)),
		);
	});
}

const removeFault = () =>
	kubectl(
		adminKubeconfig,
		...["delete", "--ignore-not-found", "-f", join(folder, "fault.json")],
	);

const generations = async (i: number) =>
	Object.fromEntries(
		(
			await kubectlGet(kubeconfig, "deployments", "-n", namespaces[i] ?? "")
		).map(({ metadata }) => [
			metadata.name,
			(metadata as { generation?: number }).generation,
		]),
	);

interface Member {
	readonly name: string;
	readonly state: string;
	readonly operation: string | null;
	readonly rollback: string | null;
	readonly reason: string | null;
}

test("a fault in the third environment stops the roll-out, which rolls that one back, leaves the rest untouched and says so", async () => {
	const before = await Promise.all(names.map((_, i) => generations(i)));
	const ordered = await admin.call("POST", "/v1/rollouts", {
		release: tag,
		selector: { labels: { fleet: "yes" } },
		pauseAfterFirstWave: true,
	});
	assert.equal(ordered.status, 201, JSON.stringify(ordered.body));
	assert.deepEqual(ordered.body.progress, { waiting: count });
	const path = `/v1/rollouts/${ordered.body.id}`;
	const most: number[] = [];
	const ended = await until(
		"the roll-out has ended",
		async () => {
			const { body } = await admin.call("GET", path);
			const progress = body.progress as Record<string, number>;
			most.push(progress.upgrading ?? 0);
			return typeof body.finishedAt === "string" ? body : undefined;
		},
		{ timeoutMs, everyMs: 200 },
	);
	assert.equal(ended.state, "failed", JSON.stringify(ended));
	assert.ok(Math.max(...most) <= 3);
	const members = ended.members as Member[];
	assert.deepEqual(
		members.map(({ name }) => name),
		names,
	);
	assert.deepEqual(
		members.map(({ state }) => state),
		[
			"succeeded",
			"succeeded",
			"rolled_back",
			...Array(count - 3).fill("untouched"),
		],
	);
	for (const [i, { state }] of members.entries()) {
		const environment = await look(i);
		const now = await generations(i);
		assert.equal(environment.lifecycle, "ready", names[i]);
		assert.equal(environment.release, state === "succeeded" ? tag : "0.6.0");
		if (state !== "untouched") continue;
		assert.equal(environment.desiredRevision, 1);
		assert.deepEqual(now, before[i], `${names[i]} is as it was`);
	}
	const reason = String(ended.reason);
	assert.match(
		reason,
		/^fleet-3 of acme failed and was rolled back: .*does not admit this image.*2 were upgraded\./s,
	);
	assert.match(reason, /Not touched: fleet-\d+ of (acme|globex)/);
	for (const name of names.slice(3)) assert.ok(reason.includes(name), reason);
	assert.deepEqual(
		(ended.timeline as { state: string }[]).map(({ state }) => state),
		["running", "stopping", "failed"],
	);

	const upgrade = (
		await admin.call("GET", `/v1/operations/${members[2]?.operation}`)
	).body;
	const rollback = (
		await admin.call("GET", `/v1/operations/${members[2]?.rollback}`)
	).body;
	assert.deepEqual([upgrade.kind, upgrade.state], ["upgrade", "failed"]);
	assert.deepEqual(
		[rollback.kind, rollback.state, rollback.causedBy],
		["rollback", "succeeded", members[2]?.operation],
	);
});

test("once the fault is mended, the same release is rolled out to those that have it not", async () => {
	await removeFault();
	const { body } = await admin.call("POST", "/v1/rollouts", {
		release: tag,
		selector: { names: names.slice(1, 3) },
	});
	const ended = await until(
		"the roll-out has ended",
		async () => {
			const answer = await admin.call("GET", `/v1/rollouts/${body.id}`);
			return typeof answer.body.finishedAt === "string"
				? answer.body
				: undefined;
		},
		{ timeoutMs, everyMs: 200 },
	);
	assert.equal(ended.state, "succeeded", JSON.stringify(ended));
	assert.deepEqual(ended.progress, { skipped: 1, succeeded: 1 });
	assert.equal((await look(2)).release, tag);
});
