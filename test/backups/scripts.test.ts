// The backup and restore Jobs' own scripts with the real tools: documents move from one server to another.
import assert from "node:assert/strict";
import {
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Binary, Double, Long, ObjectId } from "mongodb";
import {
	backupScript,
	restoreScript,
} from "../../programs/maestro/backup-scripts.ts";
import {
	type MongodbServer,
	readAll,
	runScript,
	startMongodb,
} from "../support/mongodb.ts";

const versions = {
	ENVIRONMENT: "env_00000000000000000001",
	NAMESPACE: "acme-qa-1-x7k2",
	RELEASE: "0.6.0",
	SERVER_IMAGE: "maestroserver/server-maestro:0.6.0",
	MAESTRO_VERSION: "0.6.0",
	MONGODB_VERSION: "4.4.29",
	DATABASES: "maestro-client maestro-reports maestro-audit impresario",
	RETENTION_DAYS: "14",
	POD_NAME: "backup-29012345-k7x2p",
};

let source: MongodbServer;
let folder: string;
let name: string;
before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-backups-"));
	source = await startMongodb();
	await fill(source);
});
after(async () => {
	await source?.stop();
	rmSync(folder, { recursive: true, force: true });
});

async function fill({ client }: MongodbServer): Promise<void> {
	const servers = client.db("maestro-client").collection("servers");
	await servers.insertMany(
		Array.from({ length: 500 }, (_, i) => ({
			_id: new ObjectId(),
			hostname: `host-${i}`,
			created: new Date(1_700_000_000_000 + i),
			cpu: i,
			memory: Long.fromString("9007199254740993"),
			load: new Double(i / 3),
			tags: [{ key: "naïve", value: "ünïcode ✓" }, null, true],
			facts: new Binary(Buffer.from([0, 1, 255, i % 256])),
		})),
	);
	await servers.createIndex({ hostname: 1 }, { unique: true });
	await client
		.db("maestro-reports")
		.collection("5f0_general")
		.insertMany([{ a: 1 }, { a: 2 }]);
	await client
		.db("maestro-audit")
		.collection("audits")
		.insertOne({ who: "me" });
	await client
		.db("impresario")
		.collection<{ _id: string; done: boolean }>("migrations")
		.insertOne({ _id: "maestroserver/server-maestro:0.6.0", done: true });
}

const backUp = (variables: Record<string, string> = {}) =>
	runScript(backupScript, {
		folder,
		uri: source.uri,
		variables: { ...versions, ...variables },
	});

/** A copy of the backup that may be spoilt, and a server to restore it into. */
async function givenCopy(t: TestContext) {
	const target = await startMongodb();
	t.after(() => target.stop());
	const own = mkdtempSync(join(tmpdir(), "impresario-restore-"));
	t.after(() => rmSync(own, { recursive: true, force: true }));
	cpSync(join(folder, "backups"), join(own, "backups"), { recursive: true });
	const part = (path: string) => join(own, "backups", name, path);
	return {
		target,
		folder: own,
		part,
		restore: (variables: Record<string, string> = {}) =>
			runScript(restoreScript, {
				folder: own,
				uri: target.uri,
				variables: {
					...versions,
					BACKUP: name,
					// mongorestore names the collection in each index, which the stand-in does not take.
					RESTORE_OPTIONS: "--noIndexRestore",
					...variables,
				},
			}),
		async isUntouched() {
			assert.deepEqual(await readAll(target.client), {});
		},
	};
}

test("a backup holds what, when and of which versions, and the SHA-256 of each part", async () => {
	const { exitCode, result, output } = await backUp();
	assert.equal(exitCode, 0, output);
	name = String(result.name);
	assert.match(name, /^\d{8}T\d{6}Z-k7x2p$/);
	const manifest = JSON.parse(
		readFileSync(join(folder, "backups", name, "manifest.json"), "utf8"),
	);
	const { parts, ...told } = manifest;
	assert.deepEqual(
		{ ...told, takenAt: "", bytes: 0 },
		{
			name,
			environment: versions.ENVIRONMENT,
			namespace: versions.NAMESPACE,
			takenAt: "",
			release: "0.6.0",
			image: versions.SERVER_IMAGE,
			maestroVersion: "0.6.0",
			mongodbVersion: "4.4.29",
			scope: "server",
			// The stand-in has none, and the script has asked.
			oplog: false,
			bytes: 0,
		},
	);
	assert.ok(Math.abs(Date.parse(told.takenAt) - Date.now()) < 60_000);
	assert.ok(
		parts.some(
			({ file }: { file: string }) =>
				file === "dump/maestro-client/servers.bson.gz",
		),
	);
	for (const { file, bytes } of parts) {
		assert.equal(statSync(join(folder, "backups", name, file)).size, bytes);
	}
	assert.deepEqual(
		[result.takenAt, result.bytes, result.parts, result.oplog],
		[told.takenAt, told.bytes, parts.length, false],
	);
	const metadata = gunzipSync(
		readFileSync(
			join(
				folder,
				"backups",
				name,
				"dump/maestro-client/servers.metadata.json.gz",
			),
		),
	);
	assert.match(metadata.toString(), /"unique":true/);
	// Passwords and users are the environment's, and not part of it.
	assert.deepEqual(readdirSync(join(folder, "backups", name, "dump")).sort(), [
		"impresario",
		"maestro-audit",
		"maestro-client",
		"maestro-reports",
	]);
});

