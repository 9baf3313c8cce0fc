// The newcomer's role: everything on this machine, and a demo environment to look at.
import { join } from "node:path";
import { orderDemo } from "./cli/demo.ts";
import type { Config } from "./config.ts";
import {
	describeTarget,
	loadTools,
	openApi,
	openBase,
	openScheduler,
	openTelemetry,
	openWorker,
	prepareInstallation,
	readTarget,
} from "./open.ts";
import type { TargetDescription } from "./operations/target.ts";

type Opened = { close(): Promise<void> }[];
type Print = (line: string) => void;

interface Terms {
	/** Gets what was opened, in order. */
	readonly opened: Opened;
	/** Fulfils when the service is told to stop. */
	readonly stopped: Promise<void>;
	readonly print: Print;
}

const sandboxDomain = "maestro.localhost";

/** Opens what is missing (PostgreSQL, a cluster), then all roles, and orders `demo` through the API. */
export async function startAll(
	config: Config,
	{ opened, stopped, print }: Terms,
): Promise<void> {
	const quiet: Config = {
		...config,
		logLevel: config.logLevel ?? "warn",
		// No load balancer looks at it, and somebody waits.
		drainSeconds: config.drainSeconds ?? 0,
	};
	const named = await readTarget(quiet);
	const { databaseUrl, target } = await openSurroundings(
		quiet,
		named,
		opened,
		print,
	);
	const base = openBase(quiet, databaseUrl);
	opened.push(base);
	const { tokenFile, token } = await prepareInstallation(base, target);
	opened.push(await openTelemetry(base));
	opened.push(await openScheduler(base));
	const worker = await openWorker(base);
	opened.push(worker);
	const api = await openApi(base);
	opened.push(api);
	print(`Impresario serves on ${api.url}`);
	const leave = new AbortController();
	const demo = orderDemo({
		url: api.url,
		token,
		print,
		signal: leave.signal,
	});
	// Whoever stops the service does not wait for the demo; what becomes of it then is told by nobody.
	demo.catch(() => {});
	const isStopped = await Promise.race([demo, stopped.then(() => true)]);
	if (isStopped === true) {
		leave.abort();
		return;
	}
	print("");
	print(`The platform admin's token is in ${tokenFile}.`);
	if (named === undefined) {
		print(
			`The sandbox's kubeconfig is ${join(quiet.dataDir, "sandbox", "kubeconfig")}.`,
		);
	}
	print("Order another environment with:");
	print(
		`  curl -sS ${api.url}/v1/environments -H "Authorization: Bearer $(cat ${tokenFile})" -H 'Content-Type: application/json' -d '{"name": "qa-1", "size": "ha"}'`,
	);
	print("Ctrl-C stops it; what was made is there again at the next start.");
}

/** The sandbox's parts that the variables do not name something else for. */
async function openSurroundings(
	config: Config,
	named: TargetDescription | undefined,
	opened: Opened,
	print: Print,
): Promise<{ databaseUrl: string; target: TargetDescription }> {
	const dir = join(config.dataDir, "sandbox");
	const database = config.databaseUrl ?? openPostgres(dir, opened, print);
	const cluster = named ?? openCluster(config, dir, opened, print);
	// Both are waited for also when one fails: what has come up by then can be closed.
	await Promise.allSettled([database, cluster]);
	return { databaseUrl: await database, target: await cluster };
}

async function openPostgres(
	dir: string,
	opened: Opened,
	print: Print,
): Promise<string> {
	const { startPostgres } = await import("./sandbox/postgres.ts");
	const postgres = await startPostgres({
		dataDir: join(dir, "postgres"),
		log: print,
	});
	opened.push({ close: () => postgres.stop() });
	print(`PostgreSQL is up on 127.0.0.1:${postgres.port}`);
	return postgres.url;
}

async function openCluster(
	config: Config,
	dir: string,
	opened: Opened,
	print: Print,
): Promise<TargetDescription> {
	const { startControlPlane } = await import("./sandbox/control-plane.ts");
	const cluster = await startControlPlane({
		dir: join(dir, "control-plane"),
		kubeconfigPath: join(dir, "kubeconfig"),
		tools: loadTools(config),
		log: print,
	});
	opened.push({ close: () => cluster.stop() });
	print("a Kubernetes control plane is up, with six nodes that kwok plays");
	return {
		name: "sandbox",
		kubeconfig: cluster.deployerKubeconfig,
		clusterIdentifier: cluster.clusterIdentifier,
		domain: config.target.domain ?? sandboxDomain,
		ingressClass: null,
		storageClass: null,
		...describeTarget(config),
	};
}
