// The AWS account and region that a target may have beside its cluster.
import { z } from "zod";

/** As somebody writes it down, in JSON. */
export const awsAccess = z.strictObject({
	region: z
		.string()
		.regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region of AWS"),
	accessKeyId: z.string().min(1),
	secretAccessKey: z.string().min(1),
	endpoint: z
		.url({ protocol: /^https?$/ })
		.nullable()
		.default(null),
});

export interface AwsAccess {
	readonly region: string;
	/** The deployer's. Secrets; an environment gets keys of its own, never these. */
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	/** Of something else that answers like AWS; null: AWS itself. */
	readonly endpoint: string | null;
}

/** What the engine's state does not know of, although it belongs to the environment. */
export interface UnknownStorage {
	/** The engine's type. */
	readonly kind: string;
	readonly name: string;
}

export interface UnknownRequest {
	readonly environment: string;
	/** Whether the engine's state knows something of this type and id. */
	readonly isKnown: (type: string, id: string) => boolean;
	/** Leaves buckets with backups alone. */
	readonly keepBackups: boolean;
}

/** Something of an environment's in an account. */
export interface OwnedStorage {
	/** The engine's type. */
	readonly kind: typeof bucketType | typeof userType;
	readonly name: string;
	/** The id of the environment that the name tells of. */
	readonly environment: string;
}

export interface CopyRequest {
	/** Names of buckets. */
	readonly from: string;
	readonly to: string;
	/** The same in both. */
	readonly folder: string;
	/** The object in it that is copied when all others are there: what makes the folder valid. */
	readonly last: string;
}

/** An account, as this service looks at it. Throws `unavailable` (retryable) when AWS does not answer, `not_set_up` when it refuses. */
export interface Cloud {
	/**
	 * Deletes what an interrupted run made for an environment and could not write down: nothing refers to it, and under
	 * its name nothing else could be made. A bucket that holds anything stays. Returns what it deleted.
	 */
	clearUnknown(
		request: UnknownRequest,
		signal: AbortSignal,
	): Promise<readonly UnknownStorage[]>;
	/** All buckets and users of the account that are named as those of environments are. */
	listOwned(signal: AbortSignal): Promise<readonly OwnedStorage[]>;
	/** What of an environment's is there, asked for by name: no right to list the account is needed. */
	findOwned(
		environment: string,
		signal: AbortSignal,
	): Promise<readonly OwnedStorage[]>;
	/** Whether a bucket was left on purpose when its environment was destroyed: its tag `keptTag` says so. */
	isKept(bucket: string, signal: AbortSignal): Promise<boolean>;
	/** Copies what is in a folder of a bucket into another bucket of the account. Returns how many objects that were. */
	copyFolder(request: CopyRequest, signal: AbortSignal): Promise<number>;
	close(): void;
}

export const bucketType = "aws:s3/bucket:Bucket";
export const userType = "aws:iam/user:User";
export const userPolicyType = "aws:iam/userPolicy:UserPolicy";
export const accessKeyType = "aws:iam/accessKey:AccessKey";

/** On a bucket that outlives its environment. Its value is "true". */
export const keptTag = "kept";
