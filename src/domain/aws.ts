// The AWS account and region that a target may have beside its cluster.

export interface AwsAccess {
	readonly region: string;
	/** The deployer's. Secrets; an environment gets keys of its own, never these. */
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	/** Of something else that answers like AWS; null: AWS itself. */
	readonly endpoint: string | null;
}
