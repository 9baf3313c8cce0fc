// Any one process is killed with SIGKILL in the middle of a create. The operation comes to a truthful end,
// nothing is stuck, and DELETE cleans up. With a sandbox of its own, since it kills that too.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { findDescendants } from "../support/descendants.ts";
import { kubectlGet } from "../support/kubectl.ts";
import { sample } from "../support/sample.ts";
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

let dir: string;
let sandbox: Sandbox;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;

before(async () => {
	dir = mkdtempSync(join(tmpdir(), "impresario-killed-"));
	sandbox = await startSandbox({
		dir,
		tools: JSON.parse(
			readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
		),
		throwAway: true,
		log: () => {},
	});
	const kubeconfig = join(dir, "deployer.kubeconfig");
	writeFileSync(kubeconfig, sandbox.deployerKubeconfig, { mode: 0o600 });
	service = await installService({
		databaseUrl: sandbox.databaseUrl,
		kubeconfig,
	});
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await sandbox?.stop();
	rmSync(dir, { recursive: true, force: true });
});

const killAll = (pids: number[]) => {
	assert.ok(pids.length > 0, "there is something to kill");
	for (const pid of pids) process.kill(pid, "SIGKILL");
};

const victims: Record<
	string,
	{ phase: "applying" | "waiting"; kill: () => Promise<void> }
> = {
	"the API": {
		phase: "applying",
		async kill() {
			await api.kill();
			api = await startRole("api", service.environment);
		},
	},
	"the worker": {
		phase: "applying",
		async kill() {
			await worker.kill();
			worker = await startRole("worker", service.environment);
		},
	},
	"the worker's children": {
		phase: "applying",
		kill: async () => killAll(findDescendants(worker.pid, /worker\/child\.ts/)),
	},
	"the Pulumi CLI": {
		phase: "applying",
		kill: async () => killAll(findDescendants(worker.pid, /\/pulumi .*up/)),
	},
	PostgreSQL: {
		phase: "applying",
		kill: async () =>
			killAll(findDescendants(process.pid, /postgres -D/).slice(0, 1)),
	},
	"the API server": {
		phase: "applying",
		kill: async () => killAll(findDescendants(process.pid, /kube-apiserver/)),
	},
};

let count = 0;
for (const [victim, { phase, kill }] of sample(
	Object.entries(victims),
	(_, index) => index % 2 === 1,
)) {
	test(`${victim} killed while ${phase}: a truthful end, and DELETE cleans up`, async () => {
		const name = `killed-${count++}`;
		const order = await tenant.call("POST", "/v1/environments", { name });
		const id = String(order.body.id);
		await until(
			`it is ${phase}`,
			async () => {
				const { body } = await tenant.call("GET", `/v1/operations/${id}`);
				return body.phase === phase && body.state === "running";
			},
			{ everyMs: 10 },
		);
		await until(
			"the engine has begun to create",
			async () => {
				const { body } = await tenant.call(
					"GET",
					`/v1/operations/${id}/events`,
				);
				return (body.items as { type: string }[]).some(
					(event) => event.type === "resource.created",
				);
			},
			{ everyMs: 10 },
		);
		await kill();

		const operation = await tenant.end(id, 180_000);
		const { body: environment } = await tenant.call(
			"GET",
			`/v1/environments/${name}`,
		);
		// Without its API server an attempt may come to nothing; every other loss is made good.
		if (victim !== "the API server") {
			assert.equal(
				operation.state,
				"succeeded",
				JSON.stringify(operation.error),
			);
		}
		if (operation.state === "succeeded") {
			assert.equal(environment.lifecycle, "ready");
		} else {
			assert.match(String(operation.state), /^(failed|stalled)$/);
			assert.ok((operation.error as { message: string }).message);
			assert.equal(environment.lifecycle, "failed");
		}
		const events = await tenant.follow(id);
		assert.deepEqual(
			events.map((event) => event.id),
			events.map((_, i) => i + 1),
			"no gap, no repeat",
		);
		assert.equal(
			events.filter((event) =>
				/^operation\.(succeeded|failed|stalled)$/.test(event.type),
			).length,
			1,
		);

		const destroy = await tenant.call("DELETE", `/v1/environments/${name}`);
		assert.equal(destroy.status, 202, JSON.stringify(destroy.body));
		const destroyed = await tenant.end(String(destroy.body.id), 180_000);
		assert.equal(destroyed.state, "succeeded", JSON.stringify(destroyed.error));
		assert.deepEqual(
			await kubectlGet(
				sandbox.kubeconfigPath,
				"namespace",
				String(environment.namespace),
			),
			[],
		);
	});
}

test("a worker that is told to stop hands over what it does, and the next one ends it", async () => {
	const order = await tenant.call("POST", "/v1/environments", {
		name: "handed-over",
	});
	const id = String(order.body.id);
	await until(
		"it is applying",
		async () =>
			(await tenant.call("GET", `/v1/operations/${id}`)).body.phase ===
			"applying",
		{ everyMs: 10 },
	);
	assert.equal(await worker.stop(), 0);
	worker = await startRole("worker", service.environment);
	const operation = await tenant.end(id);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.equal(operation.attempt, 1);
});
