// The service under measurement: its real roles, each a process, and a tenant that orders.
import { registerTarget } from "../src/operations/target.ts";
import { parseSealKey } from "../src/seal.ts";
import { openDatabase } from "../src/store/db.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	type Surroundings,
	startRole,
} from "../test/support/service.ts";
import type { Bench } from "./surroundings.ts";

export interface Installation {
	readonly service: Service;
	readonly databaseUrl: string;
	readonly api: Role;
	readonly tenant: Caller;
	startWorker(children: number): Promise<Role>;
	/** Stops what of it runs. */
	stop(): Promise<void>;
}

/** A migrated database, the role `api` and a tenant. The worker is started when it is wanted. */
export async function openInstallation(
	bench: Bench,
	surroundings: Surroundings,
): Promise<Installation> {
	const { cleanup } = bench;
	const service = await cleanup.keep(
		() => installService(surroundings),
		(installed) => installed.remove(),
	);
	const environment = {
		...service.environment,
		TOOLCHAIN_DIR: bench.toolchainDir,
		// As in production: a log line for every request would be measured otherwise.
		LOG_LEVEL: "info",
	};
	const running: Role[] = [];
	const start = async (name: string, more: Record<string, string> = {}) => {
		const role = await cleanup.keep(
			() => startRole(name, { ...environment, ...more }),
			(started) => started.stop(),
		);
		running.push(role);
		return role;
	};
	const api = await start("api");
	return {
		service,
		databaseUrl: surroundings.databaseUrl,
		api,
		tenant: await givenTenant(
			makeCaller(() => api.url, service.adminToken),
			() => api.url,
			"bench",
		),
		startWorker: (children) =>
			start("worker", { WORKER_CHILDREN: String(children) }),
		async stop() {
			for (const role of running.splice(0).reverse()) await role.stop();
		},
	};
}

/**
 * Gives an installation a target whose kubeconfig its worker cannot unseal. Orders are taken, queued and
 * claimed as ever, and end right after, so that the queue alone is measured and no cluster is needed.
 */
export async function registerSealedTarget(databaseUrl: string): Promise<void> {
	const { db, close } = openDatabase({
		url: databaseUrl,
		maxConnections: 1,
		onError: () => undefined,
	});
	try {
		await registerTarget(
			{ db, sealKey: parseSealKey("00".repeat(32)) },
			{
				name: "sealed",
				kubeconfig: "",
				clusterIdentifier: "none",
				domain: "maestro.localhost",
				ingressClass: null,
				storageClass: null,
			},
		);
	} finally {
		await close();
	}
}
