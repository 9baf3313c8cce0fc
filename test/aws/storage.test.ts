// What a target with AWS gives an environment, made by the real CLI at an emulator with AWS's API: buckets, users and
// keys with the properties that are promised, and nothing of them left after a destroy.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import { createAwsProvider } from "../../programs/maestro/aws.ts";
import { createBackupBucket } from "../../programs/maestro/backup-bucket.ts";
import { createUploads } from "../../programs/maestro/uploads.ts";
import { type AwsAccess, keptTag } from "../../src/domain/aws.ts";
import type { Engine, EngineRun } from "../../src/domain/engine.ts";
import { makeEngine } from "../../src/engine/pulumi.ts";
import {
	givenFolder,
	givenHooks,
	givenInput,
	givenRun,
	outputs,
} from "../engine/given.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { type Aws, makeAwsProvider, startAws } from "../support/aws.ts";
import { makeFileState } from "../support/file-state.ts";

const uploads = "impresario-env-00000000000000000001-uploads";
const backups = "impresario-env-00000000000000000001-backups";

let aws: Aws;
before(async () => {
	aws = await startAws();
});
after(() => aws?.stop());

/** An engine whose program is what the topology declares in AWS. */
async function given(
	t: TestContext,
	options: { readonly keep?: boolean; readonly access?: AwsAccess } = {},
): Promise<{ engine: Engine; run: EngineRun; folder: string }> {
	const folder = await givenFolder(t);
	const { access = aws.access, keep = false } = options;
	const engine = makeEngine({
		pulumiBin,
		pluginBin,
		awsPluginBin: makeAwsProvider(folder),
		pulumiHome: join(folder, "home"),
		workRoot: join(folder, "work"),
		state: makeFileState({
			root: join(folder, "state"),
			passphrase: "planted-passphrase",
		}),
		environment: process.env,
		findProgram: () => (input) => async () => {
			const provider = createAwsProvider(input, access);
			createUploads(input, access, { endpoints: outputs.endpoints, provider });
			createBackupBucket(input, access, { provider, retentionDays: 14, keep });
			return outputs;
		},
	});
	return { engine, run: givenRun({ input: givenInput() }), folder };
}

const listBuckets = async () =>
	((await aws.s3.send(new s3.ListBucketsCommand({}))).Buckets ?? []).map(
		({ Name }) => Name,
	);
const listUsers = async () =>
	((await aws.iam.send(new iam.ListUsersCommand({}))).Users ?? []).map(
		({ UserName }) => UserName,
	);

interface Statement {
	readonly Sid?: string;
	readonly Effect: string;
	readonly Principal?: string;
	readonly Action: string | string[];
	readonly Resource: string | string[];
}

