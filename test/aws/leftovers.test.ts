// What an account has of environments, told by its names; asked of an emulator with AWS's API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { makeCloud } from "../../src/aws/connect.ts";
import { bucketType, type Cloud, userType } from "../../src/domain/aws.ts";
import { storageName } from "../../src/domain/names.ts";
import { Failure } from "../../src/failure.ts";
import { type Aws, startAws } from "../support/aws.ts";

const environment = "env_00000000000000000001";
const another = "env_00000000000000000002";
const uploads = storageName(environment, "uploads");
const backups = storageName(environment, "backups");
const { signal } = new AbortController();

let aws: Aws;
let cloud: Cloud;
before(async () => {
	aws = await startAws();
	cloud = makeCloud(aws.access);
	for (const Bucket of [uploads, backups, "somebody-elses"]) {
		await createBucket(Bucket);
	}
	await aws.s3.send(
		new s3.PutBucketTaggingCommand({
			Bucket: backups,
			Tagging: { TagSet: [{ Key: "kept", Value: "true" }] },
		}),
	);
	for (const [UserName, Path] of [
		[uploads, "/impresario/"],
		[storageName(another, "uploads"), "/impresario/"],
		["somebody", "/"],
	] as const) {
		await aws.iam.send(new iam.CreateUserCommand({ UserName, Path }));
	}
});
after(async () => {
	cloud?.close();
	await aws?.stop();
});

const createBucket = (Bucket: string) =>
	aws.s3.send(
		new s3.CreateBucketCommand({
			Bucket,
			CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
		}),
	);
const sort = (names: readonly { kind: string; name: string }[]) =>
	names.map(({ kind, name }) => `${kind} ${name}`).sort();

test("buckets and users of environments are listed, and nobody else's", async () => {
	const found = await cloud.listOwned(signal);
	assert.deepEqual(sort(found), [
		`${userType} ${uploads}`,
		`${userType} ${storageName(another, "uploads")}`,
		`${bucketType} ${backups}`,
		`${bucketType} ${uploads}`,
	]);
	assert.deepEqual(
		new Set(found.map((one) => one.environment)),
		new Set([environment, another]),
	);
});

test("what one environment has is found by its names", async () => {
	assert.deepEqual(sort(await cloud.findOwned(environment, signal)), [
		`${userType} ${uploads}`,
		`${bucketType} ${backups}`,
		`${bucketType} ${uploads}`,
	]);
	assert.deepEqual(
		await cloud.findOwned("env_00000000000000000003", signal),
		[],
	);
});

test("only a bucket that says so is kept on purpose", async () => {
	assert.equal(await cloud.isKept(backups, signal), true);
	assert.equal(await cloud.isKept(uploads, signal), false);
	assert.equal(await cloud.isKept("there-is-none", signal), false);
});

test("users of more than one page are all listed", async () => {
	const ids = Array.from(
		{ length: 120 },
		(_, i) => `env_p${String(i).padStart(19, "0")}`,
	);
	for (const id of ids) {
		const UserName = storageName(id, "backups");
		await aws.iam.send(
			new iam.CreateUserCommand({ UserName, Path: "/impresario/" }),
		);
	}
	const found = await cloud.listOwned(signal);
	assert.equal(
		found.filter(({ environment }) => ids.includes(environment)).length,
		ids.length,
	);
});

test("an account that does not answer is told as such", async () => {
	const away = makeCloud({ ...aws.access, endpoint: "http://127.0.0.1:1" });
	await assert.rejects(
		away.findOwned(environment, signal),
		(error) => error instanceof Failure && error.code === "unavailable",
	);
	away.close();
});
