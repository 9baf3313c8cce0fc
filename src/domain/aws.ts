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