test("buckets, users and keys come with what is promised of them, and go with a destroy", async (t) => {
	const { engine, run, folder } = await given(t);
	const outcome = await engine.up(run, givenHooks());
	assert.ok(outcome.changes.create >= 20, JSON.stringify(outcome.changes));
	assert.deepEqual((await listBuckets()).sort(), [backups, uploads]);

	await t.test(
		"both buckets are encrypted, tagged, and refuse plain HTTP",
		async () => {
			for (const Bucket of [uploads, backups]) {
				const { ServerSideEncryptionConfiguration } = await aws.s3.send(
					new s3.GetBucketEncryptionCommand({ Bucket }),
				);
				assert.equal(
					ServerSideEncryptionConfiguration?.Rules?.[0]
						?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm,
					"AES256",
				);
				const { TagSet = [] } = await aws.s3.send(
					new s3.GetBucketTaggingCommand({ Bucket }),
				);
				const tags = Object.fromEntries(
					TagSet.map(({ Key, Value }) => [Key, Value]),
				);
				assert.deepEqual(tags, {
					tenant: "acme",
					environment: "env_00000000000000000001",
					"environment-name": "qa-1",
					"managed-by": "impresario",
				});
				const deny = (await readPolicy(Bucket)).find(
					({ Effect }) => Effect === "Deny",
				);
				assert.deepEqual(deny?.Resource, [
					`arn:aws:s3:::${Bucket}`,
					`arn:aws:s3:::${Bucket}/*`,
				]);
			}
		},
	);

	await t.test(
		"of the uploads only images of users and teams are public, by policy and never by ACL",
		async () => {
			const allowed = (await readPolicy(uploads)).filter(
				({ Effect }) => Effect === "Allow",
			);
			assert.equal(allowed.length, 1);
			assert.equal(allowed[0]?.Action, "s3:GetObject");
			assert.deepEqual(
				allowed[0]?.Resource,
				["users", "teams"].flatMap((folder) =>
					["jpg", "gif", "png"].map(
						(type) => `arn:aws:s3:::${uploads}/${folder}/*.${type}`,
					),
				),
			);
			assert.deepEqual(await readBlock(uploads), {
				BlockPublicAcls: false,
				IgnorePublicAcls: true,
				BlockPublicPolicy: false,
				RestrictPublicBuckets: false,
			});
		},
	);

	await t.test(
		"a browser may put a file from the client's origin",
		async () => {
			const { CORSRules = [] } = await aws.s3.send(
				new s3.GetBucketCorsCommand({ Bucket: uploads }),
			);
			assert.deepEqual(CORSRules[0]?.AllowedOrigins, [
				outputs.endpoints.client,
			]);
			assert.ok(CORSRules[0]?.AllowedMethods?.includes("PUT"));
		},
	);

	await t.test(
		"the backups are versioned, shut to the public and kept for the retention",
		async () => {
			const { Status } = await aws.s3.send(
				new s3.GetBucketVersioningCommand({ Bucket: backups }),
			);
			assert.equal(Status, "Enabled");
			assert.deepEqual(await readBlock(backups), {
				BlockPublicAcls: true,
				IgnorePublicAcls: true,
				BlockPublicPolicy: true,
				RestrictPublicBuckets: true,
			});
			const { Rules = [] } = await aws.s3.send(
				new s3.GetBucketLifecycleConfigurationCommand({ Bucket: backups }),
			);
			const retention = Rules.find(({ ID }) => ID === "retention");
			assert.equal(retention?.Expiration?.Days, 14);
		},
	);

	await t.test(
		"each user may do his one thing, and has one key that works",
		async () => {
			assert.deepEqual((await listUsers()).sort(), [backups, uploads]);
			const rights = await Promise.all(
				[uploads, backups].map(async (UserName) => {
					const { PolicyDocument = "" } = await aws.iam.send(
						new iam.GetUserPolicyCommand({ UserName, PolicyName: UserName }),
					);
					const { Statement } = JSON.parse(decodeURIComponent(PolicyDocument));
					return (Statement as Statement[]).map(
						({ Effect, Action, Resource }) => ({
							Effect,
							Action,
							Resource,
						}),
					);
				}),
			);
			assert.deepEqual(rights, [
				[
					{
						Effect: "Allow",
						Action: [
							"s3:GetObject",
							"s3:PutObject",
							"s3:PutObjectAcl",
							"s3:DeleteObject",
						],
						Resource: `arn:aws:s3:::${uploads}/*`,
					},
				],
				[
					{
						Effect: "Allow",
						Action: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
						Resource: `arn:aws:s3:::${backups}/*`,
					},
					{
						Effect: "Allow",
						Action: "s3:ListBucket",
						Resource: `arn:aws:s3:::${backups}`,
					},
				],
			]);
			for (const UserName of [uploads, backups]) {
				const { AccessKeyMetadata = [] } = await aws.iam.send(
					new iam.ListAccessKeysCommand({ UserName }),
				);
				assert.deepEqual(
					AccessKeyMetadata.map(({ Status }) => Status),
					["Active"],
				);
			}
		},
	);

	await t.test("the deployer's secret is in no file in plain", () => {
		const files = readdirSync(folder, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name));
		assert.ok(files.some((file) => file.includes("/state/")));
		for (const file of files) {
			assert.ok(!readFileSync(file).includes("planted-deployer-secret"), file);
		}
	});

	await t.test("a second run changes nothing", async () => {
		const { changes } = await engine.up(run, givenHooks());
		assert.deepEqual(
			[changes.create, changes.update, changes.replace, changes.delete],
			[0, 0, 0, 0],
		);
	});

	await put(uploads, "users/1/a.png");
	await engine.destroy(run, givenHooks());
	assert.deepEqual(await listBuckets(), []);
	assert.deepEqual(await listUsers(), []);
});

test("backups that are to be kept stay when the environment is destroyed, and the user who could write them does not", async (t) => {
	const { engine, run } = await given(t, { keep: true });
	await engine.up(run, givenHooks());
	await put(backups, "one/manifest.json");
	await engine.destroy(run, givenHooks());
	assert.deepEqual(await listBuckets(), [backups]);
	assert.deepEqual(await listUsers(), []);
	const { TagSet = [] } = await aws.s3.send(
		new s3.GetBucketTaggingCommand({ Bucket: backups }),
	);
	assert.ok(
		TagSet.some(({ Key, Value }) => Key === keptTag && Value === "true"),
	);
	const { Contents = [] } = await aws.s3.send(
		new s3.ListObjectsV2Command({ Bucket: backups }),
	);
	assert.deepEqual(
		Contents.map(({ Key }) => Key),
		["one/manifest.json"],
	);
});

/** The emulator knows no conditions: to it, the policy that demands TLS forbids everything. */
async function put(Bucket: string, Key: string): Promise<void> {
	await aws.s3.send(new s3.DeleteBucketPolicyCommand({ Bucket }));
	await aws.s3.send(new s3.PutObjectCommand({ Bucket, Key, Body: "x" }));
}

async function readPolicy(Bucket: string): Promise<Statement[]> {
	const { Policy = "{}" } = await aws.s3.send(
		new s3.GetBucketPolicyCommand({ Bucket }),
	);
	return JSON.parse(Policy).Statement;
}

const readBlock = async (Bucket: string) =>
	(await aws.s3.send(new s3.GetPublicAccessBlockCommand({ Bucket })))
		.PublicAccessBlockConfiguration;
