import { IAMClient } from "@aws-sdk/client-iam";
import { S3Client } from "@aws-sdk/client-s3";
import type { AwsAccess, Cloud } from "../domain/aws.ts";
import { explain } from "./failures.ts";
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
	return {
		async clearUnknown(request, signal) {
			try {
				return await clearUnknown({ s3, iam, signal }, request);
			} catch (error) {
				throw explain(error, signal);
			}
		},
		close() {
			s3.destroy();
			iam.destroy();
		},
	};
}
