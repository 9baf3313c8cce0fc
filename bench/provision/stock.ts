// The stock Automation API: a script in a process of its own for every update, as its users run it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { currentVersions } from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { createSecrets, type Secrets } from "../../src/domain/secret.ts";
import { targetSettings } from "../../src/domain/target.ts";
import { endSession } from "../../src/processes.ts";
import { kubectlGet } from "../../test/support/kubectl.ts";
import type { Readings } from "../statistics.ts";
import {
	type Bench,
	type BenchSandbox,
	secondsSince,
} from "../surroundings.ts";
import type { StockAnswer, StockRequest } from "./stock-script.ts";
import { releaseOf, tuningPrefix, type Way } from "./way.ts";

const script = join(import.meta.dirname, "stock-script.ts");

const nameOf = (round: number) => `stock-${round}`;
const namespaceOf = (round: number) => `bench-${nameOf(round)}`;

interface StockOptions {
	readonly bench: Bench;
	readonly sandbox: BenchSandbox;
	readonly dir: string;
	/** How many objects the service's run of the program made: this one must make as many. */
	readonly objects: number;
}

export function makeStock({ bench, sandbox, dir, objects }: StockOptions): Way {
	const environment = prepareEnvironment(bench, dir);
	// An environment keeps its secrets from one update to the next.
	const secrets = new Map<number, Secrets>();

	async function run(
		verb: "up" | "destroy",
		round: number,
		patch = 0,
	): Promise<{ readings: Readings; answer: StockAnswer }> {
		const path = join(dir, `stock-${round}.json`);
		const kept = secrets.get(round) ?? createSecrets();
		secrets.set(round, kept);
		const request = JSON.stringify(
			composeRequest({ round, patch, secrets: kept }, sandbox),
		);
		writeFileSync(path, request, { mode: 0o600 });
		const begun = performance.now();
		const answer = await runScript(bench, [verb, path], environment);
		const total = secondsSince(begun);
		const name = verb === "up" ? "up" : "destroy";
		return {
			answer,
			readings: {
				"stock: script": total,
				"  createOrSelectStack": answer.selected,
				...(verb === "up" && { "  setAllConfig": answer.configured }),
				[`  ${name}`]: answer.updated,
			},
		};
	}

	return {
		name: "stock",
		async create(round) {
			const { readings, answer } = await run("up", round);
			// The stack and the provider are resources to the engine, not objects.
			const made = (answer.changes.create ?? 0) - 2;
			if (made !== objects) {
				throw new Error(`stock made ${made} objects, ours ${objects}`);
			}
			await requireUntuned(sandbox, namespaceOf(round));
			return readings;
		},
		upgrade: async (round, patch) => (await run("up", round, patch)).readings,
		destroy: async (round) => (await run("destroy", round)).readings,
	};
}

/** What a user has who followed the installation guide, and on top only what an offline machine demands. */
function prepareEnvironment(bench: Bench, dir: string): Record<string, string> {
	const { pulumi = "", "pulumi-resource-kubernetes": plugin = "" } =
		bench.tools;
	const home = join(dir, "stock-home");
	const { version } = JSON.parse(
		readFileSync(
			new URL(import.meta.resolve("@pulumi/kubernetes/package.json")),
			"utf8",
		),
	);
	const folder = join(home, "plugins", `resource-kubernetes-v${version}`);
	const state = join(dir, "stock-state");
	// The SDK leaves its working folders behind.
	const temporary = join(dir, "stock-temporary");
	for (const one of [folder, state, temporary]) {
		mkdirSync(one, { recursive: true });
	}
	symlinkSync(plugin, join(folder, "pulumi-resource-kubernetes"));
	return {
		PATH: [dirname(pulumi), "/usr/local/bin", "/usr/bin", "/bin"].join(
			delimiter,
		),
		HOME: home,
		TMPDIR: temporary,
		PULUMI_HOME: home,
		PULUMI_BACKEND_URL: pathToFileURL(state).href,
		PULUMI_CONFIG_PASSPHRASE: "correct horse battery staple",
		PULUMI_SKIP_UPDATE_CHECK: "true",
		PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
	};
}

function composeRequest(
	{
		round,
		patch,
		secrets,
	}: {
		readonly round: number;
		readonly patch: number;
		readonly secrets: Secrets;
	},
	sandbox: BenchSandbox,
): StockRequest {
	const name = nameOf(round);
	return {
		stack: name,
		blueprint: { name: "maestro", version: currentVersions.maestro },
		input: {
			environment: name,
			environmentName: name,
			tenant: "bench",
			namespace: namespaceOf(round),
			revision: 1 + patch,
			size: "ha",
			release: releaseOf(patch),
			labels: {},
			parameters: parameters.parse({}),
			secrets,
			target: {
				kubeconfig: sandbox.deployerKubeconfig,
				clusterIdentifier: sandbox.clusterIdentifier,
				domain: "maestro.localhost",
				ingressClass: null,
				storageClass: null,
				settings: targetSettings.parse({}),
				pullSecret: null,
			},
		},
	};
}

/** A stock run that still had the service's annotations would not wait, and would be compared with itself. */
async function requireUntuned(
	{ kubeconfigPath }: BenchSandbox,
	namespace: string,
): Promise<void> {
	const objects = await kubectlGet(
		kubeconfigPath,
		"-n",
		namespace,
		"deployments,statefulsets,services,ingresses,jobs,secrets",
	);
	const tuned = objects.filter(({ metadata }) =>
		Object.keys(metadata.annotations ?? {}).some((key) =>
			key.startsWith(tuningPrefix),
		),
	);
	if (objects.length > 0 && tuned.length === 0) return;
	throw new Error(`${tuned.length} of ${objects.length} objects were tuned`);
}

async function runScript(
	bench: Bench,
	args: readonly string[],
	env: Record<string, string>,
): Promise<StockAnswer> {
	// A session of its own: it is ended together with its CLI and provider.
	const child = await bench.cleanup.keep(
		async () =>
			spawn(process.execPath, [script, ...args], {
				env,
				detached: true,
				stdio: ["ignore", "pipe", "pipe"],
			}),
		({ pid, exitCode, signalCode }) => {
			if (pid !== undefined && exitCode === null && signalCode === null) {
				endSession(pid);
			}
		},
	);
	const output = { stdout: "", stderr: "" };
	for (const name of ["stdout", "stderr"] as const) {
		child[name].setEncoding("utf8").on("data", (text: string) => {
			output[name] += text;
		});
	}
	const [code] = await once(child, "close");
	if (code !== 0) {
		throw new Error(`the stock script ended with ${code}:\n${output.stderr}`);
	}
	return JSON.parse(output.stdout);
}
