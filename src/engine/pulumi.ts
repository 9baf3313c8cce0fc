// Keeps the promises of domain/engine.ts with the Pulumi CLI, one process per update.
import { join } from "node:path";
import { type LocalWorkspace, Stack } from "@pulumi/pulumi/automation/index.js";
import {
	type Engine,
	type EngineHooks,
	type EngineOutcome,
	type EngineRun,
	placeOf,
} from "../domain/engine.ts";
import { noChanges } from "../domain/operation.ts";
import { listSecrets, makeRedactor } from "../domain/redact.ts";
import { Failure } from "../failure.ts";
import { findExit, makeCommand } from "./command.ts";
import { decideFailure, translateDiskError } from "./failures.ts";
import { type EventFollower, followEvents } from "./follow.ts";
import { countSteps, makePlanner } from "./plan.ts";
import { type FindProgram, makeProgram, silenceDebugLog } from "./program.ts";
import { followStages } from "./stages.ts";
import {
	clearTemporary,
	makeTemporary,
	openWorkspace,
	prepareHome,
	requireOwnBackend,
	type StackState,
	type StateBackend,
} from "./workspace.ts";

export interface EngineOptions {
	/** The CLI's executable. */
	readonly pulumiBin: string;
	/** The CLI's home, a folder of ours. */
	readonly pulumiHome: string;
	/** The Kubernetes provider's executable. */
	readonly pluginBin: string;
	/** The AWS provider's executable, where there is one. */
	readonly awsPluginBin?: string | undefined;
	readonly state: StateBackend;
	/** Holds a folder per stack. */
	readonly workRoot: string;
	/** The machine's environment, of which the CLI gets what `pickInherited` picks. */
	readonly environment: Readonly<Record<string, string | undefined>>;
	readonly findProgram: FindProgram;
	/** Told the pid of the CLI in a place as soon as it runs, and undefined once nothing of it runs any more. */
	readonly onProcess?: (place: string, pid: number | undefined) => void;
	/** How long an interrupted CLI may go on, in milliseconds, before it and its providers are killed. */
	readonly graceMs?: number;
}

const defaultGraceMs = 30_000;

// Inline programs that share a process fail together: the rejection of one ends all (SDK, automation/server.js).
let isBusy = false;

/** An engine over the Pulumi CLI. Any number of engines of a process run one update at a time together. */
export function makeEngine(options: EngineOptions): Engine {
	silenceDebugLog();
	return {
		up: (run, hooks) => runAlone(hooks, () => up(options, run, hooks)),
		destroy: (run, hooks) =>
			runAlone(hooks, () => destroy(options, run, hooks)),
		preview: (run, hooks) =>
			runAlone(hooks, () => preview("up", { options, run, hooks })),
		previewDestroy: (run, hooks) =>
			runAlone(hooks, () => preview("destroy", { options, run, hooks })),
	};
}

async function runAlone<T>(
	{ signal }: EngineHooks,
	work: () => Promise<T>,
): Promise<T> {
	if (signal.aborted) {
		throw new Failure({
			code: "cancelled",
			message: "The update was cancelled before it began.",
			untouched: "Nothing was changed.",
		});
	}
	if (isBusy) {
		throw new Failure({
			code: "conflict",
			message: "This process runs an update already.",
			untouched: "Nothing was changed.",
		});
	}
	isBusy = true;
	try {
		return await work();
	} finally {
		isBusy = false;
	}
}

async function up(
	options: EngineOptions,
	run: EngineRun,
	hooks: EngineHooks,
): Promise<EngineOutcome> {
	const redact = makeRedactor(listSecrets(run.input));
	const stages = followStages(hooks);
	const program = await makeProgram(run, {
		findProgram: options.findProgram,
		redact,
		pace: stages.pace,
	});
	const state = await openState(options, run);
	return stages.settle(
		attempt(
			{ options, run, hooks, state },
			program.findFailure,
			async (session) => {
				try {
					if (!(await state.exists())) {
						await state.create(() => session.workspace.createStack(run.stack));
					}
					const stack = await Stack.select(run.stack, session.workspace);
					await stack.up({
						...session.common,
						program: program.program,
						...(run.refresh === true && { refresh: true }),
					});
					return {
						changes: await session.events.settle(),
						outputs: program.loadOutputs(),
					};
				} finally {
					program.close();
				}
			},
		),
	);
}

async function destroy(
	options: EngineOptions,
	run: EngineRun,
	hooks: EngineHooks,
): Promise<EngineOutcome> {
	const state = await openState(options, run);
	if (!(await state.exists())) {
		await state.remove();
		return { changes: noChanges, outputs: null };
	}
	const redact = makeRedactor(listSecrets(run.input));
	const program = await makeProgram(run, {
		findProgram: options.findProgram,
		redact,
	});
	return attempt(
		{ options, run, hooks, state },
		program.findFailure,
		async (session) => {
			try {
				const stack = await Stack.select(run.stack, session.workspace);
				session.workspace.program = program.program;
				// The program runs for its provider's sake: the state holds the credentials of the last update, and
				// the cluster may have got others since.
				await stack.destroy({ ...session.common, runProgram: true });
				const changes = await session.events.settle();
				await state.remove();
				// The program says "same" of what is deleted right after.
				return { changes: { ...changes, same: 0 }, outputs: null };
			} finally {
				program.close();
			}
		},
	);
}

