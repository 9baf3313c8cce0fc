// What a Pulumi CLI must be told so that it works with this backend.
import { organization } from "./access.ts";

/** Variables for one run of the CLI. The token is a secret: it goes into the environment, never into arguments. */
export function describeClient(options: {
	readonly url: string;
	/** A run's token or a machine token. */
	readonly token: string;
	/** A folder of this run alone: the CLI keeps its token there, by URL, and two runs would overwrite each other's. */
	readonly credentialsPath: string;
}): Record<string, string> {
	return {
		PULUMI_BACKEND_URL: options.url,
		PULUMI_ACCESS_TOKEN: options.token,
		PULUMI_CREDENTIALS_PATH: options.credentialsPath,
		PULUMI_DEFAULT_ORGANIZATION: organization,
		// Every begin and end of a step waits for its batch; with the default of 50 ms a stack of components takes four times as long.
		PULUMI_JOURNALING_BATCH_PERIOD: "2",
		PULUMI_SKIP_UPDATE_CHECK: "true",
	};
}
