// A whole HA Maestro, from top to bottom. The only file that puts the parts together.
import type {
	BlueprintInput,
	BlueprintOutputs,
	Pace,
} from "../../src/domain/blueprint.ts";
import { type Claim, decideStorage } from "../../src/domain/change.ts";
import type { Endpoints } from "../../src/domain/environment.ts";
import { sizings } from "../../src/domain/sizing.ts";
import { listEndpoints } from "./addresses.ts";
import { createAwsProvider } from "./aws.ts";
import { createBackupBucket } from "./backup-bucket.ts";
import { createBackups } from "./backups.ts";
import { listChecks, listPodPromises } from "./checks.ts";
import { applyConventions } from "./conventions.ts";
import { mongodbAdminUri, placeBroker, placeMongodb } from "./datastores.ts";
import { createIdentity } from "./identity.ts";
import { createIngress } from "./ingress.ts";
import { createMigration } from "./migration.ts";
import { createMongodb } from "./mongodb.ts";
import { createMonitoring } from "./monitoring.ts";
import { createNamespace, createProvider } from "./namespace.ts";
import { createNetworkPolicies } from "./network-policies.ts";
import { accountName } from "./pods.ts";
import { decideRunning } from "./power.ts";
import { createLimits } from "./quota.ts";
import { createRabbitmq } from "./rabbitmq.ts";
import { decideReach } from "./reach.ts";
import { createSecrets, createSecretValues } from "./secrets.ts";
import { makeStages, processStages, stageOf } from "./stages.ts";
import { tailorProcesses } from "./tailor.ts";
import {
	createUploads,
	createUploadsSecret,
	localUploadsWarning,
} from "./uploads.ts";
import { createWorkload } from "./workload.ts";

/**
 * Declares everything that an environment consists of. To be called once, inside a Pulumi run. It reads its
 * input and nothing else, so that the same input always declares the same. With a pace it declares a stage when the
 * one before it runs; without one it does not wait, and all is applied side by side.
 */
export async function declareEnvironment(
	input: BlueprintInput,
	pace?: Pace,
): Promise<BlueprintOutputs> {
	const { parameters, revision, target } = input;
	const { images } = input.release;
	const sizing = sizings[input.size];
	const stores = {
		mongodb: placeMongodb(input, sizing),
		broker: placeBroker(input),
	};
	const endpoints = listEndpoints(input);
	const secrets = createSecretValues(input.secrets, stores, parameters);
	const processes = tailorProcesses(input);
	const running = decideRunning(input);
	const claim = (name: Claim) => ({
		size: decideStorage(input, name),
		storageClass: target.storageClass,
	});

	const provider = createProvider(target);
	const namespace = createNamespace(input, provider);
	const stages = makeStages(pace);
	const { precede } = applyConventions(input, { namespace, provider, stages });
	precede(createIdentity(target.pullSecret), ...createLimits(input));
	createNetworkPolicies(
		decideReach({ input, processes, stores }),
		target.settings,
	);

	const storage = createStorage(input, endpoints);
	createSecrets(secrets);
	if (storage !== null) createUploadsSecret(storage.uploads);
	if (stores.mongodb.kind === "own")
		createMongodb(stores.mongodb, sizing, {
			storage: claim("mongodb"),
			isRunning: running.stores,
			generation: input.generations?.MONGODB_PASSWORD,
		});
	if (stores.broker?.kind === "own")
		createRabbitmq(sizing, {
			storage: claim("rabbitmq"),
			isRunning: running.stores,
		});
	await stages.end("stores");

	if (running.processes)
		createMigration(images.server, stores.mongodb, {
			revision,
			podSecurity: target.settings.podSecurity,
		});
	await stages.end("migration");

	createMonitoring(input, stores);
	createBackups(input, {
		plan: parameters.backups,
		isRunning: running.processes,
		storage: claim("backups").size,
		mongodbUri:
			stores.mongodb.kind === "own"
				? mongodbAdminUri(
						stores.mongodb.members,
						input.secrets.MONGODB_ROOT_PASSWORD,
					)
				: stores.mongodb.uris["maestro-client"],
		bucket: storage?.backups ?? null,
	});

	// What hands out work stops first, and what the others call stops last.
	const order = running.processes ? processStages : processStages.toReversed();
	for (const stage of order) {
		for (const process of processes.filter((one) => stageOf(one) === stage)) {
			createWorkload(process, {
				sizing,
				images,
				endpoints,
				secrets,
				stores,
				uploads: storage?.uploads ?? null,
				podSecurity: target.settings.podSecurity,
				isRunning: running.processes,
			});
			if (process.publicPath !== null)
				createIngress(process, process.publicPath, input);
		}
		await stages.end(stage);
	}

	return {
		endpoints,
		// Nothing is promised of what does not run.
		checks: running.processes
			? listChecks({ processes, sizing, stores }, images)
			: [],
		pods: running.processes
			? listPodPromises({ processes, sizing, stores })
			: [],
		serviceAccount: accountName,
		warnings: storage === null ? [localUploadsWarning] : [],
	};
}

/** What the target's AWS account gives, if it has one. */
function createStorage(input: BlueprintInput, endpoints: Endpoints) {
	const access = input.target.aws;
	if (!access) return null;
	const provider = createAwsProvider(input, access);
	return {
		uploads: createUploads(input, access, { endpoints, provider }),
		backups: createBackupBucket(input, access, {
			provider,
			retentionDays: input.parameters.backups.retentionDays,
			keep: input.keepBackups ?? false,
		}),
	};
}
