// The types that the stand-in for the AWS provider knows, each by the calls that make it and take it away.
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";

/** As they come over the wire. What each type expects of them stands with it below. */
export type Inputs = Readonly<Record<string, unknown>>;

export interface AwsClients {
	readonly s3: s3.S3Client;
	readonly iam: iam.IAMClient;
	readonly tags: Readonly<Record<string, string>>;
}

interface Configuration {
	readonly region: string;
	readonly accessKey: string;
	readonly secretKey: string;
	/** JSON in text, as all nested values of a provider's configuration. */
	readonly endpoints: string;
	readonly defaultTags: string;
}

export function makeClients(inputs: Inputs): AwsClients {
	const configuration = inputs as unknown as Configuration;
	const [endpoints]: { s3: string; iam: string }[] = JSON.parse(
		configuration.endpoints,
	);
	const common = {
		region: configuration.region,
		credentials: {
			accessKeyId: configuration.accessKey,
			secretAccessKey: configuration.secretKey,
		},
	};
	if (endpoints === undefined) throw new Error("It needs an emulator.");
	return {
		s3: new s3.S3Client({
			...common,
			endpoint: endpoints.s3,
			forcePathStyle: true,
		}),
		iam: new iam.IAMClient({ ...common, endpoint: endpoints.iam }),
		tags: JSON.parse(configuration.defaultTags).tags,
	};
}

interface ResourceType {
	/** Makes it, or, if it is there by the engine's state, makes it as it is to be. */
	apply(
		clients: AwsClients,
		inputs: Inputs,
		isThere: boolean,
	): Promise<{ readonly id: string; readonly outputs: Inputs }>;
	remove(clients: AwsClients, state: Inputs): Promise<void>;
}

const listTags = ({ tags }: AwsClients) =>
	Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

interface Made {
	readonly id: string;
	/** Besides the inputs. */
	readonly outputs?: Inputs;
}

/** A type by its two calls; `I` is what its inputs are. */
const makeType = <I extends object>(
	put: (clients: AwsClients, inputs: I, isThere: boolean) => Promise<Made>,
	remove: (clients: AwsClients, state: I) => Promise<unknown>,
): ResourceType => ({
	async apply(clients, inputs, isThere) {
		const { id, outputs } = await put(clients, inputs as unknown as I, isThere);
		return { id, outputs: { ...inputs, ...outputs } };
	},
	async remove(clients, state) {
		await remove(clients, state as unknown as I);
	},
});

/** A setting of a bucket, which goes with the bucket. */
const setting = <I extends object>(
	put: (
		client: s3.S3Client,
		inputs: I & { bucket: string },
	) => Promise<unknown>,
): ResourceType =>
	makeType<I & { bucket: string }>(
		async (clients, inputs) => {
			await put(clients.s3, inputs);
			return { id: inputs.bucket };
		},
		async () => {},
	);

async function emptyBucket(client: s3.S3Client, Bucket: string): Promise<void> {
	const { Versions = [], DeleteMarkers = [] } = await client.send(
		new s3.ListObjectVersionsCommand({ Bucket }),
	);
	for (const { Key, VersionId } of [...Versions, ...DeleteMarkers]) {
		await client.send(new s3.DeleteObjectCommand({ Bucket, Key, VersionId }));
	}
}

interface LifecycleRule {
	readonly id: string;
	readonly status: s3.ExpirationStatus;
	readonly filter: { readonly prefix: string };
	readonly expiration?: { readonly days: number };
	readonly noncurrentVersionExpiration?: { readonly noncurrentDays: number };
	readonly abortIncompleteMultipartUpload?: {
		readonly daysAfterInitiation: number;
	};
}

const presentLifecycleRule = (rule: LifecycleRule): s3.LifecycleRule => ({
	ID: rule.id,
	Status: rule.status,
	Filter: { Prefix: rule.filter.prefix },
	...(rule.expiration && { Expiration: { Days: rule.expiration.days } }),
	...(rule.noncurrentVersionExpiration && {
		NoncurrentVersionExpiration: {
			NoncurrentDays: rule.noncurrentVersionExpiration.noncurrentDays,
		},
	}),
	...(rule.abortIncompleteMultipartUpload && {
		AbortIncompleteMultipartUpload: {
			DaysAfterInitiation:
				rule.abortIncompleteMultipartUpload.daysAfterInitiation,
		},
	}),
});

interface CorsRule {
	readonly allowedMethods: string[];
	readonly allowedOrigins: string[];
	readonly allowedHeaders: string[];
	readonly exposeHeaders: string[];
	readonly maxAgeSeconds: number;
}

interface EncryptionRule {
	readonly applyServerSideEncryptionByDefault: {
		readonly sseAlgorithm: s3.ServerSideEncryption;
	};
	readonly bucketKeyEnabled: boolean;
}

