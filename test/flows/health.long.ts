// Health as a tenant sees it: true within seconds, with reasons, while nothing but the cluster moves.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectl } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

const admin = process.env.TEST_ADMIN_KUBECONFIG ?? "";
let database: TestDatabase;
let toCluster: TcpProxy;
let folder: string;
let service: Service;
let role: Role;
let tenant: Caller;
let namespace: string;

before(async () => {
	database = await createTestDatabase();
	const text = readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8");
	const port = /server: https:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
	toCluster = await startTcpProxy(Number(port));
	folder = mkdtempSync(join(tmpdir(), "impresario-health-"));
	const kubeconfig = join(folder, "kubeconfig");
	writeFileSync(kubeconfig, text.replace(`:${port}`, `:${toCluster.port}`), {
		mode: 0o600,
	});
	service = await installService({ databaseUrl: database.url, kubeconfig });
	role = await startRole("serve", service.environment);
	const url = () => role.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	assert.equal((await tenant.end(String(order.body.id))).state, "succeeded");
	namespace = String((await look()).namespace);
});
after(async () => {
	await role?.stop();
	await toCluster?.close();
	service?.remove();
	rmSync(folder, { recursive: true, force: true });
	await database?.close();
});

interface Reason {
	readonly kind: string;
	readonly name: string;
	readonly reason: string;
	readonly message: string;
}

const look = async () =>
	(await tenant.call("GET", "/v1/environments/qa")).body as Record<
		string,
		unknown
	> & { health: string; lifecycle: string; healthReasons: Reason[] };

const ctl = (...args: string[]) => kubectl(admin, "-n", namespace, ...args);

const untilHealth = (health: string, isEnough = (_: Reason[]) => true) =>
	until(
		`the environment is ${health}`,
		async () => {
			const now = await look();
			return now.health === health && isEnough(now.healthReasons)
				? now
				: undefined;
		},
		{ timeoutMs: 60_000, everyMs: 100 },
	);

interface Told {
	readonly type: string;
	readonly operation: string | null;
	readonly data: { readonly health: string };
}

const listChanges = async () => {
	const { body } = await tenant.call(
		"GET",
		"/v1/environments/qa/events?pageSize=200&after=0",
	);
	return (body.items as Told[]).filter(({ type }) => type === "health.changed");
};

test("a create tells of no health but its end's", async () => {
	await untilHealth("healthy");
	assert.deepEqual(await listChanges(), []);
});

test("a pod that crashes makes it degraded, with the reason, and healthy again when it is mended", async () => {
	await ctl("set", "image", "deployment/audit", "audit=example/audit:crash");
	const { healthReasons, lifecycle } = await untilHealth(
		"degraded",
		(reasons) => reasons.some(({ reason }) => reason === "CrashLoopBackOff"),
	);
	assert.equal(lifecycle, "ready");
	assert.deepEqual(
		healthReasons.map(({ kind, name }) => [kind, name]),
		[["apps/v1/Deployment", "audit"]],
	);
	await ctl("rollout", "undo", "deployment/audit");
	assert.deepEqual((await untilHealth("healthy")).healthReasons, []);
});

test("an API server that is away makes it unreachable, and its return healthy", async () => {
	await toCluster.close();
	const { healthReasons } = await untilHealth("unreachable");
	const [reason] = healthReasons;
	assert.deepEqual(
		[reason?.kind, reason?.reason, reason?.name],
		["Target", "Unreachable", "default"],
	);
	await toCluster.reopen();
	await untilHealth("healthy");
});

test("another process goes on watching when the one that watched is killed", async () => {
	const other = await startRole("worker", service.environment);
	await role.kill();
	role = await startRole("api", service.environment);
	try {
		await ctl("scale", "deployment/websocket", "--replicas=0");
		await ctl(
			"set",
			"image",
			"deployment/audit",
			"audit=example/audit:never-ready",
		);
		await untilHealth("degraded");
	} finally {
		await other.stop();
	}
});

test("each change is told once, in the environment's own log", async () => {
	const changes = await listChanges();
	const healths = changes.map(({ data }) => data.health);
	assert.deepEqual(
		healths.filter((health, at) => health !== healths[at - 1]),
		["degraded", "healthy", "unreachable", "healthy", "degraded"],
	);
	assert.ok(changes.every(({ operation }) => operation === null));
});
