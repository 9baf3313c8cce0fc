// The topology under the plain Pulumi CLI, by Pulumi.yaml: the operator's way out when there is no service. All that
// the service would say stands in the stack's configuration:
//
//   pulumi stack init qa-1
//   pulumi config set domain maestro.example              hosts are below it
//   pulumi config set --secret kubeconfig "$(cat kubeconfig)"
//   pulumi config set --secret secrets "$(cat secrets.json)"      every name of src/domain/secret.ts, 32 random bytes each
//   pulumi config set size ha
//   pulumi preview
//
// Optional: tenant, environment, namespace, release (a built-in one's name), images (a whole release as JSON),
// labels (JSON), parameters (JSON, see src/domain/parameters.ts; with --secret where they hold one), revision,
// clusterIdentifier, ingressClass, storageClass, target (JSON, see src/domain/target.ts), pullSecret (--secret, a Docker
// configuration), aws (--secret, JSON, see src/domain/aws.ts), keepBackups, power (on or hibernated). Upgrading a stack that the service made
// needs the same values, `environment` and `aws` among them: the first marks what belongs together, and without the
// second the buckets would be deleted.
import * as pulumi from "@pulumi/pulumi";
import { type AwsAccess, awsAccess } from "../src/domain/aws.ts";
import type { BlueprintInput } from "../src/domain/blueprint.ts";
import {
	builtInReleases,
	defaultRelease,
	type Release,
	releaseImages,
} from "../src/domain/release.ts";
import { type Secrets, secretNames } from "../src/domain/secret.ts";
import { environmentSpec, powers } from "../src/domain/spec.ts";
import { type TargetSettings, targetSettings } from "../src/domain/target.ts";
import { createProgram } from "./maestro/blueprint.ts";

const secretKeys = ["kubeconfig", "secrets"];
const config = new pulumi.Config();

const { endpoints, checks, pods, warnings } = await createProgram(
	readInput(),
)();

// The stack's outputs.
export { checks, endpoints, pods, warnings };

function readInput(): BlueprintInput {
	const spec = environmentSpec.safeParse({
		name: pulumi.getStack(),
		size: config.get("size"),
		labels: config.getObject("labels"),
		parameters: readParameters(),
	});
	if (!spec.success) throw refuse(spec.error.issues);
	const tenant = config.get("tenant") ?? "standalone";
	const { name, size, labels, parameters } = spec.data;
	return {
		environment: config.get("environment") ?? `standalone-${name}`,
		environmentName: name,
		tenant,
		namespace: config.get("namespace") ?? `${tenant}-${name}`,
		revision: config.getNumber("revision") ?? 1,
		size,
		release: readRelease(),
		labels,
		parameters,
		secrets: readSecrets(),
		target: {
			kubeconfig: readText("kubeconfig"),
			clusterIdentifier: config.get("clusterIdentifier") ?? "standalone",
			domain: readText("domain"),
			ingressClass: config.get("ingressClass") ?? null,
			storageClass: config.get("storageClass") ?? null,
			settings: readSettings(),
			pullSecret:
				pulumi.runtime.getConfig(`${pulumi.getProject()}:pullSecret`) ?? null,
			aws: readAws(),
		},
		keepBackups: config.getBoolean("keepBackups") ?? false,
		power: config.get("power", { allowedValues: [...powers] }) ?? "on",
	};
}

/** Secrets too, as text: the program marks as secret what is secret, and `requireSecret` would give it only after the declaring. */
function readText(key: string): string {
	const text = pulumi.runtime.getConfig(`${pulumi.getProject()}:${key}`);
	if (text !== undefined) return text;
	throw new pulumi.RunError(
		`The configuration lacks ${key}. Set it with: pulumi config set ${secretKeys.includes(key) ? "--secret " : ""}${key} …`,
	);
}

/** As JSON. Some of them are secrets, so all may be set as one. */
function readParameters(): unknown {
	const text = pulumi.runtime.getConfig(`${pulumi.getProject()}:parameters`);
	return text === undefined ? undefined : JSON.parse(text);
}

function readAws(): AwsAccess | null {
	const text = pulumi.runtime.getConfig(`${pulumi.getProject()}:aws`);
	if (text === undefined) return null;
	const access = awsAccess.safeParse(JSON.parse(text));
	if (access.success) return access.data;
	throw refuse(access.error.issues);
}

function readSettings(): TargetSettings {
	const settings = targetSettings.safeParse(config.getObject("target") ?? {});
	if (settings.success) return settings.data;
	throw refuse(settings.error.issues);
}

function readSecrets(): Secrets {
	const values = JSON.parse(readText("secrets")) as Partial<Secrets>;
	const short = secretNames.filter((name) => (values[name] ?? "").length < 43);
	if (short.length === 0) return values as Secrets;
	throw new pulumi.RunError(
		`In the configuration's "secrets", these are missing or shorter than 43 characters, which 32 random bytes take: ${short.join(", ")}.`,
	);
}

function readRelease(): Release {
	const name = config.get("release") ?? defaultRelease;
	const images = config.getObject<unknown>("images");
	if (images !== undefined) {
		const parsed = releaseImages.safeParse(images);
		if (!parsed.success) throw refuse(parsed.error.issues);
		return { name, images: parsed.data };
	}
	const release = builtInReleases.find((known) => known.name === name);
	if (release !== undefined) return release;
	throw new pulumi.RunError(
		`There is no built-in release "${name}". Set its images: pulumi config set images '{"server": …}'`,
	);
}

function refuse(
	issues: readonly { readonly path: PropertyKey[]; readonly message: string }[],
): pulumi.RunError {
	const lines = issues.map(({ path, message }) =>
		`${path.join("/")} ${message}`.trim(),
	);
	return new pulumi.RunError(
		`The configuration is wrong: ${lines.join("; ")}.`,
	);
}
