// A destroy that is asked to leaves the bucket with the backups, marked, and nothing else; without the question it leaves
// nothing. With the service as its users run it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { type Aws, makeAwsProvider, startAws } from "../support/aws.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

let folder: string;
let aws: Aws;
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let admin: Caller;
let tenant: Caller;

before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-kept-"));
	[aws, database] = await Promise.all([startAws(), createTestDatabase()]);
	const { region, accessKeyId, secretAccessKey, endpoint } = aws.access;
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
		variables: {
			TARGET_AWS_REGION: region,
			TARGET_AWS_ACCESS_KEY_ID: accessKeyId,
			TARGET_AWS_SECRET_ACCESS_KEY: secretAccessKey,
			TARGET_AWS_ENDPOINT: endpoint ?? "",
			PULUMI_RESOURCE_AWS_BIN: makeAwsProvider(folder),
		},
	});
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	admin = makeCaller(url, service.adminToken);
	tenant = await givenTenant(admin, url, "acme");
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
		({ Name }) => Name ?? "",
	);
const listUsers = async () =>
	(await aws.iam.send(new iam.ListUsersCommand({}))).Users ?? [];

async function end(answer: {
	readonly status: number;
	readonly body: Record<string, unknown>;
}): Promise<void> {
	assert.equal(answer.status, 202, JSON.stringify(answer.body));
	const operation = await tenant.end(String(answer.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
}

test("the backups are left where that is asked for, and are no leftover", async () => {
	await end(await tenant.call("POST", "/v1/environments", { name: "kept" }));
	assert.equal((await listBuckets()).length, 2);
	await end(
		await tenant.call("DELETE", "/v1/environments/kept?keepBackups=true"),
	);
	const buckets = await listBuckets();
	assert.equal(buckets.length, 1);
	assert.match(buckets[0] ?? "", /-backups$/);
	assert.deepEqual(await listUsers(), []);
	const { body } = await admin.call("GET", "/v1/leftovers");
	// Of the cluster it also tells what belongs to other tests.
	const items = body.items as { kind: string }[];
	assert.deepEqual(
		items.filter(({ kind }) => kind.startsWith("aws:")),
		[],
	);
});

test("and go with the environment where it is not", async () => {
	const before = await listBuckets();
	await end(await tenant.call("POST", "/v1/environments", { name: "gone" }));
	await end(await tenant.call("DELETE", "/v1/environments/gone"));
	assert.deepEqual(await listBuckets(), before);
	assert.deepEqual(await listUsers(), []);
});

test("anything else than true or false is refused", async () => {
	const { status, body } = await tenant.call(
		"DELETE",
		"/v1/environments/none?keepBackups=perhaps",
	);
	assert.equal(status, 400);
	assert.match(JSON.stringify(body.errors), /keepBackups/);
});
