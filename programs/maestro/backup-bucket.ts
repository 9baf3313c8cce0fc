// Where backups go on a target with AWS: a bucket of their own, and a user who can add to it and cannot take away.
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import type * as pulumi from "@pulumi/pulumi";
import { type AwsAccess, keptTag } from "../../src/domain/aws.ts";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { createBucket, createUser, storageName } from "./aws.ts";
import type { BackupBucket } from "./backups.ts";

export interface BackupBucketPlan {
	readonly provider: pulumi.ProviderResource;
	readonly retentionDays: number;
	/** Leaves the bucket and what it holds when the environment is destroyed. */
	readonly keep: boolean;
}

export function createBackupBucket(
	input: BlueprintInput,
	access: AwsAccess,
	{ provider, retentionDays, keep }: BackupBucketPlan,
): BackupBucket {
	const name = storageName(input.environment, "backups");
	const opts = { provider, retainOnDelete: keep };
	const bucket = createBucket(
		{
			name,
			statements: () => [],
			publicAccess: { toleratesAcls: false, allowsPolicy: false },
			// Tells it from one that was forgotten.
			...(keep ? { tags: { [keptTag]: "true" } } : {}),
			lifecycle: [
				{
					id: "retention",
					status: "Enabled",
					filter: { prefix: "" },
					expiration: { days: retentionDays },
					// For a while an overwritten or deleted backup can be fetched back.
					noncurrentVersionExpiration: { noncurrentDays: 7 },
				},
			],
		},
		opts,
	);
	new BucketVersioning(
		name,
		{
			bucket: bucket.bucket,
			versioningConfiguration: { status: "Enabled" },
		},
		opts,
	);
	// The user goes with the environment in any case.
	const keys = createUser(
		name,
		[
			{
				Effect: "Allow",
				Action: ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
				Resource: `arn:aws:s3:::${name}/*`,
			},
			{
				Effect: "Allow",
				Action: "s3:ListBucket",
				Resource: `arn:aws:s3:::${name}`,
			},
		],
		{ provider },
	);
	return { name, region: access.region, ...keys };
}
