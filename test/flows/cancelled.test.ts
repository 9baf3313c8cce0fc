// A create is cancelled at twenty points of its life, with the real engine and a real API server. Each time the answer
// is what kubectl sees, and a destroy or a retry leads where it should.

import assert from "node:assert/strict";
import {
	chmodSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Event as StreamedEvent } from "../../client/client.ts";
import { followEvents } from "../../client/events.ts";
import type { Existing } from "../../src/domain/stock.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectl, kubectlGet } from "../support/kubectl.ts";
import { isThorough, sample } from "../support/sample.ts";
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

const admin = process.env.TEST_ADMIN_KUBECONFIG ?? "";
const withChildren = { WORKER_CHILDREN: "3" };

let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;
let kinds: string;
/** How many resources a create makes. */
let total = 0;
let ordered = 0;

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	api = await startRole("api", service.environment);
	worker = await startRole("worker", {
		...service.environment,
		...withChildren,
	});
	const url = () => api.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
	const resources = await kubectl(
		admin,
		...["api-resources", "--namespaced", "--verbs=list", "-o", "name"],
	);
	// What nobody declares: news, elections, and the addresses of Services, which have no owner written on them.
	const derived = /^(events|leases|endpoints|endpointslices|pods)(\.|$)/;
	kinds = resources
		.split("\n")
		.filter((name) => name !== "" && !derived.test(name))
		.join(",");
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

interface Ordered {
	readonly operation: string;
	readonly environment: string;
	readonly namespace: string;
}

async function order(): Promise<Ordered> {
	const name = `unwanted-${ordered++}`;
	const { body } = await tenant.call("POST", "/v1/environments", { name });
	const environment = await tenant.call(
		"GET",
		`/v1/environments/${body.environment}`,
	);
	return {
		operation: String(body.id),
		environment: String(body.environment),
		namespace: String(environment.body.namespace),
	};
}

/** Follows the operation's events until one of them, or so many of a type, were seen. */
async function follow(
	operation: string,
	type: string,
	isLast: (count: number, event: StreamedEvent) => boolean,
): Promise<void> {
	let count = 0;
	for await (const event of followEvents(
		{ url: api.url, token: tenant.token },
		`/v1/operations/${operation}/events`,
	)) {
		if (event.type === type && isLast(++count, event)) return;
	}
	throw new Error(`${operation} ended before it came to the point`);
}

const cancel = (operation: string) =>
	tenant.call("POST", `/v1/operations/${operation}:cancel`);

/** What a person would find in the namespace, in numbers by kind: what somebody declared, not what followed from it. */
async function count(namespace: string): Promise<Record<string, number>> {
	const objects = await kubectlGet(admin, kinds, "-n", namespace);
	const declared = objects.filter(
		({ metadata }) =>
			!("ownerReferences" in metadata) &&
			!["kube-root-ca.crt", "default"].includes(metadata.name),
	);
	const counts: Record<string, number> = {};
	for (const object of [
		...declared,
		...(await kubectlGet(admin, "namespace", namespace)),
	]) {
		const kind = `${object.apiVersion}/${object.kind}`;
		counts[kind] = (counts[kind] ?? 0) + 1;
	}
	return counts;
}

/** Waits for the end of a cancelled operation and holds what it says against what is there. */
async function checkTruth({ operation, namespace }: Ordered) {
	const ended = await tenant.end(operation, 180_000);
	assert.equal(ended.state, "cancelled", JSON.stringify(ended));
	const exists = ended.exists as Existing[] | null;
	assert.ok(exists, "what exists is known");
	assert.deepEqual(
		Object.fromEntries(exists.map(({ kind, count }) => [kind, count])),
		await count(namespace),
	);
	return { ended, exists };
}

async function destroy({ environment, namespace }: Ordered): Promise<void> {
	const { status, body } = await tenant.call(
		"DELETE",
		`/v1/environments/${environment}`,
	);
	assert.equal(status, 202, JSON.stringify(body));
	const ended = await tenant.end(String(body.id), 180_000);
	assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
	assert.deepEqual(await kubectlGet(admin, "namespace", namespace), []);
	const { rows } =
		await sql`select from stacks where environment_id = ${environment}`.execute(
			database.db,
		);
	assert.equal(rows.length, 0, "the engine's state is gone");
}

async function readLifecycle({ environment }: Ordered): Promise<unknown> {
	const { body } = await tenant.call("GET", `/v1/environments/${environment}`);
	return body.lifecycle;
}

if (isThorough)
	test("a create that nobody cancels, to see how much it makes", async () => {
		const one = await order();
		const ended = await tenant.end(one.operation);
		assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
		total = (ended.changes as { create: number }).create;
		assert.ok(total > 16);
		await destroy(one);
	});

const inPhase = (phase: string) => (_: number, event: StreamedEvent) =>
	event.data.phase === phase;

/** Twenty points, from the first moment to the last phase, each by the event that is waited for. */
const points: Record<
	string,
	readonly [string, (count: number, event: StreamedEvent) => boolean]
