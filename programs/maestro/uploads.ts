// Where uploads go on a target with AWS: a bucket, and a user who may use it. Maestro takes keys only, not the
// identity of a pod.
import { BucketCorsConfiguration } from "@pulumi/aws/s3/bucketCorsConfiguration.js";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { AwsAccess } from "../../src/domain/aws.ts";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import type { Endpoints } from "../../src/domain/environment.ts";
import type { ProcessName } from "../../src/domain/release.ts";
import { createBucket, createUser, type Keys, storageName } from "./aws.ts";
import { labelsOf } from "./conventions.ts";
import { processes } from "./processes.ts";
import { createSecretVariable } from "./secrets.ts";

type EnvVar = kubernetes.types.input.core.v1.EnvVar;

const storingProcesses = processes
	.filter(({ keepsFiles }) => keepsFiles)
	.map(({ name }) => name);

/** Said of an environment whose target has no AWS. */
export const localUploadsWarning = `Uploads stay in the containers of ${storingProcesses.join(" and ")}, which therefore run once each and lose them when they are replaced: the target has no AWS account.`;

export interface Uploads extends Keys {
	readonly bucket: string;
	readonly region: string;
}

// Server keeps images and private files (json, csv, txt) side by side below the folder of what they belong to; only
// their names tell them apart (server-app, core/repositories/uploaderS3Repository.js and maps/mapFileType.js).
// analytics-front keeps graphs below `graphs-bussiness/` and serves them itself.
const imageFolders = ["users", "teams"];
const imageTypes = ["jpg", "gif", "png"];

export function createUploads(
	input: BlueprintInput,
	access: AwsAccess,
	{
		endpoints,
		provider,
	}: {
		readonly endpoints: Endpoints;
		readonly provider: pulumi.ProviderResource;
	},
): Uploads {
	const name = storageName(input.environment, "uploads");
	const opts = { provider };
	const bucket = createBucket(
		{
			name,
			statements: (arn) => [
				{
					Sid: "ReadImages",
					Effect: "Allow",
					Principal: "*",
					Action: "s3:GetObject",
					Resource: imageFolders.flatMap((folder) =>
						imageTypes.map((type) => `${arn}/${folder}/*.${type}`),
					),
				},
			],
			// The URLs that server signs ask for an ACL. It is taken and not obeyed: the policy decides.
			publicAccess: { toleratesAcls: true, allowsPolicy: true },
			lifecycle: [],
		},
		opts,
	);
	new BucketCorsConfiguration(
		name,
		{
			bucket: bucket.bucket,
			corsRules: [
				{
					// The browser puts a file by a signed URL.
					allowedMethods: ["PUT", "GET"],
					allowedOrigins: [endpoints.client],
					allowedHeaders: ["*"],
					exposeHeaders: ["ETag"],
					maxAgeSeconds: 3000,
				},
			],
		},
		opts,
	);
	const keys = createUser(
		name,
		[
			{
				Effect: "Allow",
				Action: [
					"s3:GetObject",
					"s3:PutObject",
					// A signed PUT with an ACL needs it.
					"s3:PutObjectAcl",
					"s3:DeleteObject",
				],
				Resource: `arn:aws:s3:::${name}/*`,
			},
		],
		opts,
	);
	return { bucket: name, region: access.region, ...keys };
}

const secretName = "uploads";
const keyNames = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;

/** The Secret from which the processes take their key. */
export function createUploadsSecret(uploads: Uploads): void {
	new kubernetes.core.v1.Secret(secretName, {
		metadata: {
			name: secretName,
			labels: labelsOf({ name: secretName, component: "secret" }),
		},
		type: "Opaque",
		stringData: pulumi.secret({
			AWS_ACCESS_KEY_ID: uploads.accessKeyId,
			AWS_SECRET_ACCESS_KEY: uploads.secretAccessKey,
		}),
	});
}

/** What the processes concerned must be told besides what they are always told. */
export function listUploadVariables(
	process: ProcessName,
	{ bucket, region }: Pick<Uploads, "bucket" | "region">,
): EnvVar[] {
	if (process === "client") {
		return [
			{
				name: "STATIC_URL",
				value: `https://${bucket}.s3.${region}.amazonaws.com/`,
			},
		];
	}
	if (!storingProcesses.includes(process)) return [];
	return [
		{ name: "MAESTRO_UPLOAD_TYPE", value: "S3" },
		{ name: "AWS_S3_BUCKET_NAME", value: bucket },
		// Upstream documents the first and its SDK reads the second.
		{ name: "AWS_DEFAULT_REGION", value: region },
		{ name: "AWS_REGION", value: region },
		...keyNames.map((key) =>
			createSecretVariable(key, { secret: secretName, key }),
		),
	];
}
