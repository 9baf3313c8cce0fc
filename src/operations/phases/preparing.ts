// Loads what is wished for, opens the secrets and connects to the target.
import type { AwsAccess } from "../../domain/aws.ts";
import { projectName, stackName } from "../../domain/names.ts";
import { type Secrets, secretNames } from "../../domain/secret.ts";
import type { BlueprintName } from "../../domain/spec.ts";
import { Failure } from "../../failure.ts";
import { open } from "../../seal.ts";
import { loadBundle } from "../../store/bundles.ts";
import {
	loadEnvironment,
	loadEnvironmentTarget,
} from "../../store/environments.ts";
import { loadRevision } from "../../store/revisions.ts";
import { listSealedSecrets } from "../../store/secrets.ts";
import { loadTarget, loadTargetAccess } from "../../store/targets.ts";
import { loadParameters, secretPlace } from "../parameters.ts";
import { targetPlace } from "../target.ts";
import type { Work } from "../work.ts";

export async function prepare(work: Work): Promise<void> {
	const { tools, operation } = work;
	const environment = await loadEnvironment(tools.db, operation.environment);
	// A destroy runs the program of the newest revision, because only it names what there is.
	const number = operation.revisionTo ?? environment.desiredRevision;
	const revision = await loadRevision(tools.db, environment.id, number);
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
	work.findings.run = {
		project: projectName(environment.blueprint),
		stack,
		state: tools.engineState.describe(work.lease, stack),
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
			parameters: await loadParameters(tools, environment.id, revision),
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
