// Runs the containers of a pod as processes of this machine: the init containers one after the other, then the rest.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { sendSignal } from "../processes.ts";
import type { Claim } from "./claim.ts";
import type { Tools } from "./components.ts";
import { requireTool } from "./ferretdb.ts";
import type { Outcome } from "./jobs.ts";
import type { Container, Pod } from "./namespace-view.ts";

/** Kubernetes keeps no more of a termination message. */
const messageBytes = 4096;

export interface ScriptSurroundings {
	/** Stands for the namespace: a claim is a folder of its name in it. */
	readonly folder: string;
	/** Of the MongoDB stand-in. */
	readonly uri: string;
	readonly tools: Tools;
	readonly claim: Claim;
	/** Ends what runs. */
	readonly signal: AbortSignal;
}

/** Fulfils with the outcome of the container that failed, or of the last one. */
export async function runContainers(
	pod: Pod,
	surroundings: ScriptSurroundings,
): Promise<Outcome> {
	const own = join(surroundings.folder, "pods", pod.metadata.name);
	mkdirSync(join(own, "tmp"), { recursive: true, mode: 0o700 });
	try {
		let outcome: Outcome = { exitCode: 0, message: "" };
		for (const container of [
			...(pod.spec.initContainers ?? []),
			...pod.spec.containers,
		]) {
			outcome = await runContainer(container, pod, { ...surroundings, own });
			if (outcome.exitCode !== 0) break;
		}
		return outcome;
	} finally {
		rmSync(own, { recursive: true, force: true });
	}
}

async function runContainer(
	container: Container,
	pod: Pod,
	place: ScriptSurroundings & { readonly own: string },
): Promise<Outcome> {
	const { own, uri, tools, claim, signal } = place;
	const message = join(own, "termination-log");
	writeFileSync(message, "");
	// The configuration of the pod's Secret names servers that do not run here.
	writeFileSync(join(own, "tools.yaml"), `uri: '${uri}'\n`, { mode: 0o600 });
	const variables = readVariables(container, pod);
	const [command = "true", ...args] = container.command ?? [];
	const child = spawn(command, args, {
		cwd: own,
		detached: true,
		stdio: "ignore",
		env: {
			...variables,
			PATH: [
				dirname(requireTool(tools, "mongodump")),
				dirname(requireTool(tools, "mongorestore")),
				"/usr/local/bin",
				"/usr/bin",
				"/bin",
			].join(delimiter),
			HOME: own,
			TMPDIR: join(own, "tmp"),
			BACKUPS: join(place.folder, "claims", findClaim(pod)),
			TOOLS_CONFIG: join(own, "tools.yaml"),
			TERMINATION_LOG: message,
			// mongorestore names the collection in each index, which the stand-in does not take.
			RESTORE_OPTIONS: `${variables.RESTORE_OPTIONS ?? ""} --noIndexRestore`,
		},
	});
	const { pid } = child;
	if (pid !== undefined) claim.record("job", pid);
	const kill = () => pid !== undefined && sendSignal(-pid, "SIGKILL");
	signal.addEventListener("abort", kill, { once: true });
	try {
		const [code] = await once(child, "exit");
		return {
			exitCode: code ?? 137,
			message: readFileSync(message, "utf8").slice(0, messageBytes),
		};
	} finally {
		signal.removeEventListener("abort", kill);
		if (pid !== undefined) claim.forget(pid);
	}
}

/** Plain values, and the pod's own name. Values of Secrets are not read. */
const readVariables = (
	container: Container,
	pod: Pod,
): Record<string, string> =>
	Object.fromEntries(
		(container.env ?? []).flatMap(({ name, value, valueFrom }) => {
			if (value !== undefined) return [[name, value]];
			const path = valueFrom?.fieldRef?.fieldPath;
			return path === "metadata.name" ? [[name, pod.metadata.name]] : [];
		}),
	);

const findClaim = (pod: Pod): string =>
	pod.spec.volumes?.find((volume) => volume.persistentVolumeClaim !== undefined)
		?.persistentVolumeClaim?.claimName ?? "none";
