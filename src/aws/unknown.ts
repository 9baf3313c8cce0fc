// What a run that was cut off may have left in AWS. A create is in the engine's state only once its answer was written
// down: before that a bucket or a user may be there, unknown, and the next create of that name is refused; of an access
// key there would be a second one that nobody can use. Names say whose they are, and tags must not say otherwise.
import {
	DeleteAccessKeyCommand,
	DeleteUserCommand,
	DeleteUserPolicyCommand,
	GetUserCommand,
	type IAMClient,
	ListAccessKeysCommand,
	ListUserPoliciesCommand,
} from "@aws-sdk/client-iam";
import {
	DeleteBucketCommand,
	GetBucketTaggingCommand,
	HeadBucketCommand,
	type S3Client,
} from "@aws-sdk/client-s3";
import {
	accessKeyType,
	bucketType,
	type UnknownRequest,
	type UnknownStorage,
	userPolicyType,
	userType,
} from "../domain/aws.ts";
import { storageName, storagePurposes } from "../domain/names.ts";
import { isMissing } from "./failures.ts";

export interface Account {
	readonly s3: S3Client;
	readonly iam: IAMClient;
	readonly signal: AbortSignal;
}

interface Tag {
	readonly Key: string | undefined;
	readonly Value: string | undefined;
}

/** See `Cloud.clearUnknown`. */
export async function clearUnknown(
	account: Account,
	request: UnknownRequest,
): Promise<readonly UnknownStorage[]> {
	const cleared = await Promise.all(
		storagePurposes.flatMap((purpose) => {
			const name = storageName(request.environment, purpose);
			const isKept = request.keepBackups && purpose === "backups";
			return [
				isKept ? [] : clearBucket(account, request, name),
				clearUser(account, request, name),
			];
		}),
	);
	return cleared.flat();
}

async function clearBucket(
	{ s3, signal }: Account,
	{ environment, isKnown }: UnknownRequest,
	Bucket: string,
): Promise<UnknownStorage[]> {
	if (isKnown(bucketType, Bucket)) return [];
	const abort = { abortSignal: signal };
	const found = await findIfThere(
		s3.send(new HeadBucketCommand({ Bucket }), abort),
	);
	if (found === undefined) return [];
	// It may have been cut off before it was tagged.
	const tags = await findIfThere(
		s3.send(new GetBucketTaggingCommand({ Bucket }), abort),
	);
	if (!mayBeOf(environment, tags?.TagSet)) return [];
	try {
		await s3.send(new DeleteBucketCommand({ Bucket }), abort);
	} catch (error) {
		// Then somebody has used it, and it is not for us to decide.
		if (error instanceof Error && error.name === "BucketNotEmpty") return [];
		if (!isMissing(error)) throw error;
	}
	return [{ kind: bucketType, name: Bucket }];
}

async function clearUser(
	account: Account,
	{ environment, isKnown }: UnknownRequest,
	UserName: string,
): Promise<UnknownStorage[]> {
	const { iam, signal } = account;
	const abort = { abortSignal: signal };
	const found = await findIfThere(
		iam.send(new GetUserCommand({ UserName }), abort),
	);
	if (found === undefined || !mayBeOf(environment, found.User?.Tags)) return [];
	const cleared = await clearKeys(account, isKnown, UserName);
	cleared.push(...(await clearPolicies(account, isKnown, UserName)));
	if (isKnown(userType, UserName)) return cleared;
	await iam.send(new DeleteUserCommand({ UserName }), abort);
	return [...cleared, { kind: userType, name: UserName }];
}

/** The secret of a key is told once, to who makes it: one that the engine does not know is of no use to anybody. */
async function clearKeys(
	{ iam, signal }: Account,
	isKnown: UnknownRequest["isKnown"],
	UserName: string,
): Promise<UnknownStorage[]> {
	const abort = { abortSignal: signal };
	const { AccessKeyMetadata = [] } = await iam.send(
		new ListAccessKeysCommand({ UserName }),
		abort,
	);
	const unknown = AccessKeyMetadata.filter(
		({ AccessKeyId = "" }) => !isKnown(accessKeyType, AccessKeyId),
	);
	for (const { AccessKeyId } of unknown) {
		await iam.send(
			new DeleteAccessKeyCommand({ UserName, AccessKeyId }),
			abort,
		);
	}
	return unknown.map(() => ({ kind: accessKeyType, name: UserName }));
}

/** A user with a policy cannot be deleted (IAM: DeleteConflict), neither by us nor by an engine that does not know it. */
async function clearPolicies(
	{ iam, signal }: Account,
	isKnown: UnknownRequest["isKnown"],
	UserName: string,
): Promise<UnknownStorage[]> {
	const abort = { abortSignal: signal };
	const { PolicyNames = [] } = await iam.send(
		new ListUserPoliciesCommand({ UserName }),
		abort,
	);
	const unknown = PolicyNames.filter(
		(name) => !isKnown(userPolicyType, `${UserName}:${name}`),
	);
	for (const PolicyName of unknown) {
		await iam.send(
			new DeleteUserPolicyCommand({ UserName, PolicyName }),
			abort,
		);
	}
	return unknown.map(() => ({ kind: userPolicyType, name: UserName }));
}

async function findIfThere<T>(answer: Promise<T>): Promise<T | undefined> {
	try {
		return await answer;
	} catch (error) {
		if (isMissing(error)) return undefined;
		throw error;
	}
}

/** A tag of another environment says that it is not ours, whatever its name. */
function mayBeOf(
	environment: string,
	tags: readonly Tag[] | undefined,
): boolean {
	const owner = tags?.find(({ Key }) => Key === "environment")?.Value;
	return owner === undefined || owner === environment;
}