/** Nothing is made for it: a stack that does not exist has nothing to be previewed. */
async function preview(
	verb: "up" | "destroy",
	{ options, run, hooks }: Omit<Attempt, "state">,
): Promise<EngineOutcome> {
	const redact = makeRedactor(listSecrets(run.input));
	const state = options.state.open(run);
	requireOwnBackend(state.url);
	if (!(await state.exists())) throw noStack();
	const planner = makePlanner(redact);
	const program = await makeProgram(run, {
		findProgram: options.findProgram,
		redact,
	});
	return attempt(
		// What would be done did not happen, so no event tells of it.
		{ options, run, hooks: quietly(hooks), state },
		program.findFailure,
		async ({ workspace, events, common }) => {
			try {
				const stack = await Stack.select(run.stack, workspace);
				const onEvent: typeof common.onEvent = (event) => {
					planner.take(event);
					events.onEvent(event);
				};
				if (verb === "up") {
					await stack.preview({
						...common,
						onEvent,
						program: program.program,
					});
				} else {
					workspace.program = program.program;
					await stack.previewDestroy({ ...common, onEvent, runProgram: true });
				}
				await events.settle();
				const plan = planner.plan();
				return { changes: countSteps(plan), outputs: null, plan };
			} finally {
				program.close();
			}
		},
	);
}

const quietly = (hooks: EngineHooks): EngineHooks => ({
	...hooks,
	onStep: undefined,
	onEvent: (event) =>
		event.type === "engine.warned" ? hooks.onEvent(event) : undefined,
});

const noStack = (): Failure =>
	new Failure({
		code: "conflict",
		message: "The engine knows nothing of the environment: it was never made.",
		untouched: "Nothing was changed.",
		advice: "Order what you want; there is nothing that could be previewed.",
	});

async function openState(
	options: EngineOptions,
	run: EngineRun,
): Promise<StackState> {
	const state = options.state.open(run);
	requireOwnBackend(state.url);
	await state.unlock();
	return state;
}

interface Attempt {
	readonly options: EngineOptions;
	readonly run: EngineRun;
	readonly hooks: EngineHooks;
	readonly state: StackState;
}

interface Session {
	readonly workspace: LocalWorkspace;
	readonly events: EventFollower;
	/** What every update of this run passes to the SDK. */
	readonly common: {
		readonly onEvent: EventFollower["onEvent"];
		readonly signal: AbortSignal;
		readonly color: "never";
		readonly suppressProgress: true;
		readonly suppressOutputs: true;
	};
}

/** Runs one update in a workspace of its own and maps whatever ends it. */
async function attempt(
	{ options, run, hooks, state }: Attempt,
	findProgramFailure: () => Failure | undefined,
	work: (session: Session) => Promise<EngineOutcome>,
): Promise<EngineOutcome> {
	const redact = makeRedactor(listSecrets(run.input));
	const events = followEvents(hooks, redact);
	const { project, stack } = run;
	const place = placeOf(run);
	const command = makeCommand({
		binary: options.pulumiBin,
		graceMs: options.graceMs ?? defaultGraceMs,
		onProcess: (pid) => options.onProcess?.(place, pid),
	});
	const { pulumiHome, workRoot, environment } = options;
	let temporary: string | undefined;
	try {
		await prepareHome(pulumiHome, options.pluginBin, options.awsPluginBin);
		temporary = await makeTemporary(workRoot, place);
		const workspace = await openWorkspace({
			project,
			stack,
			place,
			workRoot,
			temporary,
			pulumiHome,
			machine: environment,
			state,
			command,
		});
		return await work({
			workspace,
			events,
			common: {
				onEvent: events.onEvent,
				signal: events.signal,
				color: "never",
				suppressProgress: true,
				suppressOutputs: true,
			},
		});
	} catch (error) {
		// An event that could not be passed on is why the run was ended, whatever the CLI says of it.
		await events.settle();
		const exit = findExit(error);
		if (error instanceof Failure) throw error;
		if (exit === undefined) throw translateDiskError(error);
		throw decideFailure({
			exit,
			errors: events.errors,
			programFailure: findProgramFailure(),
			isCancelled: hooks.signal.aborted,
			redact,
		});
	} finally {
		if (temporary !== undefined) await clearTemporary(temporary);
		// A folder that only this run had.
		if (place !== stack) await clearTemporary(join(workRoot, place));
	}
}
