// A real Kubernetes control plane on this machine: etcd, API server, controllers and scheduler are the real
// ones, and kwok plays the nodes. Only containers are not run.
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import { openApi } from "./api.ts";
import { playBackups } from "./backups.ts";
import {
	type Certificates,
	type LeafName,
	openCertificates,
} from "./certificates.ts";
import { type Claim, claimFolder } from "./claim.ts";
import {
	releaseNodes,
	setUpCluster,
	waitUntilUsable,
} from "./cluster-setup.ts";
import {
	planComponents,
	portNames,
	programNames,
	type Tools,
} from "./components.ts";
import { playJobs } from "./jobs.ts";
import { composeKubeconfig } from "./kubeconfig.ts";
import { choosePorts } from "./ports.ts";
import {
	type Program,
	type ProgramHost,
	type ProgramPlan,
	startProgram,
} from "./program.ts";
import { composeStages } from "./stages.ts";
import { removeVolumeFolders } from "./volumes.ts";

const endLeftOverWithinMs = 5_000;

export interface ControlPlaneRequest {
	/** Holds data, certificates, logs. Made if need be. */
	readonly dir: string;
	readonly tools: Tools;
	/** Where the kubeconfig for looking around is written; without it, in `dir`. */
	readonly kubeconfigPath?: string;
	/** The data need not survive a crash of the machine: faster. */
	readonly throwAway?: boolean;
	readonly log?: (line: string) => void;
}

export interface ControlPlane {
	/** For looking around: may do everything. */
	readonly kubeconfigPath: string;
	/** Text of a kubeconfig of an ordinary user, who may deploy environments: a secret. */
	readonly deployerKubeconfig: string;
	/** Names the cluster whatever its address is: the uid of its namespace kube-system. */
	readonly clusterIdentifier: string;
	stop(): Promise<void>;
}

/**
 * Starts the control plane and fulfils when pods can be scheduled. Its data are kept between starts.
 *
 * Throws `not_set_up` if a program is missing, does not start within 30 seconds, or another running service
 * uses this folder; what had been started is stopped again.
 */
export async function startControlPlane(
	request: ControlPlaneRequest,
): Promise<ControlPlane> {
	requireTools(request.tools);
	const stages = composeStages(request.tools);
	const claim = await claimFolder(request.dir, {
		stopSignal: "SIGTERM",
		graceMs: endLeftOverWithinMs,
	});
	/** What has to be undone at the end, the latest first. */
	const undo: (() => Promise<void>)[] = [async () => claim.release()];
	const unwind = async () => {
		let first: unknown;
		// A step that fails does not keep the others, the later ones in particular, from ending their processes.
		for (const step of undo.reverse()) {
			await step().catch((error: unknown) => {
				first ??= error;
			});
		}
		if (first !== undefined) throw first;
	};
	let stopped: Promise<void> | undefined;
	const stop = () => {
		stopped ??= unwind();
		return stopped;
	};
	try {
		const started = await start({ ...request, stages, claim, undo });
		return { ...started, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

interface Start extends ControlPlaneRequest {
	readonly stages: string;
	readonly claim: Claim;
	readonly undo: (() => Promise<void>)[];
}

async function start(request: Start): Promise<Omit<ControlPlane, "stop">> {
	const { tools, undo, log = () => undefined } = request;
	const dir = realpathSync(request.dir);
	mkdirSync(join(dir, "logs"), { recursive: true, mode: 0o700 });
	const certificates = openCertificates(join(dir, "certificates"));
	const ports = await choosePorts(join(dir, "ports.json"), portNames);
	const server = `https://127.0.0.1:${ports.apiserver}`;
	writeFileSync(join(dir, "stages.yaml"), request.stages);
	const kubeconfigs = writeKubeconfigs(request, server, certificates);

	const host = { claim: request.claim, log };
	const plans = planComponents({
		dir,
		tools,
		ports,
		certificates,
		throwAway: request.throwAway === true,
	});
	const etcd = await startProgram(plans.etcd, host);
	undo.push(() => etcd.stop());
	let kwok: Program | undefined;
	const apiserver = await startProgram(
		// kwok forgets what it was about to write when the API server went away; started anew, it looks at everything again.
		{ ...plans.apiserver, onRestarted: () => kwok?.restart() },
		host,
	);
	undo.push(() => apiserver.stop());

	const api = openApi({
		server,
		authority: certificates.read("ca.crt"),
		client: certificates.load("admin"),
	});
	undo.push(async () => {
		await removeVolumeFolders(api);
		api.close();
	});
	const [together, setUp] = await Promise.allSettled([
		startTogether(
			[
				{ ...plans.kwok, beforeStart: () => releaseNodes(api) },
				plans.controllerManager,
				plans.scheduler,
			],
			host,
		),
		setUpCluster(api),
	]);
	if (together.status === "fulfilled") {
		[kwok] = together.value;
		undo.push(() => stopTogether(together.value));
	}
	for (const part of [together, setUp]) {
		if (part.status === "rejected") throw part.reason;
	}
	const clusterIdentifier = await waitUntilUsable(api);
	const players = [
		playJobs(api, log),
		playBackups({ api, tools, dir: join(dir, "namespaces"), ...host }),
	];
	undo.push(async () => {
		await Promise.all(players.map((player) => player.stop()));
	});
	return { ...kubeconfigs, clusterIdentifier };
}

/** All of them, or none: those that started are stopped if one did not. */
async function startTogether(
	plans: readonly ProgramPlan[],
	host: ProgramHost,
): Promise<Program[]> {
	const results = await Promise.allSettled(
		plans.map((plan) => startProgram(plan, host)),
	);
	const programs = results.flatMap((result) =>
		result.status === "fulfilled" ? result.value : [],
	);
	const failed = results.find((result) => result.status === "rejected");
	if (failed === undefined) return programs;
	await stopTogether(programs);
	throw failed.reason;
}

async function stopTogether(programs: readonly Program[]): Promise<void> {
	await Promise.all(programs.map((program) => program.stop()));
}

/** The programs read theirs from files; a person's goes where it was asked for; the deployer's is handed over as text. */
function writeKubeconfigs(
	request: ControlPlaneRequest,
	server: string,
	certificates: Certificates,
): Pick<ControlPlane, "kubeconfigPath" | "deployerKubeconfig"> {
	const compose = (user: LeafName) =>
		composeKubeconfig({
			server,
			authority: certificates.read("ca.crt"),
			user,
			client: certificates.load(user),
		});
	const folder = join(request.dir, "kubeconfigs");
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	for (const user of ["controller-manager", "scheduler", "kwok"] as const) {
		writeFileSync(join(folder, user), compose(user), { mode: 0o600 });
	}
	const kubeconfigPath =
		request.kubeconfigPath ?? join(request.dir, "kubeconfig");
	writeFileSync(kubeconfigPath, compose("admin"), { mode: 0o600 });
	return { kubeconfigPath, deployerKubeconfig: compose("deployer") };
}

/** Before anything is started: a missing program is found at once, not after the others have come up. */
function requireTools(tools: Tools): void {
	const missing = programNames.filter((name) => {
		const path = tools[name];
		return path === undefined || !existsSync(path);
	});
	if (missing.length === 0) return;
	throw new Failure({
		code: "not_set_up",
		message: `The sandbox's cluster needs ${missing.join(", ")}, which the toolchain does not have.`,
		untouched: "Nothing was started.",
		advice: "Build what is missing with `node toolchain/build.mjs sandbox`.",
	});
}
