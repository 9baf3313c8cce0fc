import { IAMClient } from "@aws-sdk/client-iam";
import { S3Client } from "@aws-sdk/client-s3";
import type { AwsAccess, Cloud } from "../domain/aws.ts";
import { Failure } from "../failure.ts";
import { copyFolder } from "./copy.ts";
import { explain } from "./failures.ts";
import { findOwned, isKept, listOwned } from "./owned.ts";
import { clearUnknown } from "./unknown.ts";

/** The account of a target. Nothing is asked of it yet. */
export function makeCloud(access: AwsAccess): Cloud {
	const { region, accessKeyId, secretAccessKey, endpoint } = access;
	const common = {
		region,
		credentials: { accessKeyId, secretAccessKey },
		...(endpoint !== null && { endpoint }),
	};
	const s3 = new S3Client({ ...common, forcePathStyle: endpoint !== null });
	const iam = new IAMClient(common);
	const ask = async <T>(signal: AbortSignal, asked: Promise<T>): Promise<T> => {
		try {
			return await asked;
		} catch (error) {
			throw error instanceof Failure ? error : explain(error, signal);
		}
	};
	return {
		clearUnknown: (request, signal) =>
			ask(signal, clearUnknown({ s3, iam, signal }, request)),
		listOwned: (signal) => ask(signal, listOwned({ s3, iam, signal })),
		findOwned: (environment, signal) =>
			ask(signal, findOwned({ s3, iam, signal }, environment)),
		isKept: (bucket, signal) => ask(signal, isKept({ s3, signal }, bucket)),
		copyFolder: (request, signal) =>
			ask(signal, copyFolder({ s3, signal }, request)),
		close() {
			s3.destroy();
			iam.destroy();
		},
	};
}
