// The newcomer's role: everything on this machine, and a demo environment to look at.
import { join } from "node:path";
import { orderDemo } from "./cli/demo.ts";
import type { Config } from "./config.ts";
import {
	loadTools,
	openApi,
	openBase,
	openScheduler,
	openWorker,
	prepareInstallation,
	readTarget,
	type TargetSource,
} from "./open.ts";

type Opened = { close(): Promise<void> }[];
type Print = (line: string) => void;

const sandboxDomain = "maestro.localhost";

/** Opens what is missing (PostgreSQL, a cluster), then all roles, and orders `demo` through the API. */
export async function startAll(
	config: Config,
	opened: Opened,
	print: Print,
): Promise<void> {
	const quiet = { ...config, logLevel: config.logLevel ?? "warn" };
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
	opened.push(await openScheduler(base));
	const worker = await openWorker(base);
	opened.push(worker);
	const api = await openApi(base);
	opened.push(api);
	print(`Impresario serves on ${api.url}`);
	await orderDemo({ url: api.url, token, print });
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
	named: TargetSource | undefined,
	opened: Opened,
	print: Print,
): Promise<{ databaseUrl: string; target: TargetSource }> {
	const { startSandbox } = await import("./sandbox/sandbox.ts");
	const sandbox = await startSandbox({
		dir: join(config.dataDir, "sandbox"),
		tools: named === undefined ? loadTools(config) : {},
		log: print,
	});
	opened.push({ close: () => sandbox.stop() });
	return {
		databaseUrl: config.databaseUrl ?? sandbox.databaseUrl,
		target: named ?? {
			name: "sandbox",
			kubeconfig: sandbox.deployerKubeconfig,
			clusterIdentifier: sandbox.clusterIdentifier,
			domain: config.target.domain ?? sandboxDomain,
			ingressClass: null,
			storageClass: null,
		},
	};
}