export const resources: Readonly<Record<string, ResourceType>> = {
	"aws:s3/bucket:Bucket": makeType<{
		bucket: string;
		forceDestroy: boolean;
		tags?: Readonly<Record<string, string>>;
	}>(
		async (clients, { bucket: Bucket, tags }, isThere) => {
			// As the real one: a bucket that is there already is an error (BucketAlreadyOwnedByYou).
			if (!isThere) {
				await clients.s3.send(
					new s3.CreateBucketCommand({
						Bucket,
						CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
					}),
				);
			}
			await clients.s3.send(
				new s3.PutBucketTaggingCommand({
					Bucket,
					Tagging: {
						TagSet: listTags({
							...clients,
							tags: { ...clients.tags, ...tags },
						}),
					},
				}),
			);
			return { id: Bucket, outputs: { arn: `arn:aws:s3:::${Bucket}` } };
		},
		async ({ s3: client }, { bucket: Bucket, forceDestroy }) => {
			if (forceDestroy) await emptyBucket(client, Bucket);
			await client.send(new s3.DeleteBucketCommand({ Bucket }));
		},
	),
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls": setting<{
		rule: { objectOwnership: s3.ObjectOwnership };
	}>((client, { bucket: Bucket, rule }) =>
		client.send(
			new s3.PutBucketOwnershipControlsCommand({
				Bucket,
				OwnershipControls: {
					Rules: [{ ObjectOwnership: rule.objectOwnership }],
				},
			}),
		),
	),
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": setting<{
		blockPublicAcls: boolean;
		ignorePublicAcls: boolean;
		blockPublicPolicy: boolean;
		restrictPublicBuckets: boolean;
	}>((client, inputs) =>
		client.send(
			new s3.PutPublicAccessBlockCommand({
				Bucket: inputs.bucket,
				PublicAccessBlockConfiguration: {
					BlockPublicAcls: inputs.blockPublicAcls,
					IgnorePublicAcls: inputs.ignorePublicAcls,
					BlockPublicPolicy: inputs.blockPublicPolicy,
					RestrictPublicBuckets: inputs.restrictPublicBuckets,
				},
			}),
		),
	),
	"aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
		setting<{ rules: EncryptionRule[] }>((client, { bucket: Bucket, rules }) =>
			client.send(
				new s3.PutBucketEncryptionCommand({
					Bucket,
					ServerSideEncryptionConfiguration: {
						Rules: rules.map((rule) => ({
							ApplyServerSideEncryptionByDefault: {
								SSEAlgorithm:
									rule.applyServerSideEncryptionByDefault.sseAlgorithm,
							},
							BucketKeyEnabled: rule.bucketKeyEnabled,
						})),
					},
				}),
			),
		),
	"aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": setting<{
		rules: LifecycleRule[];
	}>((client, { bucket: Bucket, rules }) =>
		client.send(
			new s3.PutBucketLifecycleConfigurationCommand({
				Bucket,
				LifecycleConfiguration: { Rules: rules.map(presentLifecycleRule) },
			}),
		),
	),
	"aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": setting<{
		corsRules: CorsRule[];
	}>((client, { bucket: Bucket, corsRules }) =>
		client.send(
			new s3.PutBucketCorsCommand({
				Bucket,
				CORSConfiguration: {
					CORSRules: corsRules.map((rule) => ({
						AllowedMethods: rule.allowedMethods,
						AllowedOrigins: rule.allowedOrigins,
						AllowedHeaders: rule.allowedHeaders,
						ExposeHeaders: rule.exposeHeaders,
						MaxAgeSeconds: rule.maxAgeSeconds,
					})),
				},
			}),
		),
	),
	"aws:s3/bucketVersioning:BucketVersioning": setting<{
		versioningConfiguration: { status: s3.BucketVersioningStatus };
	}>((client, { bucket: Bucket, versioningConfiguration }) =>
		client.send(
			new s3.PutBucketVersioningCommand({
				Bucket,
				VersioningConfiguration: { Status: versioningConfiguration.status },
			}),
		),
	),
	"aws:s3/bucketPolicy:BucketPolicy": setting<{ policy: string }>(
		(client, { bucket: Bucket, policy: Policy }) =>
			client.send(new s3.PutBucketPolicyCommand({ Bucket, Policy })),
	),
	"aws:iam/user:User": makeType<{ name: string; path: string }>(
		async (clients, { name: UserName, path: Path }) => {
			const { User } = await clients.iam.send(
				new iam.CreateUserCommand({ UserName, Path, Tags: listTags(clients) }),
			);
			return { id: UserName, outputs: { arn: User?.Arn } };
		},
		({ iam: client }, { name: UserName }) =>
			client.send(new iam.DeleteUserCommand({ UserName })),
	),
	"aws:iam/userPolicy:UserPolicy": makeType<{
		name: string;
		user: string;
		policy: string;
	}>(
		async ({ iam: client }, { name: PolicyName, user: UserName, policy }) => {
			await client.send(
				new iam.PutUserPolicyCommand({
					PolicyName,
					UserName,
					PolicyDocument: policy,
				}),
			);
			return { id: `${UserName}:${PolicyName}` };
		},
		({ iam: client }, { name: PolicyName, user: UserName }) =>
			client.send(new iam.DeleteUserPolicyCommand({ PolicyName, UserName })),
	),
	"aws:iam/accessKey:AccessKey": makeType<{ user: string; id: string }>(
		async ({ iam: client }, { user: UserName }) => {
			const { AccessKey } = await client.send(
				new iam.CreateAccessKeyCommand({ UserName }),
			);
			const id = AccessKey?.AccessKeyId ?? "";
			return { id, outputs: { id, secret: AccessKey?.SecretAccessKey } };
		},
		({ iam: client }, { user: UserName, id: AccessKeyId }) =>
			client.send(new iam.DeleteAccessKeyCommand({ UserName, AccessKeyId })),
	),
};
