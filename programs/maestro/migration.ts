// The one migration of a revision. Upstream's tool takes no lock and seeds without unique keys: two of them at
// once seed twice, so no server may migrate by itself.
import * as kubernetes from "@pulumi/kubernetes";
import { sizeContainer } from "../../src/domain/sizing.ts";
import type { TargetSettings } from "../../src/domain/target.ts";
import { labelsOf, labelVersion } from "./conventions.ts";
import type { MongodbPlace } from "./datastores.ts";
import {
	createMaestroVolume,
	createMongodbErrand,
	createMongodbWait,
} from "./errands.ts";
import { noteMigration, serverDatabase } from "./mongodb-scripts.ts";
import { createPodSpec, runAs } from "./pods.ts";
import { listSecretVariables } from "./secrets.ts";

const part = { name: "migrate", component: "migration" };

/**
 * Declares the Job `migrate-<revision>`. It notes its success in the database by the server's image, which is
 * what the server's pods wait for: on a second revision with the same image they have nothing to wait for.
 */
export function createMigration(
	image: string,
	place: MongodbPlace,
	{
		revision,
		podSecurity,
	}: {
		readonly revision: number;
		readonly podSecurity: TargetSettings["podSecurity"];
	},
): void {
	const name = `${part.name}-${revision}`;
	new kubernetes.batch.v1.Job(name, {
		metadata: {
			name,
			labels: labelsOf({ ...part, ...labelVersion(image) }),
		},
		spec: {
			backoffLimit: 3,
			activeDeadlineSeconds: 900,
			template: {
				metadata: { labels: labelsOf(part) },
				spec: createPodSpec({
					restartPolicy: "Never",
					initContainers: [
						createMongodbWait(place, serverDatabase),
						{
							name: part.name,
							image,
							command: ["npm", "run", "migrate"],
							workingDir: "/data",
							env: [
								{ name: "MAESTRO_MONGO_DATABASE", value: serverDatabase },
								...listSecretVariables(["MAESTRO_MONGO_URI"], serverDatabase),
							],
							securityContext: runAs("root", podSecurity),
							resources: sizeContainer(50, 512),
						},
					],
					containers: [
						createMongodbErrand({
							name: "note",
							place,
							script: noteMigration(place.kind, image),
							repeat: false,
						}),
					],
					volumes: [createMaestroVolume(place, [serverDatabase])],
				}),
			},
		},
	});
}