> = {
	"as it starts": ["operation.started", () => true],
	"as the engine starts": ["phase.started", inPhase("applying")],
	...Object.fromEntries(
		Array.from({ length: 15 }, (_, step) => [
			`after ${step}/15 of its resources`,
			[
				"resource.created",
				(count: number) => count >= Math.max(1, (step * total) / 15),
			] as const,
		]),
	),
	"as it waits": ["phase.started", inPhase("waiting")],
	"as the first workload is ready": ["workload.ready", () => true],
	"as it is verified": ["phase.started", inPhase("verifying")],
};

const chosen = sample(
	Object.entries(points),
	([point]) => point === "as it waits",
);

test("twenty points, or one of them", { concurrency: 3 }, async (t) => {
	assert.equal(Object.keys(points).length, 20);
	const forced: string[] = [];
	await Promise.all(
		chosen.map(([point, [type, isLast]], index) =>
			t.test(
				`cancelled ${point}, the answer is true and the destroy clean`,
				async () => {
					const one = await order();
					await follow(one.operation, type, isLast);
					const asked = await cancel(one.operation);
					assert.equal(asked.status, 202, JSON.stringify(asked.body));
					const { ended } = await checkTruth(one);
					if (wasForced(ended)) forced.push(point);
					assert.equal(await readLifecycle(one), "failed");
					if (index % 3 === 0) await retry(one);
					await destroy(one);
				},
			),
		),
	);
	// On a machine that is too busy an engine may need longer than its grace. That is told, and is the exception.
	assert.ok(forced.length <= 2, `ended by force: ${forced.join(", ")}`);
});

const wasForced = (ended: Record<string, unknown>): boolean =>
	(ended.cancellation as { forced: boolean }).forced;

async function retry({ operation }: Ordered): Promise<void> {
	const { body } = await tenant.call(
		"POST",
		`/v1/operations/${operation}:retry`,
	);
	assert.equal(body.retryOf, operation);
	const ended = await tenant.end(String(body.id));
	assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
}

test("cancelled while no worker runs, it is cancelled at once, nothing is there, and the destroy is clean", async () => {
	await worker.stop();
	const one = await order();
	const { status, body } = await cancel(one.operation);
	assert.equal(status, 202);
	assert.equal(body.state, "cancelled");
	assert.deepEqual(body.exists, []);
	assert.deepEqual(await count(one.namespace), {});
	worker = await startRole("worker", service.environment);
	await destroy(one);
});

/** A toolchain whose CLI stops in the middle of an update, instead of ending, when it is interrupted. */
function makeStubbornToolchain(): string {
	const folder = mkdtempSync(join(tmpdir(), "impresario-stubborn-"));
	const tools = JSON.parse(
		readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
	);
	const pulumi = join(folder, "pulumi");
	writeFileSync(
		pulumi,
		`#!/bin/sh
[ "$1" = up ] || exec "${tools.pulumi}" "$@"
"${tools.pulumi}" "$@" &
cli=$!
trap 'kill -STOP $cli' INT
while kill -0 $cli 2>/dev/null; do wait $cli; code=$?; done
exit $code
`,
	);
	chmodSync(pulumi, 0o755);
	writeFileSync(
		join(folder, "tools.json"),
		JSON.stringify({ ...tools, pulumi }),
	);
	return folder;
}

if (isThorough)
	test("an engine that does not obey", async (t) => {
		const folder = makeStubbornToolchain();
		t.after(() => rmSync(folder, { recursive: true, force: true }));
		const begin = async (graceSeconds: string): Promise<Ordered> => {
			await worker.stop();
			worker = await startRole("worker", {
				...service.environment,
				TOOLCHAIN_DIR: folder,
				ENGINE_GRACE_SECONDS: graceSeconds,
			});
			const one = await order();
			await follow(one.operation, "resource.created", (n) => n >= total / 4);
			const asked = await cancel(one.operation);
			assert.equal(asked.body.state, "cancelling");
			return one;
		};

		await t.test(
			"is ended by force after its grace; what it had done is known all the same",
			async () => {
				const one = await begin("2");
				const { ended, exists } = await checkTruth(one);
				assert.equal(wasForced(ended), true);
				assert.ok(exists.length > 1);
				assert.equal(await readLifecycle(one), "failed");
				await retry(one);
				await destroy(one);
			},
		);

		await t.test(
			"and whose worker is killed meanwhile: the next worker ends the operation as cancelled",
			async () => {
				const one = await begin("60");
				await until("the owner has seen the wish", async () => {
					const { body } = await tenant.call(
						"GET",
						`/v1/operations/${one.operation}`,
					);
					return body.state === "cancelling";
				});
				await worker.kill();
				worker = await startRole("worker", service.environment);
				const { ended } = await checkTruth(one);
				assert.equal(wasForced(ended), true);
				assert.equal(ended.attempt, 2);
				await destroy(one);
			},
		);
	});

// Kept last: nothing of all this may be left running.
test("no operation is open", async () => {
	const { rows } =
		await sql`select id from operations where finished_at is null`.execute(
			database.db,
		);
	assert.deepEqual(rows, []);
});
