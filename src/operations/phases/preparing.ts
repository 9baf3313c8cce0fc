// Loads what is wished for, opens the secrets and connects to the target.
import type { AwsAccess } from "../../domain/aws.ts";
import type { Environment } from "../../domain/environment.ts";
import { projectName, runPlace, stackName } from "../../domain/names.ts";
import type { Parameters } from "../../domain/parameters.ts";
import { type Secrets, secretNames } from "../../domain/secret.ts";
import type { BlueprintName } from "../../domain/spec.ts";
import { Failure } from "../../failure.ts";
import { open } from "../../seal.ts";
import { loadBundle } from "../../store/bundles.ts";
import {
	loadEnvironment,
	loadEnvironmentTarget,
} from "../../store/environments.ts";
import { loadRevision, type StoredRevision } from "../../store/revisions.ts";
import { listSealedSecrets } from "../../store/secrets.ts";
import { loadTarget, loadTargetAccess } from "../../store/targets.ts";
import { loadParameters, secretPlace } from "../parameters.ts";
import { loadPlanned } from "../preview.ts";
import { targetPlace } from "../target.ts";
import type { Work } from "../work.ts";

export async function prepare(work: Work): Promise<void> {
	const { tools, operation } = work;
	const environment = await loadEnvironment(tools.db, operation.environment);
	const { number, revision, parameters } = await loadAim(work, environment);
	const targetId = await loadEnvironmentTarget(tools.db, environment.id);
	const target = await loadTarget(tools.db, targetId);
	const access = await loadTargetAccess(tools.db, targetId);
	const kubeconfig = open(
		tools.sealKey,
		targetPlace(target.name),
		access.kubeconfig,
	);

	work.findings.environment = environment;
	work.findings.cluster = tools.connectCluster(kubeconfig);
	const stack = stackName(environment.id);
	const place = runPlace(operation);
	work.findings.run = {
		project: projectName(environment.blueprint),
		stack,
		state: tools.engineState.describe(work.lease, place),
		place,
		blueprint: {
			name: environment.blueprint as BlueprintName,
			version: revision.blueprintVersion,
		},
		...(revision.digest !== null && {
			bundle: await loadBundle(tools.db, revision.digest),
		}),
		input: {
			environment: environment.id,
			environmentName: environment.name,
			tenant: environment.tenant,
			namespace: environment.namespace,
			revision: number,
			keepBackups: operation.keepsBackups,
			size: revision.size,
			release: revision.release,
			labels: environment.labels,
			parameters,
			secrets: await openSecrets(work),
			target: {
				kubeconfig,
				clusterIdentifier: access.clusterIdentifier,
				domain: target.domain,
				ingressClass: target.ingressClass,
				storageClass: target.storageClass,
				aws:
					access.aws === null
						? null
						: (JSON.parse(
								open(
									tools.sealKey,
									targetPlace(target.name, "aws"),
									access.aws,
								),
							) as AwsAccess),
				settings: target.settings,
				pullSecret:
					access.pullSecret &&
					open(
						tools.sealKey,
						targetPlace(target.name, "pull-secret"),
						access.pullSecret,
					),
			},
		},
	};
}

/** What the operation brings the environment to. */
interface Aim {
	readonly number: number;
	readonly revision: Pick<
		StoredRevision,
		"blueprintVersion" | "release" | "size" | "power" | "digest"
	>;
	readonly parameters: Parameters;
}

async function loadAim(
	{ tools, operation }: Work,
	{ id, desiredRevision }: Environment,
): Promise<Aim> {
	if (operation.kind === "preview") {
		// No revision is made of what is only looked at.
		const { preview, planned } = await loadPlanned(tools, operation);
		const { number, wish, power } = planned;
		const digest = preview.programDigest;
		const { parameters } = wish;
		return { number, revision: { ...wish, power, digest }, parameters };
	}
	// A destroy runs the program of the newest revision, because only it names what there is.
	const number = operation.revisionTo ?? desiredRevision;
	const revision = await loadRevision(tools.db, id, number);
	const parameters = await loadParameters(tools, id, revision);
	return { number, revision, parameters };
}

async function openSecrets({ tools, operation }: Work): Promise<Secrets> {
	const sealed = await listSealedSecrets(tools.db, operation.environment);
	const entries = secretNames.map((name) => {
		const value = sealed.get(name);
		if (value === undefined) {
			throw new Failure({
				code: "internal",
				message: `The environment has no secret ${name}.`,
				untouched: "Nothing in the cluster was touched.",
			});
		}
		const place = secretPlace(operation.environment, name);
		return [name, open(tools.sealKey, place, value)];
	});
	return Object.fromEntries(entries) as Secrets;
}
