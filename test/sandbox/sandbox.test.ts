import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import pg from "pg";
import { findIdentity } from "../../src/sandbox/identity.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { until } from "../support/until.ts";
import { loadTools, makeFolder, openClient, readPids } from "./given.ts";
import { createNamespace } from "./workloads.ts";

const folder = makeFolder();
const { dir } = folder;
const postgresDir = join(dir, "postgres");
const clusterDir = join(dir, "control-plane");
const services: ChildProcess[] = [];
after(() => {
	for (const service of services) service.kill("SIGKILL");
	folder.remove();
});

type Told = Omit<Sandbox, "stop">;

/** Starts a service in a process of its own, and fulfils when its sandbox is up. */
async function startService(): Promise<{ service: ChildProcess; told: Told }> {
	const service = spawn(
		process.execPath,
		[join(import.meta.dirname, "service.ts"), dir],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	services.push(service);
	const lines = createInterface({ input: service.stdout });
	const line = await new Promise<string>((fulfil, reject) => {
		lines.once("line", fulfil);
		lines.once("close", () => reject(new Error("the service did not start")));
	});
	return { service, told: JSON.parse(line) };
}

test("a service that is killed leaves its servers running, and the next start ends them and finds its data", async () => {
	const { service, told } = await startService();
	const client = new pg.Client({ connectionString: told.databaseUrl });
	client.on("error", () => {});
	await client.connect();
	await client.query("create table kept as select 42 as answer");
	const api = openClient(clusterDir);
	await createNamespace(api, "kept");

	const left = [
		...Object.values(readPids(postgresDir)),
		...Object.values(readPids(clusterDir)),
	];
	assert.equal(left.length, 6);
	service.kill("SIGKILL");
	await until("the service is gone", () => service.signalCode !== null);
	assert.equal(left.filter((pid) => findIdentity(pid) !== undefined).length, 6);

	const lines: string[] = [];
	const next = await startSandbox({
		dir,
		tools: loadTools(),
		throwAway: true,
		log: (line) => lines.push(line),
	});
	assert.deepEqual(
		left.filter((pid) => findIdentity(pid) !== undefined),
		[],
	);
	assert.equal(next.databaseUrl, told.databaseUrl);
	assert.equal(next.deployerKubeconfig, told.deployerKubeconfig);
	assert.equal(next.clusterIdentifier, told.clusterIdentifier);
	assert.equal(lines.length, 2);
	assert.match(
		lines.join("\n"),
		/PostgreSQL is up on 127\.0\.0\.1:\d+ after \d/,
	);
	assert.ok(!lines.join("\n").includes(new URL(next.databaseUrl).password));

	await api.find("/api/v1/namespaces/kept");
	const again = new pg.Client({ connectionString: next.databaseUrl });
	await again.connect();
	const { rows } = await again.query("select answer from kept");
	assert.deepEqual(rows, [{ answer: 42 }]);
	await again.end();
	api.close();

	const pids = [
		...Object.values(readPids(postgresDir)),
		...Object.values(readPids(clusterDir)),
	];
	await next.stop();
	assert.deepEqual(
		pids.filter((pid) => findIdentity(pid) !== undefined),
		[],
	);
	assert.ok(existsSync(join(dir, "kubeconfig")));
});

test("a cluster that cannot start takes the database down with it, and says what is missing", async () => {
	const { "kube-scheduler": _, ...tools } = loadTools();
	await assert.rejects(
		startSandbox({ dir, tools, throwAway: true, log: () => {} }),
		{
			code: "not_set_up",
			message:
				"The sandbox's cluster needs kube-scheduler, which the toolchain does not have.",
		},
	);
	assert.ok(!existsSync(join(postgresDir, "owner.json")));
});
