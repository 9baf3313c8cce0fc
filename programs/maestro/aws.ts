// What everything in AWS has in common: the one provider with its tags, buckets that nobody may read, and users that
// may do one thing. Modules are imported one by one: the whole package takes seconds to load.
import { AccessKey } from "@pulumi/aws/iam/accessKey.js";
import { User } from "@pulumi/aws/iam/user.js";
import { UserPolicy } from "@pulumi/aws/iam/userPolicy.js";
import { Provider } from "@pulumi/aws/provider.js";
import { Bucket } from "@pulumi/aws/s3/bucket.js";
import { BucketLifecycleConfiguration } from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import { BucketOwnershipControls } from "@pulumi/aws/s3/bucketOwnershipControls.js";
import { BucketPolicy } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import type { s3 } from "@pulumi/aws/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { AwsAccess } from "../../src/domain/aws.ts";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { tagsOf } from "./conventions.ts";

export function createAwsProvider(
	input: BlueprintInput,
	access: AwsAccess,
): Provider {
	const { endpoint } = access;
	return new Provider("aws", {
		region: access.region,
		accessKey: pulumi.secret(access.accessKeyId),
		secretKey: pulumi.secret(access.secretAccessKey),
		defaultTags: { tags: tagsOf(input) },
		skipMetadataApiCheck: true,
		...(endpoint === null
			? {}
			: {
					endpoints: [{ s3: endpoint, iam: endpoint, sts: endpoint }],
					// Names of buckets as hosts need a DNS that only AWS has.
					s3UsePathStyle: true,
					skipCredentialsValidation: true,
					skipRequestingAccountId: true,
				}),
	});
}

/** Names that are free in all of AWS, because an environment's id is random. */
export function storageName(environment: string, purpose: string): string {
	return `impresario-${environment.replaceAll("_", "-")}-${purpose}`;
}

export interface BucketPlan {
	readonly name: string;
	/** Statements besides the one that demands TLS. */
	readonly statements: (arn: string) => readonly object[];
	readonly publicAccess: {
		/** Takes a request that asks for a public object, and does not obey it. */
		readonly toleratesAcls: boolean;
		/** Lets the bucket's policy make something public. */
		readonly allowsPolicy: boolean;
	};
	readonly lifecycle: readonly s3.BucketLifecycleConfigurationRule[];
	/** Besides those that everything has. */
	readonly tags?: Readonly<Record<string, string>>;
}

/** A bucket that is encrypted, answers over TLS only, and is public in nothing but what its policy says. */
export function createBucket(
	plan: BucketPlan,
	opts: pulumi.CustomResourceOptions,
): Bucket {
	const { name, publicAccess } = plan;
	// What it holds goes with it; without this AWS keeps a bucket that is not empty.
	const bucket = new Bucket(
		name,
		{
			bucket: name,
			forceDestroy: true,
			...(plan.tags === undefined ? {} : { tags: plan.tags }),
		},
		opts,
	);
	const of = { bucket: bucket.bucket };
	new BucketOwnershipControls(
		name,
		{
			...of,
			rule: {
				objectOwnership: publicAccess.toleratesAcls
					? "BucketOwnerPreferred"
					: "BucketOwnerEnforced",
			},
		},
		opts,
	);
	const block = new BucketPublicAccessBlock(
		name,
		{
			...of,
			blockPublicAcls: !publicAccess.toleratesAcls,
			ignorePublicAcls: true,
			blockPublicPolicy: !publicAccess.allowsPolicy,
			restrictPublicBuckets: !publicAccess.allowsPolicy,
		},
		opts,
	);
	new BucketServerSideEncryptionConfiguration(
		name,
		{
			...of,
			rules: [
				{
					applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" },
					bucketKeyEnabled: true,
				},
			],
		},
		opts,
	);
	new BucketLifecycleConfiguration(
		name,
		{
			...of,
			rules: [
				{
					id: "abandoned-uploads",
					status: "Enabled",
					filter: { prefix: "" },
					abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
				},
				...plan.lifecycle,
			],
		},
		opts,
	);
	const arn = `arn:aws:s3:::${name}`;
	new BucketPolicy(
		name,
		{
			...of,
			policy: makePolicy([demandTls(arn), ...plan.statements(arn)]),
		},
		// A policy that makes something public is refused before the block is lifted.
		{ ...opts, dependsOn: [block] },
	);
	return bucket;
}

const demandTls = (arn: string) => ({
	Sid: "DemandTls",
	Effect: "Deny",
	Principal: "*",
	Action: "s3:*",
	Resource: [arn, `${arn}/*`],
	Condition: { Bool: { "aws:SecureTransport": "false" } },
});

const makePolicy = (statements: readonly object[]): string =>
	JSON.stringify({ Version: "2012-10-17", Statement: statements });

export interface Keys {
	readonly accessKeyId: pulumi.Output<string>;
	readonly secretAccessKey: pulumi.Output<string>;
}

/** A user who may do what the statements say and nothing else, and a key of his. */
export function createUser(
	name: string,
	statements: readonly object[],
	opts: pulumi.CustomResourceOptions,
): Keys {
	const user = new User(
		name,
		{ name, path: "/impresario/", forceDestroy: true },
		opts,
	);
	new UserPolicy(
		name,
		{ name, user: user.name, policy: makePolicy(statements) },
		opts,
	);
	const key = new AccessKey(name, { user: user.name }, opts);
	return { accessKeyId: key.id, secretAccessKey: pulumi.secret(key.secret) };
}
