// Keeps a target, its credentials sealed.
import type { AwsAccess } from "../domain/aws.ts";
import {
	domainName,
	type Target,
	type TargetSettings,
	targetSettings,
} from "../domain/target.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { saveTarget, type TargetAccess } from "../store/targets.ts";

/** Where a credential of a target is kept; it opens only there. */
export const targetPlace = (
	name: string,
	what: "kubeconfig" | "pull-secret" | "aws" = "kubeconfig",
) => `targets/${name}/${what}`;

export interface TargetDescription {
	readonly name: string;
	readonly kubeconfig: string;
	readonly clusterIdentifier: string;
	readonly domain: string;
	readonly ingressClass: string | null;
	readonly storageClass: string | null;
	/** What is not said has its default. */
	readonly settings?: Readonly<Partial<Record<keyof TargetSettings, unknown>>>;
	/** Text of a Docker configuration (`config.json`) with credentials for the registry. */
	readonly pullSecret?: string | undefined;
	/** The AWS account in which its environments get buckets. */
	readonly aws?: AwsAccess | undefined;
}

/**
 * Makes the target or brings it up to date: a cluster may get another address or other credentials. Throws
 * `not_set_up`, naming what is wrong, before anything is written.
 */
export async function registerTarget(
	context: { readonly db: Db; readonly sealKey: SealKey },
	target: TargetDescription,
): Promise<Target> {
	const { name, kubeconfig, pullSecret, aws } = target;
	const { sealKey } = context;
	const settings = readSettings(target);
	if (pullSecret !== undefined) checkPullSecret(name, pullSecret);
	return saveTarget(context.db, {
		...target,
		settings,
		kubeconfig: seal(sealKey, targetPlace(name), kubeconfig),
		pullSecret:
			pullSecret === undefined
				? null
				: seal(sealKey, targetPlace(name, "pull-secret"), pullSecret),
		aws:
			aws === undefined
				? null
				: seal(sealKey, targetPlace(name, "aws"), JSON.stringify(aws)),
	});
}

function readSettings({ name, domain, settings }: TargetDescription) {
	const domains = domainName.safeParse(domain);
	const parsed = targetSettings.safeParse(settings ?? {});
	const issues = [
		...(domains.error?.issues ?? []).map((issue) => `domain ${issue.message}`),
		...(parsed.error?.issues ?? []).map(
			({ path, message }) => `${path.join("/")} ${message}`,
		),
	];
	if (parsed.success && issues.length === 0) return parsed.data;
	throw refuse(name, issues.join("; "));
}

/** kubelet takes it as it is, and says nothing of use about one that it cannot read. */
function checkPullSecret(name: string, text: string): void {
	try {
		const { auths } = JSON.parse(text);
		if (typeof auths === "object" && auths !== null) return;
	} catch {
		// Said below, without the text: it is a secret.
	}
	throw refuse(
		name,
		'the pull secret is no Docker configuration: JSON with "auths" is wanted, as `docker login` writes it',
	);
}

const refuse = (name: string, what: string): Failure =>
	new Failure({
		code: "not_set_up",
		message: `The target ${name} is described wrongly: ${what}.`,
		untouched: "The target was left as it was.",
		advice: "Correct the description and start again.",
	});

/** The credentials of a target, opened. Throws when they were sealed with another key. */
export function openTarget(
	sealKey: SealKey,
	name: string,
	access: Pick<TargetAccess, "kubeconfig" | "aws">,
): { readonly kubeconfig: string; readonly aws: AwsAccess | null } {
	return {
		kubeconfig: open(sealKey, targetPlace(name), access.kubeconfig),
		aws:
			access.aws &&
			JSON.parse(open(sealKey, targetPlace(name, "aws"), access.aws)),
	};
}
