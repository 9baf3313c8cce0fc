// The engine is killed when AWS has made something and the engine has not heard of it. The operation goes on by itself,
// or the environment is destroyed, and nothing is left over. With the service as its users run it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as program from "../../programs/maestro/aws.ts";
import { makeCloud } from "../../src/aws/connect.ts";
import { accessKeyType, bucketType, userType } from "../../src/domain/aws.ts";
import { storageName, storagePurposes } from "../../src/domain/names.ts";
import { type Aws, makeAwsProvider, startAws } from "../support/aws.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
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

let folder: string;
let aws: Aws;
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;
let ordered = 0;

before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-interrupted-"));
	[aws, database] = await Promise.all([startAws(), createTestDatabase()]);
	const { region, accessKeyId, secretAccessKey, endpoint } = aws.access;
	const variables = {
		TARGET_AWS_REGION: region,
		TARGET_AWS_ACCESS_KEY_ID: accessKeyId,
		TARGET_AWS_SECRET_ACCESS_KEY: secretAccessKey,
		TARGET_AWS_ENDPOINT: endpoint ?? "",
		PULUMI_RESOURCE_AWS_BIN: makeAwsProvider(folder),
	};
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
		variables,
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
	await database?.close();
	await aws?.stop();
	rmSync(folder, { recursive: true, force: true });
});

const listBuckets = async () =>
	((await aws.s3.send(new s3.ListBucketsCommand({}))).Buckets ?? []).map(
		({ Name = "" }) => Name,
	);
const listUsers = async () =>
	((await aws.iam.send(new iam.ListUsersCommand({}))).Users ?? []).map(
		({ UserName = "" }) => UserName,
	);
const listKeys = async (UserName: string) =>
	(await aws.iam.send(new iam.ListAccessKeysCommand({ UserName })))
		.AccessKeyMetadata ?? [];

/** What there is of each type, by name. */
const lists: Record<string, () => Promise<readonly unknown[]>> = {
	[bucketType]: listBuckets,
	[userType]: listUsers,
	[accessKeyType]: async () =>
		(await Promise.all((await listUsers()).map(listKeys))).flat(),
};

/** Pulumi CLIs whose parents lead to this process. */
function killEngine(): void {
	const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], {
		encoding: "utf8",
	})
		.split("\n")
		.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
		.filter((match) => match !== null)
		.map(([, pid, ppid, args]) => ({
			pid: Number(pid),
			ppid: Number(ppid),
			args,
		}));
	const descends = (pid: number): boolean => {
		const row = rows.find((one) => one.pid === pid);
		return row !== undefined && (row.ppid === worker.pid || descends(row.ppid));
	};
	const engines = rows.filter(
		({ pid, args = "" }) => /\/pulumi .*\bup\b/.test(args) && descends(pid),
	);
	assert.equal(engines.length, 1);
	for (const { pid } of engines) process.kill(pid, "SIGKILL");
}

const hold = (type: string) => writeFileSync(join(folder, "held"), type);
const release = () => rmSync(join(folder, "held"), { force: true });

/** Orders an environment, and kills the engine once AWS has made what the engine is not told of. */
async function interrupt(type: string): Promise<{
	readonly operation: string;
	readonly environment: string;
}> {
	hold(type);
	const { body } = await tenant.call("POST", "/v1/environments", {
		name: `cut-${ordered++}`,
	});
	await until(
		`AWS has made two of ${type}`,
		async () => (await lists[type]?.())?.length === 2,
	);
	killEngine();
	return { operation: String(body.id), environment: String(body.environment) };
}

async function destroy(environment: string): Promise<void> {
	const { body } = await tenant.call(
		"DELETE",
		`/v1/environments/${environment}`,
	);
	const ended = await tenant.end(String(body.id));
	assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
	assert.deepEqual(await listBuckets(), []);
	assert.deepEqual(await listUsers(), []);
}

test("service and program call the storage of an environment by the same names", () => {
	for (const purpose of storagePurposes) {
		assert.equal(
			storageName("env_00000000000000000001", purpose),
			program.storageName("env_00000000000000000001", purpose),
		);
	}
});

for (const type of sample(
	[bucketType, userType, accessKeyType],
	(type) => type === accessKeyType,
)) {
	test(`an engine killed when AWS has made a ${type} unheard: the operation goes on by itself, and nothing is left after a destroy`, async () => {
		const { operation, environment } = await interrupt(type);
		release();
		const ended = await tenant.end(operation);
		assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
		assert.equal(ended.attempt, 2);
		for (const user of await listUsers()) {
			assert.equal((await listKeys(user)).length, 1, "no key is left over");
		}
		const events = await tenant.follow(operation);
		const cleared = events.filter(
			(event) => event.type === "resource.deleted" && event.data.kind === type,
		);
		assert.equal(cleared.length, 2);
		await destroy(environment);
	});

	test(`the same with a ${type}, cancelled: a destroy leaves nothing over`, async () => {
		const { operation, environment } = await interrupt(type);
		await tenant.call("POST", `/v1/operations/${operation}:cancel`);
		const ended = await tenant.end(operation);
		assert.equal(ended.state, "cancelled");
		release();
		await destroy(environment);
	});
}

test("what another environment's tag is on, or what holds anything, is left alone", async () => {
	const environment = "env_00000000000000000009";
	const [uploads, backups] = storagePurposes.map((purpose) =>
		storageName(environment, purpose),
	);
	const location = {
		CreateBucketConfiguration: { LocationConstraint: "eu-central-1" as const },
	};
	for (const Bucket of [uploads, backups]) {
		await aws.s3.send(new s3.CreateBucketCommand({ Bucket, ...location }));
	}
	await aws.s3.send(
		new s3.PutBucketTaggingCommand({
			Bucket: uploads,
			Tagging: { TagSet: [{ Key: "environment", Value: "env_other" }] },
		}),
	);
	await aws.s3.send(
		new s3.PutObjectCommand({ Bucket: backups, Key: "a", Body: "x" }),
	);
	await aws.iam.send(
		new iam.CreateUserCommand({
			UserName: uploads,
			Tags: [{ Key: "environment", Value: "env_other" }],
		}),
	);
	const cloud = makeCloud(aws.access);
	const cleared = await cloud.clearUnknown(
		{ environment, isKnown: () => false, keepBackups: false },
		AbortSignal.timeout(10_000),
	);
	cloud.close();
	assert.deepEqual(cleared, []);
	assert.deepEqual((await listBuckets()).sort(), [backups, uploads]);
	assert.deepEqual(await listUsers(), [uploads]);
});
