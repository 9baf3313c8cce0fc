// Backups and restores ordered through the cluster: real Jobs from the program's own CronJobs, whose scripts the
// sandbox runs against servers of the namespaces' own. Documents move from one environment to another.
import assert from "node:assert/strict";
import {
	cpSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { MongoClient } from "mongodb";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { Cluster } from "../../src/domain/cluster.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { declare, givenInput, listObjects } from "../programs/declared.ts";
import { kubectl, kubectlGet } from "../support/kubectl.ts";
import { readAll } from "../support/mongodb.ts";
import { until } from "../support/until.ts";

const admin = () => process.env.TEST_ADMIN_KUBECONFIG ?? "";
/** What the sandbox keeps of a namespace. */
const folderOf = (namespace: string) =>
	join(dirname(admin()), "control-plane", "namespaces", namespace);
const hooks = () => ({
	signal: new AbortController().signal,
	onEvent: () => {},
});
const suffix = Math.random().toString(36).slice(2, 7);
const source = `backups-source-${suffix}`;
const target = `backups-target-${suffix}`;
const newer = `backups-newer-${suffix}`;

let cluster: Cluster;
const clients: MongoClient[] = [];
before(async () => {
	cluster = makeCluster(
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
	);
	await applyBackups(source, "0.6.0");
	await applyBackups(target, "0.6.0");
	await applyBackups(newer, "0.7.0");
});
after(async () => {
	for (const client of clients) await client.close();
	await cluster?.close();
	await kubectl(
		admin(),
		"delete",
		"namespace",
		source,
		target,
		newer,
		"--ignore-not-found",
		"--wait=false",
	);
});

/** What the program declares for backups, and its namespace, in the cluster. */
async function applyBackups(namespace: string, release: string): Promise<void> {
	const declaration = await declare(
		givenInput("small", {
			namespace,
			release: upstreamRelease(release, "0.15.0"),
		}),
	);
	const objects = listObjects(declaration).filter(
		({ kind, metadata }) =>
			kind === "Namespace" ||
			kind === "ServiceAccount" ||
			kind === "CronJob" ||
			(kind === "PersistentVolumeClaim" && metadata.name === "backups") ||
			(kind === "Secret" && metadata.name === "backup"),
	);
	assert.equal(
		objects.filter(({ kind }) => kind !== "ServiceAccount").length,
		5,
	);
	const folder = mkdtempSync(join(tmpdir(), "impresario-objects-"));
	const file = join(folder, "objects.json");
	// The namespace first.
	objects.sort((one) => (one.kind === "Namespace" ? -1 : 1));
	writeFileSync(file, objects.map((one) => JSON.stringify(one)).join("\n"));
	await kubectl(admin(), "apply", "--server-side", "-f", file);
	rmSync(folder, { recursive: true });
}

/** A client of the namespace's own server, which runs once a Job has needed it. */
async function connectTo(namespace: string): Promise<MongoClient> {
	const { mongodb } = JSON.parse(
		readFileSync(join(folderOf(namespace), "ports.json"), "utf8"),
	);
	const client = new MongoClient(`mongodb://127.0.0.1:${mongodb}/`);
	clients.push(client);
	return client;
}

const copyBackups = (namespace: string) =>
	cpSync(
		join(folderOf(source), "claims", "backups"),
		join(folderOf(namespace), "claims", "backups"),
		{ recursive: true },
	);

const isComplete = (job: string) =>
	until(`the Job ${job} is complete`, async () => {
		const [found] = await kubectlGet(admin(), "job", job, "-n", source);
		const status = found?.status as { succeeded?: number } | undefined;
		return status?.succeeded === 1;
	});

let backup = "";

test("a backup on demand is made by a Job, and its result is what the Job says", async () => {
	const first = await cluster.backUp(
		{ namespace: source, run: "first" },
		hooks(),
	);
	assert.equal(first.parts, 0);
	const client = await connectTo(source);
	await client
		.db("maestro-client")
		.collection("servers")
		.insertMany(Array.from({ length: 200 }, (_, i) => ({ hostname: `h${i}` })));
	await client
		.db("maestro-audit")
		.collection("audits")
		.insertOne({ who: "me" });
	const made = await cluster.backUp(
		{ namespace: source, run: "second" },
		hooks(),
	);
	backup = made.name;
	assert.notEqual(made.name, first.name);
	assert.ok(made.bytes > 0 && made.parts === 4, JSON.stringify(made));
	assert.match(made.sha256, /^[0-9a-f]{64}$/);
	const [job] = await kubectlGet(admin(), "job", "backup-second", "-n", source);
	assert.equal(job?.metadata.labels?.["impresario.dev/job"], "backup");
	assert.ok(job?.metadata.labels?.["impresario.dev/environment"]);
	await isComplete("backup-second");
});

test("the same run twice is one backup", async () => {
	const again = await cluster.backUp(
		{ namespace: source, run: "second" },
		hooks(),
	);
	assert.equal(again.name, backup);
});

test("a dry run says what would be restored, and restores nothing", async () => {
	const client = await connectTo(source);
	const before = await readAll(client);
	await client
		.db("maestro-audit")
		.collection("audits")
		.insertOne({ who: "since then" });
	const since = await readAll(client);
	const checked = await cluster.restore(
		{
			namespace: source,
			run: "dry",
			backup,
			allowOtherVersion: false,
			dryRun: true,
		},
		hooks(),
	);
	assert.deepEqual([checked.name, checked.parts], [backup, 4]);
	assert.deepEqual(await readAll(client), since);
	await client
		.db("maestro-audit")
		.collection("audits")
		.deleteOne({ who: "since then" });
	assert.deepEqual(await readAll(client), before);
});

test("a restore that is ended leaves no Job and no pod; one that never was is ended too", async () => {
	await cluster.endRestore({ namespace: source, run: "dry" }, hooks());
	assert.deepEqual(
		(await kubectlGet(admin(), "jobs,pods", "-n", source)).filter(
			({ metadata }) => metadata.name.startsWith("restore-dry"),
		),
		[],
	);
	await cluster.endRestore({ namespace: source, run: "never" }, hooks());
});

test("a restore moves the documents into another environment's server, equal document by document", async () => {
	copyBackups(target);
	const restored = await cluster.restore(
		{ namespace: target, run: "move", backup, allowOtherVersion: false },
		hooks(),
	);
	assert.deepEqual([restored.name, restored.parts], [backup, 4]);
	const [from, to] = [await connectTo(source), await connectTo(target)];
	const documents = await readAll(to);
	assert.equal(documents["maestro-client.servers"]?.length, 200);
	assert.deepEqual(documents, await readAll(from));
});

test("a damaged backup is refused, and the databases stay as they are", async () => {
	const file = join(
		folderOf(target),
		"claims/backups",
		backup,
		"dump/maestro-client/servers.bson.gz",
	);
	const bytes = readFileSync(file);
	bytes[40] = (bytes[40] ?? 0) ^ 1;
	writeFileSync(file, bytes);
	const client = await connectTo(target);
	await client
		.db("maestro-audit")
		.collection("audits")
		.insertOne({ who: "later" });
	const before = await readAll(client);
	await assert.rejects(
		cluster.restore(
			{ namespace: target, run: "damaged", backup, allowOtherVersion: false },
			hooks(),
		),
		{ code: "backup_failed", message: /damaged.*servers\.bson\.gz/ },
	);
	assert.deepEqual(await readAll(client), before);
});

test("a backup of another minor version is refused unless it is allowed", async () => {
	// The namespace's folder is made with its server.
	await cluster.backUp({ namespace: newer, run: "own" }, hooks());
	copyBackups(newer);
	const order = { namespace: newer, backup };
	await assert.rejects(
		cluster.restore(
			{ ...order, run: "refused", allowOtherVersion: false },
			hooks(),
		),
		{ code: "conflict", message: /Maestro 0\.6\.0, and here runs 0\.7\.0/ },
	);
	await cluster.restore(
		{ ...order, run: "allowed", allowOtherVersion: true },
		hooks(),
	);
	assert.deepEqual(
		await readAll(await connectTo(newer)),
		await readAll(await connectTo(source)),
	);
});

test("a backup that does not exist, and an environment that has no backups, are not_found", async () => {
	await assert.rejects(
		cluster.restore(
			{
				namespace: source,
				run: "missing",
				backup: "20200101T000000Z-aaaaa",
				allowOtherVersion: false,
			},
			hooks(),
		),
		{ code: "not_found" },
	);
	await assert.rejects(
		cluster.backUp({ namespace: "default", run: "none" }, hooks()),
		{ code: "not_found", message: /no CronJob backup/ },
	);
});

test("a person can make one with kubectl", async () => {
	await kubectl(
		admin(),
		"create",
		"job",
		"by-hand",
		"--from=cronjob/backup",
		"-n",
		source,
	);
	await isComplete("by-hand");
});

test("the server and its data go with the namespace", async () => {
	assert.ok(existsSync(folderOf(newer)));
	await kubectl(admin(), "delete", "namespace", newer);
	await until("its folder is gone", () => !existsSync(folderOf(newer)));
});