test("a restore puts it into another server, equal document by document", async (t) => {
	const { target, restore } = await givenCopy(t);
	const { exitCode, result, output } = await restore();
	assert.equal(exitCode, 0, output);
	assert.equal(result.name, name);
	assert.deepEqual(await readAll(target.client), await readAll(source.client));
});

test("a restore replaces what was changed and added since, and may be run twice", async (t) => {
	const { target, restore } = await givenCopy(t);
	await restore();
	const servers = target.client.db("maestro-client").collection("servers");
	await servers.deleteMany({ cpu: { $lt: 100 } });
	await servers
		.updateMany({}, { $set: { hostname: "changed" } })
		.catch(() => {});
	await servers.insertOne({ hostname: "new" });
	for (const round of ["first", "second"]) {
		const { exitCode, output } = await restore();
		assert.equal(exitCode, 0, `${round}: ${output}`);
		assert.deepEqual(
			await readAll(target.client),
			await readAll(source.client),
		);
	}
});

test("of what came after the backup nothing is left, by the names in the one from just before", async (t) => {
	const { target, restore, folder: own } = await givenCopy(t);
	await restore();
	const reports = target.client.db("maestro-reports");
	await reports.collection("later_general").insertOne({ a: 3 });
	await target.client.db("later").collection("own").insertOne({ a: 4 });
	const before = await runScript(backupScript, {
		folder: own,
		uri: target.uri,
		variables: { ...versions, POD_NAME: "backup-bbbbb" },
	});
	assert.equal(before.exitCode, 0, before.output);
	await reports.collection("5f0_general").deleteMany({});
	for (const round of ["first", "second"]) {
		const { exitCode, output } = await restore({
			BEFORE: String(before.result.name),
		});
		assert.equal(exitCode, 0, `${round}: ${output}`);
		const there = Object.entries(await readAll(target.client));
		assert.deepEqual(
			Object.fromEntries(there.filter(([, documents]) => documents.length > 0)),
			await readAll(source.client),
		);
	}
});

test("a restore without the backup from just before that it was told of touches nothing", async (t) => {
	const { restore, isUntouched } = await givenCopy(t);
	const { exitCode, result } = await restore({
		BEFORE: "20200101T000000Z-aaaaa",
	});
	assert.deepEqual([exitCode, result.reason], [1, "missing"]);
	assert.match(String(result.error), /20200101T000000Z-aaaaa/);
	await isUntouched();
});

test("an empty server is backed up and restored", async (t) => {
	const empty = await startMongodb();
	t.after(() => empty.stop());
	const own = mkdtempSync(join(tmpdir(), "impresario-empty-"));
	t.after(() => rmSync(own, { recursive: true, force: true }));
	const made = await runScript(backupScript, {
		folder: own,
		uri: empty.uri,
		variables: versions,
	});
	assert.deepEqual([made.exitCode, made.result.parts], [0, 0], made.output);
	const restored = await runScript(restoreScript, {
		folder: own,
		uri: empty.uri,
		variables: { ...versions, BACKUP: String(made.result.name) },
	});
	assert.equal(restored.exitCode, 0, restored.output);
});

test("a backup with one flipped byte is refused before anything is touched", async (t) => {
	const { part, restore, isUntouched } = await givenCopy(t);
	const file = part("dump/maestro-client/servers.bson.gz");
	const bytes = readFileSync(file);
	const middle = bytes.length >> 1;
	bytes[middle] = (bytes[middle] ?? 0) ^ 1;
	writeFileSync(file, bytes);
	const { exitCode, result } = await restore();
	assert.equal(exitCode, 1);
	assert.equal(result.reason, "damaged");
	assert.match(String(result.error), /servers\.bson\.gz/);
	await isUntouched();
});

