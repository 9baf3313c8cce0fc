// A backup is carried from one environment's bucket into another's by AWS itself; asked of an emulator with AWS's API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as s3 from "@aws-sdk/client-s3";
import { makeCloud } from "../../src/aws/connect.ts";
import type { Cloud } from "../../src/domain/aws.ts";
import { Failure } from "../../src/failure.ts";
import { type Aws, startAws } from "../support/aws.ts";

const { signal } = new AbortController();
const folder = "20260102T030405Z-abcde";
const request = { from: "one", to: "other", folder, last: "manifest.json" };
const parts = Array.from(
	{ length: 20 },
	(_, i) => `${folder}/dump/maestro-client/part ${i} + ü%.bson.gz`,
);

let aws: Aws;
let cloud: Cloud;
before(async () => {
	aws = await startAws();
	cloud = makeCloud(aws.access);
	for (const Bucket of ["one", "other"])
		await aws.s3.send(
			new s3.CreateBucketCommand({
				Bucket,
				CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
			}),
		);
	for (const Key of [
		`${folder}/manifest.json`,
		...parts,
		`${folder}-of-another/manifest.json`,
	])
		await aws.s3.send(
			new s3.PutObjectCommand({ Bucket: "one", Key, Body: `body of ${Key}` }),
		);
});
after(async () => {
	cloud?.close();
	await aws?.stop();
});

const list = async () =>
	(
		(await aws.s3.send(new s3.ListObjectsV2Command({ Bucket: "other" })))
			.Contents ?? []
	).map(({ Key = "", LastModified }) => ({ key: Key, at: LastModified }));

test("the whole folder is copied, whatever its objects are called, and no other", async () => {
	assert.equal(await cloud.copyFolder(request, signal), parts.length + 1);
	const copied = await list();
	assert.deepEqual(
		copied.map(({ key }) => key).sort(),
		[...parts, `${folder}/manifest.json`].sort(),
	);
	const { Body } = await aws.s3.send(
		new s3.GetObjectCommand({ Bucket: "other", Key: parts[3] }),
	);
	assert.equal(await Body?.transformToString(), `body of ${parts[3]}`);
});

test("what makes it valid is copied last", async () => {
	const copied = await list();
	const manifest = copied.find(({ key }) => key.endsWith("manifest.json"));
	for (const { key, at } of copied)
		assert.ok(
			(at?.getTime() ?? 0) <= (manifest?.at?.getTime() ?? 0),
			`${key} is newer`,
		);
});

test("copied again it is the same", async () => {
	assert.equal(await cloud.copyFolder(request, signal), parts.length + 1);
	assert.equal((await list()).length, parts.length + 1);
});

test("of a folder or a bucket that is gone nothing is copied", async () => {
	for (const change of [{ folder: "none" }, { from: "no-such-bucket" }])
		assert.equal(await cloud.copyFolder({ ...request, ...change }, signal), 0);
});

test("a bucket that cannot be written to is told of", async () => {
	await assert.rejects(
		cloud.copyFolder({ ...request, to: "no-such-bucket" }, signal),
		(error) => error instanceof Failure && error.code === "unavailable",
	);
});
