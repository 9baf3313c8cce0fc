// Backups on a target with AWS: the Jobs' own scripts carry them into a bucket and fetch them back, with AWS's own
// command line at the emulator.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import * as s3 from "@aws-sdk/client-s3";
import {
	backupScript,
	downloadScript,
	restoreScript,
	uploadScript,
} from "../../programs/maestro/backup-scripts.ts";
import { type Aws, startAws } from "../support/aws.ts";
import {
	type MongodbServer,
	readAll,
	runScript,
	startMongodb,
} from "../support/mongodb.ts";

const bucket = "impresario-backups";
const versions = {
	ENVIRONMENT: "env_1",
	NAMESPACE: "acme-qa-1-x7k2",
	RELEASE: "0.6.0",
	SERVER_IMAGE: "maestroserver/server-maestro:0.6.0",
	MAESTRO_VERSION: "0.6.0",
	MONGODB_VERSION: "4.4.29",
	DATABASES: "maestro-client",
	RETENTION_DAYS: "14",
	POD_NAME: "backup-k7x2p",
	RESTORE_OPTIONS: "--noIndexRestore",
};

let aws: Aws;
let source: MongodbServer;
let target: MongodbServer;
let name = "";
const folders: string[] = [];
before(async () => {
	[aws, source, target] = await Promise.all([
		startAws(),
		startMongodb(),
		startMongodb(),
	]);
	await aws.s3.send(new s3.CreateBucketCommand({ Bucket: bucket }));
	await source.client
		.db("maestro-client")
		.collection("servers")
		.insertMany(Array.from({ length: 100 }, (_, i) => ({ hostname: `h${i}` })));
});
after(async () => {
	await aws?.stop();
	await source?.stop();
	await target?.stop();
	for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A pod's own volumes, which are gone with it. */
function makeVolumes(): string {
	const folder = mkdtempSync(join(tmpdir(), "impresario-volumes-"));
	folders.push(folder);
	return folder;
}

const runInAws = (
	script: string,
	folder: string,
	variables: Record<string, string> = {},
) =>
	runScript(script, {
		folder,
		path: [dirname(process.env.AWS_CLI_BIN ?? "")],
		variables: {
			BUCKET: bucket,
			AWS_ACCESS_KEY_ID: aws.access.accessKeyId,
			AWS_SECRET_ACCESS_KEY: aws.access.secretAccessKey,
			AWS_DEFAULT_REGION: aws.access.region,
			AWS_ENDPOINT_URL: aws.access.endpoint ?? "",
			...variables,
		},
	});

test("a backup is carried into the bucket, its manifest last, and its result is the Job's", async () => {
	const folder = makeVolumes();
	const made = await runScript(backupScript, {
		folder,
		uri: source.uri,
		variables: { ...versions, RESULT: join(folder, "backups", ".result") },
	});
	assert.equal(made.exitCode, 0, made.output);
	const carried = await runInAws(uploadScript, folder);
	assert.equal(carried.exitCode, 0, carried.output);
	name = String(carried.result.name);
	const { Contents = [] } = await aws.s3.send(
		new s3.ListObjectsV2Command({ Bucket: bucket }),
	);
	const keys = Contents.map(({ Key }) => Key);
	for (const file of [
		"manifest.json",
		"manifest.sha256",
		"dump/maestro-client/servers.bson.gz",
	]) {
		assert.ok(keys.includes(`${name}/${file}`), file);
	}
});

test("another pod fetches it and restores it, equal document by document", async () => {
	const folder = makeVolumes();
	const fetched = await runInAws(downloadScript, folder, { BACKUP: name });
	assert.equal(fetched.exitCode, 0, fetched.output);
	const restored = await runScript(restoreScript, {
		folder,
		uri: target.uri,
		variables: { ...versions, BACKUP: name },
	});
	assert.equal(restored.exitCode, 0, restored.output);
	const documents = await readAll(target.client);
	assert.equal(documents["maestro-client.servers"]?.length, 100);
	assert.deepEqual(documents, await readAll(source.client));
});

test("of what came after the backup nothing is left, by the names that the bucket has of the one from just before", async () => {
	const reports = target.client.db("maestro-reports").collection("later");
	await reports.insertOne({ a: 1 });
	const pod = makeVolumes();
	await runScript(backupScript, {
		folder: pod,
		uri: target.uri,
		variables: { ...versions, RESULT: join(pod, "backups", ".result") },
	});
	const carried = await runInAws(uploadScript, pod);
	assert.equal(carried.exitCode, 0, carried.output);
	const folder = makeVolumes();
	const both = { BACKUP: name, BEFORE: String(carried.result.name) };
	const fetched = await runInAws(downloadScript, folder, both);
	assert.equal(fetched.exitCode, 0, fetched.output);
	const restored = await runScript(restoreScript, {
		folder,
		uri: target.uri,
		variables: { ...versions, ...both },
	});
	assert.equal(restored.exitCode, 0, restored.output);
	assert.equal(await reports.countDocuments(), 0);
	const servers = target.client.db("maestro-client").collection("servers");
	assert.equal(await servers.countDocuments(), 100);
	const none = await runInAws(downloadScript, makeVolumes(), {
		...both,
		BEFORE: "20200101T000000Z-aaaaa",
	});
	assert.deepEqual([none.exitCode, none.result.reason], [1, "missing"]);
});

test("an object that was changed in the bucket is refused", async () => {
	await aws.s3.send(
		new s3.PutObjectCommand({
			Bucket: bucket,
			Key: `${name}/dump/maestro-client/servers.bson.gz`,
			Body: "something else",
		}),
	);
	const folder = makeVolumes();
	await runInAws(downloadScript, folder, { BACKUP: name });
	const { exitCode, result } = await runScript(restoreScript, {
		folder,
		uri: target.uri,
		variables: { ...versions, BACKUP: name },
	});
	assert.deepEqual([exitCode, result.reason], [1, "damaged"]);
});

test("a backup that is not in the bucket, and a bucket that is not there, say so without a secret", async () => {
	const folder = makeVolumes();
	const missing = await runInAws(downloadScript, folder, {
		BACKUP: "20200101T000000Z-aaaaa",
	});
	assert.deepEqual([missing.exitCode, missing.result.reason], [1, "missing"]);
	const noBucket = await runInAws(downloadScript, folder, {
		BACKUP: "20200101T000000Z-aaaaa",
		BUCKET: "nobody-has-this",
	});
	assert.deepEqual([noBucket.exitCode, noBucket.result.reason], [1, "bucket"]);
	assert.doesNotMatch(
		noBucket.output + JSON.stringify(noBucket.result),
		/planted-deployer-secret/,
	);
	assert.equal(existsSync(join(folder, "tmp", "aws")), false);
});