test("a truncated part, a missing part and a part too many are refused", async (t) => {
	for (const spoil of [
		(path: string) => truncateSync(path, statSync(path).size - 1),
		(path: string) => rmSync(path),
		(path: string) => writeFileSync(`${path}.more`, "x"),
	]) {
		const { part, restore, isUntouched } = await givenCopy(t);
		spoil(part("dump/maestro-client/servers.bson.gz"));
		const { exitCode, result } = await restore();
		assert.deepEqual([exitCode, result.reason], [1, "damaged"]);
		await isUntouched();
	}
});

test("a manifest that was changed, or is missing, is refused", async (t) => {
	for (const spoil of [
		(path: string) =>
			writeFileSync(
				path,
				readFileSync(path, "utf8").replace('"0.6.0"', '"0.6.1"'),
			),
		(path: string) => truncateSync(path, 100),
		(path: string) => rmSync(path),
	]) {
		const { part, restore, isUntouched } = await givenCopy(t);
		spoil(part("manifest.json"));
		const { exitCode, result } = await restore();
		assert.deepEqual([exitCode, result.reason], [1, "damaged"]);
		await isUntouched();
	}
});

test("a backup of another minor version, of Maestro or of MongoDB, is refused unless it is allowed", async (t) => {
	const { target, restore, isUntouched } = await givenCopy(t);
	for (const [other, words] of [
		[
			{
				SERVER_IMAGE: "maestroserver/server-maestro:0.7.2",
				MAESTRO_VERSION: "0.7.2",
			},
			/Maestro 0\.6\.0, and here runs 0\.7\.2/,
		],
		[{ MONGODB_VERSION: "5.0.1" }, /MongoDB 4\.4\.29, and here runs 5\.0\.1/],
		[
			{ SERVER_IMAGE: "mirror.example/server@sha256:0", MAESTRO_VERSION: "" },
			/not known/,
		],
	] as const) {
		const refused = await restore(other);
		assert.deepEqual(
			[refused.exitCode, refused.result.reason],
			[1, "other_version"],
		);
		assert.match(String(refused.result.error), words);
		await isUntouched();
	}
	const allowed = await restore({
		MAESTRO_VERSION: "0.7.2",
		SERVER_IMAGE: "x:0.7.2",
		ALLOW_OTHER_VERSION: "true",
	});
	assert.equal(allowed.exitCode, 0, allowed.output);
	assert.deepEqual(await readAll(target.client), await readAll(source.client));
});

test("another patch version needs no permission", async (t) => {
	const { restore } = await givenCopy(t);
	const { exitCode, output } = await restore({
		SERVER_IMAGE: "maestroserver/server-maestro:0.6.1",
		MAESTRO_VERSION: "0.6.1",
		MONGODB_VERSION: "4.4.30",
	});
	assert.equal(exitCode, 0, output);
});

test("a backup that is not there, and a name that leads elsewhere, are refused", async (t) => {
	const { restore, isUntouched } = await givenCopy(t);
	for (const BACKUP of ["20200101T000000Z-aaaaa", "", "../secrets", "."]) {
		const { exitCode, result } = await restore({ BACKUP });
		assert.deepEqual([exitCode, result.reason], [1, "missing"], BACKUP);
	}
	await isUntouched();
});

test("backups older than the retention go after a new one was made, and partial ones after a day", async () => {
	const backups = join(folder, "backups");
	const days = (count: number) => new Date(Date.now() - count * 86_400_000);
	for (const [path, age] of [
		["20200101T000000Z-aaaaa", 16],
		["20200102T000000Z-bbbbb", 13],
		[".20200103T000000Z-ccccc.partial", 2],
		[".20200104T000000Z-ddddd.partial", 0],
	] as const) {
		mkdirSync(join(backups, path));
		utimesSync(join(backups, path), days(age), days(age));
	}
	const { exitCode, output } = await backUp({ POD_NAME: "backup-zzzzz" });
	assert.equal(exitCode, 0, output);
	assert.equal(existsSync(join(backups, "20200101T000000Z-aaaaa")), false);
	assert.equal(existsSync(join(backups, "20200102T000000Z-bbbbb")), true);
	assert.equal(
		existsSync(join(backups, ".20200103T000000Z-ccccc.partial")),
		false,
	);
	assert.equal(
		existsSync(join(backups, ".20200104T000000Z-ddddd.partial")),
		true,
	);
});

test("a server that does not answer fails the backup, leaves nothing and betrays no password", async () => {
	const backups = join(folder, "backups");
	const before = readdirSync(backups).sort();
	const { exitCode, result, output } = await runScript(backupScript, {
		folder,
		uri: "mongodb://root:planted-password@127.0.0.1:1/",
		variables: { ...versions, PROBE_SECONDS: "3" },
	});
	assert.deepEqual([exitCode, result.reason], [1, "unreachable"]);
	assert.doesNotMatch(output + JSON.stringify(result), /planted-password/);
	assert.deepEqual(readdirSync(backups).sort(), before);
});
