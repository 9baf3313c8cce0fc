// What the tests of the topology stand on: a service of their own with the sandbox behind it, and a look at the
// cluster as it really is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../../src/domain/environment.ts";
import {
	registerTarget,
	type TargetDescription,
} from "../../src/operations/target.ts";
import { parseSealKey } from "../../src/seal.ts";
import { createTestDatabase } from "../support/database.ts";
import { type KubernetesObject, kubectlGet } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	startRole,
} from "../support/service.ts";

export interface Stage {
	readonly tenant: Caller;
	readonly admin: Caller;
	readonly dataDir: string;
	/** All that the service wrote. */
	output(): string;
	/** Makes another target of the same cluster known. */
	addTarget(
		target: Pick<TargetDescription, "name"> &
			Partial<
				Pick<TargetDescription, "settings" | "pullSecret" | "storageClass">
			>,
	): Promise<void>;
	/** Orders an environment and waits until its operation has ended. */
	order(order: Readonly<Record<string, unknown>>): Promise<Ordered>;
	close(): Promise<void>;
}

export interface Ordered {
	readonly operation: Record<string, unknown>;
	readonly environment: Pick<Environment, "id" | "namespace" | "versions"> &
		Record<string, unknown>;
}

export const adminKubeconfig = () => process.env.TEST_ADMIN_KUBECONFIG ?? "";

export async function openStage(
	variables: Readonly<Record<string, string>> = {},
): Promise<Stage> {
	const database = await createTestDatabase();
	const service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	const role = await startRole("serve", {
		...service.environment,
		...variables,
	});
	const admin = makeCaller(() => role.url, service.adminToken);
	const tenant = await givenTenant(admin, () => role.url, "acme");
	return {
		tenant,
		admin,
		dataDir: service.dataDir,
		output: role.output,
		async addTarget(target) {
			await registerTarget(
				{
					db: database.db,
					sealKey: parseSealKey(
						readFileSync(join(service.dataDir, "seal-key"), "utf8"),
					),
				},
				{
					kubeconfig: readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
					clusterIdentifier: process.env.TEST_CLUSTER_IDENTIFIER ?? "",
					domain: "apps.example.test",
					ingressClass: null,
					storageClass: null,
					...target,
				},
			);
		},
		async order(order) {
			const answer = await tenant.call("POST", "/v1/environments", order);
			if (answer.status !== 202)
				throw new Error(`not ordered: ${JSON.stringify(answer.body)}`);
			const operation = await tenant.end(String(answer.body.id));
			const { body } = await tenant.call(
				"GET",
				`/v1/environments/${answer.body.environment}`,
			);
			return { operation, environment: body as Ordered["environment"] };
		},
		async close() {
			await role.stop();
			service.remove();
			await database.close();
		},
	};
}

/** All objects of these kinds in a namespace, as the API server has them. */
export async function listLive<Object extends KubernetesObject>(
	namespace: string,
	kinds: string,
): Promise<Object[]> {
	const items = await kubectlGet(adminKubeconfig(), kinds, "-n", namespace);
	return items as Object[];
}

export const namesOf = (objects: readonly KubernetesObject[]): string[] =>
	objects.map(({ metadata }) => metadata.name).sort();
