// Where a stack's CLI runs: its folder, its settings, its environment, and the backend that it may talk to.
import { existsSync } from "node:fs";
import {
	access,
	constants,
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	readlink,
	rename,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { version } from "@pulumi/pulumi/version.js";
import type { EngineRun } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import { pickInherited } from "../processes.ts";
import type { CliCommand } from "./command.ts";

/** The state of one stack, for one run. */
export interface StackState {
	/** What the CLI gets as its backend. */
	readonly url: string;
	/** What the CLI needs besides: a passphrase or a token. Secrets. */
	readonly environment: Readonly<Record<string, string>>;
	exists(): Promise<boolean>;
	/** Makes the stack; `byCli` has the CLI do it, which costs a process. */
	create(byCli: () => Promise<void>): Promise<void>;
	/** Lets go of what a CLI that died left behind. Called when nothing else can be running on the stack. */
	unlock(): Promise<void>;
	/** Forgets the stack and its history. */
	remove(): Promise<void>;
}

/** Keeps the state of stacks. */
export interface StateBackend {
	open(run: Pick<EngineRun, "project" | "stack" | "state">): StackState;
}

export interface CliEnvironment {
	readonly machine: Readonly<Record<string, string | undefined>>;
	readonly home: string;
	/** A folder of this run alone: the CLI writes its credentials there. */
	readonly credentials: string;
	readonly state: Pick<StackState, "url" | "environment">;
}

/** Everything that the CLI sees. Throws `not_set_up` if the backend is not one of ours. */
export function buildEnvironment({
	machine,
	home,
	credentials,
	state,
}: CliEnvironment): Record<string, string> {
	requireOwnBackend(state.url);
	return {
		...pickInherited(machine),
		PULUMI_HOME: home,
		PULUMI_BACKEND_URL: state.url,
		PULUMI_CREDENTIALS_PATH: credentials,
		// Nothing is looked up or fetched while an update runs: what is needed was installed before.
		PULUMI_SKIP_UPDATE_CHECK: "true",
		PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
		PULUMI_DISABLE_REGISTRY_RESOLVE: "true",
		PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
		// The default is four times the number of cores; the work is waiting for API servers.
		PULUMI_PARALLEL: "64",
		// A run is short and its heap small: collecting it half as often saves a tenth of the processor's time.
		GOGC: "200",
		GOMEMLIMIT: "512MiB",
		// The settings file is ours and holds no salt: the state does.
		PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
		...state.environment,
	};
}

const loopbackHosts = ["127.0.0.1", "[::1]", "localhost"];

/**
 * Without this a mistake in a setting could send a stack's state, with its secrets, to somebody else's
 * service: the CLI takes any URL for a Pulumi Cloud.
 */
export function requireOwnBackend(url: string): void {
	const parsed = URL.parse(url);
	const isOwn =
		(parsed?.protocol === "file:" && parsed.host === "") ||
		((parsed?.protocol === "http:" || parsed?.protocol === "https:") &&
			loopbackHosts.includes(parsed.hostname));
	if (isOwn) return;
	throw new Failure({
		code: "not_set_up",
		message: `The state backend ${parsed === null ? "" : `"${parsed.protocol}//${parsed.host}" `}is not one of this service's own: it must be a file URL or an HTTP URL on a loopback address.`,
		untouched: "Nothing was sent to it, and nothing was changed.",
		advice: "Correct the setting of the state backend.",
	});
}

export interface WorkspaceOptions {
	readonly project: string;
	readonly stack: string;
	/** The folder's name below the work folder. */
	readonly place: string;
	readonly workRoot: string;
	/** Made by `makeTemporary`. */
	readonly temporary: string;
	/** Prepared by `prepareHome`. */
	readonly pulumiHome: string;
	readonly machine: Readonly<Record<string, string | undefined>>;
	readonly state: StackState;
	readonly command: CliCommand;
}

const temporaryPrefix = "tmp-";

/**
 * A folder for what a run's processes leave behind, credentials among it: the Kubernetes provider writes the kubeconfig
 * that it got into a file. It is the run's own, since a run that has lost its lease may end later than the next begins.
 * What earlier runs of the stack left there is deleted.
 */
export async function makeTemporary(
	workRoot: string,
	place: string,
): Promise<string> {
	const folder = join(workRoot, place);
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const names = await readdir(folder);
	const left = names.filter((name) => name.startsWith(temporaryPrefix));
	await Promise.all(left.map((name) => clearTemporary(join(folder, name))));
	return mkdtemp(join(folder, temporaryPrefix));
}

export const clearTemporary = (folder: string): Promise<void> =>
	rm(folder, { recursive: true, force: true });

/** Prepares a stack's folder and settings. Runs no process. */
export async function openWorkspace(
	options: WorkspaceOptions,
): Promise<LocalWorkspace> {
	const { project, stack } = options;
	// Two runs that shared a folder would race on the settings in it.
	const folder = join(options.workRoot, options.place);
	await mkdir(folder, { recursive: true, mode: 0o700 });
	// The CLI looks for a repository above its folder and writes its author into the state: the search ends here.
	await mkdir(join(options.workRoot, ".git"), { recursive: true });
	const workspace = await LocalWorkspace.create({
		workDir: folder,
		pulumiCommand: options.command,
		envVars: {
			...buildEnvironment({
				machine: options.machine,
				home: options.pulumiHome,
				credentials: folder,
				state: options.state,
			}),
			TMPDIR: options.temporary,
		},
		projectSettings: { name: project, runtime: "nodejs" },
		stackSettings: {
			[stack]: {
				// Programs bring their own provider; a resource that forgot it must not reach the cluster of some kubeconfig.
				config: { "pulumi:disable-default-providers": ["*"] },
			},
		},
	});
	// The SDK would ask the CLI. Both have the same pinned version.
	Object.defineProperty(workspace, "pulumiVersion", { value: version });
	return workspace;
}

/**
 * Makes a folder the CLI's home, with the providers where the CLI looks for them. A provider itself may lie
 * anywhere and be read-only. Safe to run side by side and again. Throws `not_set_up` if one is not there.
 */
export async function prepareHome(
	home: string,
	pluginBin: string,
	awsPluginBin?: string,
): Promise<void> {
	await installPlugin(home, "kubernetes", pluginBin);
	if (awsPluginBin !== undefined) {
		await installPlugin(home, "aws", awsPluginBin);
	}
	// Every command would write a log of its own into a folder of that name. With a file in its place it goes without.
	const logs = join(home, "logs");
	if (!existsSync(logs)) await writeFile(logs, "");
}

const pluginAdvice = {
	kubernetes:
		"Build or install it with `node toolchain/build.mjs engine`, or name it by the variable PULUMI_RESOURCE_KUBERNETES_BIN.",
	aws: "Install it with `pulumi plugin install resource aws <version of @pulumi/aws>`, and correct the variable PULUMI_RESOURCE_AWS_BIN.",
} as const;

async function installPlugin(
	home: string,
	name: keyof typeof pluginAdvice,
	bin: string,
): Promise<void> {
	try {
		await access(bin, constants.X_OK);
	} catch (cause) {
		throw new Failure({
			code: "not_set_up",
			message: `The ${name === "aws" ? "AWS" : "Kubernetes"} provider ${bin} is no executable file.`,
			untouched: "Nothing was changed.",
			advice: pluginAdvice[name],
			cause,
		});
	}
	// The programs' SDK asks for the plugin of its own version.
	const sdk: { version: string } = JSON.parse(
		await readFile(
			new URL(import.meta.resolve(`@pulumi/${name}/package.json`)),
			"utf8",
		),
	);
	const folder = join(home, "plugins", `resource-${name}-v${sdk.version}`);
	await mkdir(folder, { recursive: true, mode: 0o700 });
	await linkTo(bin, join(folder, `pulumi-resource-${name}`));
}

/** Makes `link` lead to `target`, whatever it was before. */
async function linkTo(target: string, link: string): Promise<void> {
	if ((await readlink(link).catch(() => undefined)) === target) return;
	const fresh = join(dirname(link), `.${basename(link)}.${process.pid}`);
	await symlink(target, fresh);
	await rename(fresh, link);
}
