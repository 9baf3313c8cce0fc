// Copies a backup from one environment's bucket into another's. AWS does the copying; nothing passes through here.
import {
	CopyObjectCommand,
	ListObjectsV2Command,
	type S3Client,
} from "@aws-sdk/client-s3";
import type { CopyRequest } from "../domain/aws.ts";
import { Failure } from "../failure.ts";
import { isMissing } from "./failures.ts";

interface Asking {
	readonly s3: S3Client;
	readonly signal: AbortSignal;
}

interface Found {
	readonly key: string;
	readonly bytes: number;
}

/** What S3 copies at once. A backup has a part for each collection, compressed: a larger one is told of. */
const largestCopyBytes = 5 * 1024 ** 3;
const sideBySide = 8;

/** See `Cloud.copyFolder`. */
export async function copyFolder(
	asking: Asking,
	request: CopyRequest,
): Promise<number> {
	const found = await listFolder(asking, request);
	const tooLarge = found.find(({ bytes }) => bytes > largestCopyBytes);
	if (tooLarge !== undefined) {
		throw new Failure({
			code: "backup_failed",
			message: `The backup has a part of ${tooLarge.bytes} bytes, ${tooLarge.key}, and S3 copies no more than ${largestCopyBytes} at once.`,
			untouched: "Nothing was copied. The backup is as it was.",
			advice: "Make the copy without data, and carry the data over by hand.",
		});
	}
	const isLast = ({ key }: Found) =>
		key === `${request.folder}/${request.last}`;
	const rest = found.filter((one) => !isLast(one));
	for (let start = 0; start < rest.length; start += sideBySide) {
		const batch = rest.slice(start, start + sideBySide);
		await Promise.all(batch.map((one) => copyObject(asking, request, one)));
	}
	for (const one of found.filter(isLast))
		await copyObject(asking, request, one);
	return found.length;
}

async function listFolder(
	{ s3, signal }: Asking,
	{ from, folder }: CopyRequest,
): Promise<Found[]> {
	const found: Found[] = [];
	let next: string | undefined;
	try {
		do {
			const page = await s3.send(
				new ListObjectsV2Command({
					Bucket: from,
					Prefix: `${folder}/`,
					ContinuationToken: next,
				}),
				{ abortSignal: signal },
			);
			for (const { Key, Size } of page.Contents ?? [])
				if (Key !== undefined) found.push({ key: Key, bytes: Size ?? 0 });
			next = page.NextContinuationToken;
		} while (next);
	} catch (error) {
		// The bucket went with its environment.
		if (isMissing(error)) return [];
		throw error;
	}
	return found;
}

async function copyObject(
	{ s3, signal }: Asking,
	{ from, to }: CopyRequest,
	{ key }: Found,
): Promise<void> {
	await s3.send(
		new CopyObjectCommand({
			Bucket: to,
			Key: key,
			// A source is part of a URL.
			CopySource: `${from}/${key.split("/").map(encodeURIComponent).join("/")}`,
		}),
		{ abortSignal: signal },
	);
}
