// Everything the service needs around it on a machine that has none of it: a database and a cluster.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Tools } from "./components.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type Postgres, startPostgres } from "./postgres.ts";

export interface SandboxRequest {
	/** Holds everything, the kubeconfig for looking around among it. Made if need be. */
	readonly dir: string;
	/** Tool name → absolute path, as the toolchain writes it. */
	readonly tools: Tools;
	/** The data need not survive a crash of the machine: faster. */
	readonly throwAway?: boolean;
	/** Told what came up, and what had to be started again. */
	readonly log: (line: string) => void;
}

export interface Sandbox {
	/** With its password in it: a secret. */
	readonly databaseUrl: string;
	readonly kubeconfigPath: string;
	/** Text: a secret. */
	readonly deployerKubeconfig: string;
	readonly clusterIdentifier: string;
	stop(): Promise<void>;
}

/**
 * Starts PostgreSQL and the control plane side by side, and fulfils when both serve. Data are kept between
 * starts.
 *
 * Throws `not_set_up` if either does not start; then the other is stopped again.
 */
export async function startSandbox(request: SandboxRequest): Promise<Sandbox> {
	const { log, throwAway = false } = request;
	const dir = resolve(request.dir);
	mkdirSync(dir, { recursive: true });
	const since = Date.now();
	const elapsed = () => `${((Date.now() - since) / 1000).toFixed(1)} s`;

	const postgres = startPostgres({
		dataDir: join(dir, "postgres"),
		throwAway,
		log,
	}).then((started) => {
		log(`PostgreSQL is up on 127.0.0.1:${started.port} after ${elapsed()}`);
		return started;
	});
	const cluster = startControlPlane({
		dir: join(dir, "control-plane"),
		kubeconfigPath: join(dir, "kubeconfig"),
		tools: request.tools,
		throwAway,
		log,
	}).then((started) => {
		log(`the Kubernetes control plane is up after ${elapsed()}`);
		return started;
	});
	return compose(await startBoth(postgres, cluster));
}

type Parts = readonly [Postgres, ControlPlane];

async function startBoth(
	postgres: Promise<Postgres>,
	cluster: Promise<ControlPlane>,
): Promise<Parts> {
	try {
		return await Promise.all([postgres, cluster]);
	} catch (error) {
		const started = await Promise.allSettled([postgres, cluster]);
		for (const part of started) {
			if (part.status === "fulfilled") await part.value.stop();
		}
		throw error;
	}
}

const compose = ([postgres, cluster]: Parts): Sandbox => ({
	databaseUrl: postgres.url,
	kubeconfigPath: cluster.kubeconfigPath,
	deployerKubeconfig: cluster.deployerKubeconfig,
	clusterIdentifier: cluster.clusterIdentifier,
	async stop() {
		await Promise.all([cluster.stop(), postgres.stop()]);
	},
});
