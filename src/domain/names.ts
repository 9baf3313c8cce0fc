// Every name that is built from another name is built here.
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

/** The host under which one public endpoint of an environment is reached. */
export function hostName(
	endpoint: string,
	namespace: string,
	domain: string,
): string {
	return endpoint === "client"
		? `${namespace}.${domain}`
		: `${endpoint}.${namespace}.${domain}`;
}

/** The Job that makes or restores a backup on demand. `run` is a DNS label. */
export const backupJobName = (kind: "backup" | "restore", run: string) =>
	`${kind}-${run}`;

/** The Job that verifies an environment in one attempt of an operation. `run` is a DNS label. */
export const verifyJobName = (run: string) => `verify-${run}`;
