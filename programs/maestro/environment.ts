// A whole HA Maestro, from top to bottom. The only file that puts the parts together.
import type {
	BlueprintInput,
	BlueprintOutputs,
} from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { listEndpoints } from "./addresses.ts";
import { createBackups } from "./backups.ts";
import { applyConventions } from "./conventions.ts";
import { mongodbAdminUri } from "./datastores.ts";
import { createIngress } from "./ingress.ts";
import { createMigration } from "./migration.ts";
import { createMongodb } from "./mongodb.ts";
import { createNamespace, createProvider } from "./namespace.ts";
import { processes } from "./processes.ts";
import { createRabbitmq } from "./rabbitmq.ts";
import { createSecrets, createSecretValues } from "./secrets.ts";
import { sizings } from "./sizing.ts";
import { listChecks } from "./versions.ts";
import { createWorkload } from "./workload.ts";

/**
 * Declares everything that an environment consists of. To be called once, inside a Pulumi run. It reads its
 * input and nothing else, so that the same input always declares the same.
 */
export function declareEnvironment(input: BlueprintInput): BlueprintOutputs {
	const sizing = sizings[input.size];
	const endpoints = listEndpoints(input);
	const secrets = createSecretValues(input.secrets, sizing);
	const { images } = input.release;

	const provider = createProvider(input.target);
	const namespace = createNamespace(input, provider);
	applyConventions(input, namespace, provider);

	createSecrets(secrets);
	createMongodb(sizing, input.target.storageClass, input.revision);
	createRabbitmq(sizing, input.target.storageClass);
	createMigration(images.server, sizing, input.revision);

	for (const process of processes) {
		createWorkload(process, { sizing, images, endpoints, secrets });
		if (process.publicPath !== null)
			createIngress(process, process.publicPath, input);
	}

	createBackups(input, {
		plan: parameters.parse({}).backups,
		storage: sizing.backupStorage,
		mongodbUri: mongodbAdminUri(
			sizing.mongodb.members,
			input.secrets.MONGODB_ROOT_PASSWORD,
		),
		bucket: null,
	});

	return { endpoints, checks: listChecks(images) };
}
