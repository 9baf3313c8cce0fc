// Every name that is built from another name is built here.
import { createHash } from "node:crypto";
import { z } from "zod";

/** A DNS label (RFC 1123 §2.1, as Kubernetes uses it) that starts with a letter. */
export const dnsLabel = (max: number) =>
	z
		.string()
		.min(1, "must not be empty")
		.max(max, `must have at most ${max} characters`)
		.regex(
			/^[a-z]([-a-z0-9]*[a-z0-9])?$/,
			"must be a DNS label: lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen",
		);

// A namespace is a DNS label of at most 63 characters: tenant, environment, suffix and two hyphens must fit.
export const tenantNameLength = 24;
export const environmentNameLength = 32;
export const namespaceSuffixLength = 4;

/** The namespace of an environment: readable, and unique through its suffix even when a name is used again. */
export function namespaceName(
	tenant: string,
	environment: string,
	suffix: string,
): string {
	return `${tenant}-${environment}-${suffix}`;
}

/** The Pulumi project that holds the stacks of a blueprint. */
export const projectName = (blueprint: string) => `impresario-${blueprint}`;

/** The Pulumi stack of an environment: its id, which never changes and is never used again. */
export const stackName = (environment: string) => environment.replace("_", "-");

/** The folder in which an operation's run works: the stack's, save for a preview, which may run beside another. */
export const runPlace = (operation: {
	readonly id: string;
	readonly kind: string;
	readonly environment: string;
}): string => {
	const stack = stackName(operation.environment);
	return operation.kind === "preview" ? `${stack}.${operation.id}` : stack;
};

// RFC 1035 §2.3.4. A certificate's wildcard stands for one label, so a host cannot grow by more labels instead.
const labelLength = 63;

/**
 * The host under which one public endpoint of an environment is reached, by the pattern of its target. The client
 * goes without its name. A label that would be too long ends in a digest, which keeps it unique.
 */
export function hostName(
	endpoint: string,
	namespace: string,
	target: { readonly domain: string; readonly hostPattern: string },
): string {
	const pattern =
		endpoint === "client"
			? target.hostPattern.replace(/\{endpoint\}[-.]|[-.]?\{endpoint\}/, "")
			: target.hostPattern;
	const labels = pattern
		.replace(/\.\{domain\}$/, "")
		.replace("{endpoint}", endpoint)
		.replace("{namespace}", namespace)
		.split(".");
	return [...labels.map(shortenLabel), target.domain].join(".");
}

function shortenLabel(label: string): string {
	if (label.length <= labelLength) return label;
	const digest = createHash("sha256").update(label).digest("hex").slice(0, 10);
	return `${label.slice(0, labelLength - digest.length - 1)}-${digest}`;
}

/** What an environment keeps in AWS: a bucket for each, and a user of that name. Programs use the same names. */
export const storagePurposes = ["uploads", "backups"] as const;

/** The name of a bucket and of its user: free in all of AWS, because an environment's id is random. */
export const storageName = (
	environment: string,
	purpose: (typeof storagePurposes)[number],
) => `impresario-${environment.replaceAll("_", "-")}-${purpose}`;

/** The Job that makes or restores a backup on demand. `run` is a DNS label. */
export const backupJobName = (kind: "backup" | "restore", run: string) =>
	`${kind}-${run}`;

/** The Job that verifies an environment for one owner of an operation. `run` is a DNS label. */
export const verifyJobName = (run: string) => `verify-${run}`;

export const storageNamePrefix = "impresario-env-";

/** The way back from `storageName`; undefined for what is not named by it. */
export function readStorageName(
	name: string,
): { readonly environment: string; readonly purpose: string } | undefined {
	const [, random, purpose] =
		/^impresario-env-([0-9a-z]{20})-([a-z]+)$/.exec(name) ?? [];
	return random === undefined || purpose === undefined
		? undefined
		: { environment: `env_${random}`, purpose };
}
