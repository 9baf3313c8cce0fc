// A worker is stopped (SIGSTOP) with its children and its CLI for longer than its lease, as by a paused virtual
// machine or a swapping host. Another one recovers and ends the operation. Then the first goes on as if no time had
// passed (SIGCONT): what it writes late is refused, in the store and in the engine's state.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { leaseMs } from "../../src/domain/operation.ts";
import { listEvents } from "../../src/store/events.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { listFamily, pause, type Relative, wake } from "../support/family.ts";
import { kubectlGet } from "../support/kubectl.ts";
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

let database: TestDatabase;
let service: Service;
let tenant: Caller;
const dirs: string[] = [];
const roles: Role[] = [];
let paused: Relative[] = [];

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	const api = await startRole("api", service.environment);
	roles.push(api);
	const url = () => api.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
});
after(async () => {
	wake(paused);
	for (const role of roles.toReversed()) await role.stop();
	for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
	service?.remove();
	await database?.close();
});

/** As on a host of its own: with the installation's seal key, and a folder in which no other finds its CLI. */
async function startDistantWorker(): Promise<Role> {
	const dir = mkdtempSync(join(tmpdir(), "impresario-host-"));
	dirs.push(dir);
	const sealKey = readFileSync(join(service.dataDir, "seal-key"), "utf8");
	const role = await startRole("worker", {
		...service.environment,
		DATA_DIR: dir,
		SEAL_KEY: sealKey.trim(),
		WORKER_CHILDREN: "1",
	});
	roles.push(role);
	return role;
}

async function readLease(id: string) {
	const { rows } = await sql<{ ends: Date; now: Date; owner: string }>`
		select lease_expires_at as ends, clock_timestamp() as now, lease_owner as owner from operations where id = ${id}`.execute(
		database.db,
	);
	const [row] = rows;
	assert.ok(row);
	return row;
}

/** The engine's updates for the operation and what is kept of each. */
const readState = async (id: string) =>
	(
		await sql`
			select u.id, u.state, u.ending, u.version, u.fence, count(j.*) as entries,
				(select count(*) from checkpoints c where c.stack_id = u.stack_id) as checkpoints
			from updates u left join journal j on j.update_id = u.id
			where u.operation_id = ${id} and not u.is_dry_run group by u.id order by u.fence`.execute(
			database.db,
		)
	).rows as { state: string; ending: string; version: number }[];

/** What owners make, by identity and content; Jobs aside that verify and are cleaned up. */
async function readObjects(namespace: string): Promise<string[]> {
	const kinds =
		"deployments,statefulsets,services,configmaps,secrets,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges";
	const objects = await kubectlGet(
		process.env.TEST_ADMIN_KUBECONFIG ?? "",
		kinds,
		"-n",
		namespace,
	);
	return objects.map(({ kind, metadata, spec, data }) => {
		const { uid, generation } = metadata as {
			uid?: string;
			generation?: number;
		};
		const content = createHash("sha256")
			.update(JSON.stringify([spec, data, metadata.labels]))
			.digest("hex");
		return `${kind}/${metadata.name} ${uid} ${generation} ${content}`;
	});
}

test("a worker that was paused for longer than its lease changes nothing after that", async (t) => {
	const workers = await Promise.all([
		startDistantWorker(),
		startDistantWorker(),
	]);
	// Warm both: how long a worker takes to start is not what is measured.
	await until("both have a child", () =>
		workers.every(({ pid }) =>
			listFamily(pid).some(({ args }) => /worker\/child\.ts/.test(args)),
		),
	);
	const order = await tenant.call("POST", "/v1/environments", { name: "nap" });
	const id = String(order.body.id);
	const environmentId = String(order.body.environment) as EnvironmentId;
	const readEvents = () =>
		listEvents(
			database.db,
			{ environment: environmentId },
			{ after: 0, limit: 1_000 },
		);
	await until(
		"the engine creates",
		async () =>
			(await readEvents()).some((event) => event.type === "resource.created"),
		{ everyMs: 10 },
	);

	const { owner } = await readLease(id);
	const first = workers.find(({ pid }) => owner.endsWith(`/${pid}`));
	assert.ok(first);
	paused = pause(first.pid);
	assert.ok(
		paused.some(({ args }) => /\/pulumi .*up/.test(args)),
		"its CLI is stopped with it",
	);
	const lease = await readLease(id);
	const before = await readEvents();
	assert.ok(
		!before.some(
			(event) =>
				event.type === "phase.succeeded" && event.data.phase === "applying",
		),
	);

	const operation = await tenant.end(id);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.equal(operation.attempt, 2);
	const { body: environment } = await tenant.call(
		"GET",
		"/v1/environments/nap",
	);
	const events = await readEvents();
	const state = await readState(id);
	const objects = await readObjects(String(environment.namespace));
	assert.ok(objects.length > 40);

	const recovered = events.find(
		(event) => event.type === "operation.recovered",
	);
	assert.ok(recovered);
	const recoveredAt = recovered.at.getTime();
	const afterExpiryMs = recoveredAt - lease.ends.getTime();
	const costMs = recoveredAt - lease.now.getTime();
	t.diagnostic(
		`recovery began ${afterExpiryMs} ms after the lease was over, ${costMs} ms after the stop`,
	);
	assert.ok(
		afterExpiryMs >= 0 && afterExpiryMs < 2_000,
		`recovery began ${afterExpiryMs} ms after the lease was over`,
	);
	assert.ok(
		costMs < leaseMs + 2_000,
		`recovery began ${costMs} ms after the worker was stopped`,
	);

	wake(paused);
	await until(
		"its late journal entries were refused, and it has noticed",
		() =>
			/"path":"[^"]*journalentries","code":"lease_lost"/.test(first.output()) &&
			/the lease was lost; another worker goes on/.test(first.output()),
	);
	await until(
		"its CLI has ended",
		() => !listFamily(first.pid).some(({ args }) => /\/pulumi .*up/.test(args)),
	);

	assert.deepEqual(await readEvents(), events, "no event came late");
	assert.deepEqual(
		events.map((event) => event.id),
		events.map((_, i) => i + 1),
		"no gap, no repeat",
	);
	const created = events
		.filter((event) => event.type === "resource.created")
		.map(({ data }) => `${data.kind}/${data.name}`);
	assert.equal(new Set(created).size, created.length, "nothing created twice");
	assert.deepEqual(await readState(id), state, "no state came late");
	assert.deepEqual(
		state.map(({ state, ending }) => [state, ending]),
		[
			["failed", state[0]?.ending],
			["succeeded", "completed"],
		],
	);
	assert.match(String(state[0]?.ending), /^(overtaken|lapsed)$/);
	assert.deepEqual(
		await readObjects(String(environment.namespace)),
		objects,
		"the cluster is as the new owner made it",
	);
	const last = await tenant.call("GET", `/v1/operations/${id}`);
	assert.deepEqual(last.body, operation, "nor did the operation change");
});

test("the worker that was paused works on, and the environment can be destroyed", async () => {
	const order = await tenant.call("DELETE", "/v1/environments/nap");
	const operation = await tenant.end(String(order.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
});
