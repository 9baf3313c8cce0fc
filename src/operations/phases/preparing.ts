// Loads what is wished for, opens the secrets and connects to the target.
import type { AwsAccess } from "../../domain/aws.ts";
import type { EngineRun } from "../../domain/engine.ts";
import type { Environment } from "../../domain/environment.ts";
import type { EnvironmentId } from "../../domain/ids.ts";
import { projectName, runPlace, stackName } from "../../domain/names.ts";
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
import { loadPlanned, type PlannedRevision } from "../preview.ts";
import { targetPlace } from "../target.ts";
import type { Tools, Work } from "../work.ts";

export async function prepare(work: Work): Promise<void> {
	const { tools, operation, findings } = work;
	const environment = await loadEnvironment(tools.db, operation.environment);
	// A destroy runs the program of the newest revision, because only it names what there is.
	const number = operation.revisionTo ?? environment.desiredRevision;
	const revision: StoredRevision | PlannedRevision =
		operation.kind === "preview"
			? (await loadPlanned(tools, operation)).planned
			: await loadRevision(tools.db, environment.id, number);
	const run = await loadRun(work, environment, revision);
	findings.environment = environment;
	findings.cluster = tools.connectCluster(run.input.target.kubeconfig);
	findings.run = run;
}

/** A run of the engine that brings the environment to a revision. Holds secrets. */
export async function loadRun(
	work: Work,
	environment: Environment,
	revision: StoredRevision & Partial<Pick<PlannedRevision, "opened">>,
): Promise<EngineRun> {
	const { tools, operation } = work;
	const stack = stackName(environment.id);
	const place = runPlace(operation);
	return {
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
			revision: revision.number,
			keepBackups: operation.keepsBackups,
			size: revision.size,
			release: revision.release,
			labels: environment.labels,
			parameters:
				revision.opened ??
				(await loadParameters(tools, environment.id, revision)),
			power: revision.power,
			secrets: await openSecrets(work),
			target: await loadPlace(tools, environment.id),
		},
	};
}

async function loadPlace(
	{ db, sealKey }: Tools,
	environment: EnvironmentId,
): Promise<EngineRun["input"]["target"]> {
	const targetId = await loadEnvironmentTarget(db, environment);
	const target = await loadTarget(db, targetId);
	const access = await loadTargetAccess(db, targetId);
	const openPart = (sealed: Buffer, part?: "aws" | "pull-secret") =>
		open(sealKey, targetPlace(target.name, part), sealed);
	return {
		kubeconfig: openPart(access.kubeconfig),
		clusterIdentifier: access.clusterIdentifier,
		domain: target.domain,
		ingressClass: target.ingressClass,
		storageClass: target.storageClass,
		aws:
			access.aws === null
				? null
				: (JSON.parse(openPart(access.aws, "aws")) as AwsAccess),
		settings: target.settings,
		pullSecret: access.pullSecret && openPart(access.pullSecret, "pull-secret"),
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
