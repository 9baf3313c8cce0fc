// What in an account is named as the buckets and users of environments are. A name tells whose it is: the environment's
// id is in it, and is random.
import {
	GetUserCommand,
	type IAMClient,
	ListUsersCommand,
} from "@aws-sdk/client-iam";
import {
	GetBucketTaggingCommand,
	HeadBucketCommand,
	ListBucketsCommand,
	type S3Client,
} from "@aws-sdk/client-s3";
import {
	bucketType,
	keptTag,
	type OwnedStorage,
	userType,
} from "../domain/aws.ts";
import {
	readStorageName,
	storageName,
	storageNamePrefix,
	storagePurposes,
} from "../domain/names.ts";
import { isMissing } from "./failures.ts";

export interface Asking {
	readonly s3: S3Client;
	readonly iam: IAMClient;
	readonly signal: AbortSignal;
}

/** See `Cloud.listOwned`. */
export async function listOwned(asking: Asking): Promise<OwnedStorage[]> {
	const [buckets, users] = await Promise.all([
		listBuckets(asking),
		listUsers(asking),
	]);
	return [...buckets, ...users];
}

const pick = (
	kind: OwnedStorage["kind"],
	names: readonly (string | undefined)[],
): OwnedStorage[] =>
	names.flatMap((name = "") => {
		const environment = readStorageName(name)?.environment;
		return environment === undefined ? [] : [{ kind, name, environment }];
	});

async function listBuckets({ s3, signal }: Asking): Promise<OwnedStorage[]> {
	const found: OwnedStorage[] = [];
	let next: string | undefined;
	do {
		const page = await s3.send(
			new ListBucketsCommand({
				Prefix: storageNamePrefix,
				ContinuationToken: next,
				MaxBuckets: 1_000,
			}),
			{ abortSignal: signal },
		);
		found.push(
			...pick(
				bucketType,
				(page.Buckets ?? []).map(({ Name }) => Name),
			),
		);
		next = page.ContinuationToken;
	} while (next);
	return found;
}

async function listUsers({ iam, signal }: Asking): Promise<OwnedStorage[]> {
	const found: OwnedStorage[] = [];
	let next: string | undefined;
	do {
		const page = await iam.send(
			new ListUsersCommand({ PathPrefix: "/impresario/", Marker: next }),
			{ abortSignal: signal },
		);
		found.push(
			...pick(
				userType,
				(page.Users ?? []).map(({ UserName }) => UserName),
			),
		);
		next = page.IsTruncated ? page.Marker : undefined;
	} while (next);
	return found;
}

/** See `Cloud.findOwned`. */
export async function findOwned(
	{ s3, iam, signal }: Asking,
	environment: string,
): Promise<OwnedStorage[]> {
	const abort = { abortSignal: signal };
	const found = await Promise.all(
		storagePurposes.flatMap((purpose) => {
			const name = storageName(environment, purpose);
			const bucket = s3.send(new HeadBucketCommand({ Bucket: name }), abort);
			const user = iam.send(new GetUserCommand({ UserName: name }), abort);
			return [
				keepIfThere(bucket, { kind: bucketType, name, environment }),
				keepIfThere(user, { kind: userType, name, environment }),
			];
		}),
	);
	return found.flat();
}

async function keepIfThere(
	asked: Promise<unknown>,
	storage: OwnedStorage,
): Promise<OwnedStorage[]> {
	try {
		await asked;
		return [storage];
	} catch (error) {
		if (isMissing(error)) return [];
		throw error;
	}
}

/** See `Cloud.isKept`. */
export async function isKept(
	{ s3, signal }: Pick<Asking, "s3" | "signal">,
	Bucket: string,
): Promise<boolean> {
	try {
		const { TagSet = [] } = await s3.send(
			new GetBucketTaggingCommand({ Bucket }),
			{ abortSignal: signal },
		);
		return TagSet.some(({ Key, Value }) => Key === keptTag && Value === "true");
	} catch (error) {
		if (isMissing(error)) return false;
		throw error;
	}
}
