// The child's side of the channel: one update at a time, an abort when told, and an end when the parent is
// gone or a promise was rejected that nobody looked at. No store, no queue.
import type { Stage } from "../domain/blueprint.ts";
import {
	type Engine,
	type EngineOutcome,
	type EngineSettings,
	type EngineStep,
	placeOf,
} from "../domain/engine.ts";
import { listSecrets, makeRedactor } from "../domain/redact.ts";
import { Failure, type FailureRecord, recordFailure } from "../failure.ts";
import { createLog } from "../log.ts";
import { endSession, findProcess } from "../processes.ts";
import { endLeftover, forgetCli, recordCli } from "./leftovers.ts";
import type { ToChild, ToParent } from "./messages.ts";

export type OpenEngine = (
	settings: EngineSettings,
	onProcess: (place: string, pid: number | undefined) => void,
) => Engine;

// Without a parent nobody renews the lease, and another worker takes the environment when it is over.
const orphanGraceMs = 5_000;
// The SDK sees an unhandled rejection too and fails the run by itself; this is for one that does not end so.
const brokenGraceMs = 5_000;

interface Session {
	readonly settings: EngineSettings;
	readonly engine: Engine;
}

/** Serves the parent until it says stop or is gone. */
export function startServing(openEngine: OpenEngine): void {
	const log = createLog("info", "worker-child");
	let session: Session | undefined;
	let current: AbortController | undefined;
	let endPause: (failure: FailureRecord | null) => void = () => {};
	let cliPid: number | undefined;
	let redact = (text: string): string => text;
	let isBroken = false;
	let isStopping = false;

	function noteProcess(
		settings: EngineSettings,
		place: string,
		pid: number | undefined,
	): void {
		cliPid = pid;
		const cli = pid === undefined ? undefined : findProcess(pid);
		if (cli === undefined) forgetCli(settings.workRoot, place);
		else recordCli(settings.workRoot, place, cli);
		send({ type: "process", cli: cli ?? null }).catch(() => {});
	}

	/** Asks the parent to let the program go on. */
	async function pause(stage: Stage, signal: AbortSignal): Promise<void> {
		const paused = Promise.withResolvers<void>();
		const leave = () =>
			paused.reject(
				new Failure({
					code: "cancelled",
					message: `The pause after the stage ${stage.name} was cancelled.`,
				}),
			);
		endPause = (failure) =>
			failure === null ? paused.resolve() : paused.reject(new Failure(failure));
		signal.addEventListener("abort", leave, { once: true });
		if (signal.aborted) leave();
		try {
			await send({ type: "stage", stage });
			await paused.promise;
		} finally {
			signal.removeEventListener("abort", leave);
		}
	}

	async function serve({
		verb,
		run,
		isStaged,
		isTraced,
	}: ToChild & { type: "run" }): Promise<void> {
		const controller = new AbortController();
		current = controller;
		// Kept after the run: what the program left behind may still speak up.
		redact = makeRedactor(listSecrets(run.input));
		const result = await settle(async () => {
			if (session === undefined)
				throw new Error("A run came before the start.");
			endLeftover(session.settings.workRoot, placeOf(run));
			return session.engine[verb](run, {
				signal: controller.signal,
				onEvent: (event) => send({ type: "event", event }),
				...(isTraced && {
					onStep: (step: EngineStep) => {
						send({ type: "step", step }).catch(() => {});
					},
				}),
				...(isStaged && {
					onStage: (stage: Stage) => pause(stage, controller.signal),
				}),
			});
		});
		current = undefined;
		await send(isBroken ? brokenResult(result) : result).catch(() => {});
		if (isBroken || isStopping || !process.connected) endProcess();
	}

	async function settle(work: () => Promise<EngineOutcome>): Promise<ToParent> {
		try {
			return {
				type: "succeeded",
				outcome: await work(),
				memoryMiB: measureMemory(),
			};
		} catch (error) {
			if (!(error instanceof Failure)) {
				log.error({ error: redact(describe(error)) }, "an update broke");
			}
			return {
				type: "failed",
				failure: recordFailure(error),
				memoryMiB: measureMemory(),
			};
		}
	}

	/** What was rejected may belong to anything in this process, so nothing in it is trusted any more. */
	function breakDown(error: unknown): void {
		// The SDK lets go of some promises of a program that failed, and the run says so already.
		if (error instanceof Failure) return;
		log.error(
			{ error: redact(describe(error)) },
			"an unhandled rejection ends this worker's child",
		);
		if (isBroken) return;
		isBroken = true;
		if (current === undefined) endProcess();
		setTimeout(() => current?.abort(), brokenGraceMs).unref();
	}

	function endProcess(): never {
		process.exit(isBroken ? 1 : 0);
	}

	process.on("message", (message: ToChild) => {
		switch (message.type) {
			case "start": {
				const { settings } = message;
				session = {
					settings,
					engine: openEngine(settings, (place, pid) =>
						noteProcess(settings, place, pid),
					),
				};
				send({ type: "ready" }).catch(() => {});
				break;
			}
			case "run":
				void serve(message);
				break;
			case "stageEnded":
				endPause(message.failure);
				break;
			case "abort":
				current?.abort();
				break;
			case "stop":
				isStopping = true;
				if (current === undefined) endProcess();
				current.abort();
				break;
		}
	});
	process.on("disconnect", () => {
		if (current === undefined) endProcess();
		current.abort();
		setTimeout(endProcess, orphanGraceMs);
	});
	process.on("unhandledRejection", breakDown);
	process.on("uncaughtException", breakDown);
	// A terminal's Ctrl-C or a service manager may signal the whole family; the parent decides when we stop.
	process.on("SIGINT", () => {});
	process.on("SIGTERM", () => {});
	process.on("exit", () => {
		if (cliPid !== undefined) endSession(cliPid);
	});
}

/** The run's own failure if it has one that says why; otherwise that it cannot be trusted. */
function brokenResult(result: ToParent): ToParent {
	// Cancelled it was by breakDown.
	if (result.type === "failed" && result.failure.code !== "cancelled") {
		return result;
	}
	const failure = new Failure({
		code: "engine_failed",
		message:
			"The blueprint's program left a rejected promise behind, so its result is not trusted. The rejection is in the worker's log.",
		untouched:
			"What was applied stays as it is, and the next attempt goes on from there.",
		advice: "Correct the program.",
	});
	return {
		type: "failed",
		failure: recordFailure(failure),
		memoryMiB: measureMemory(),
	};
}

const describe = (error: unknown): string =>
	error instanceof Error && error.stack !== undefined
		? error.stack
		: String(error);

const measureMemory = (): number =>
	Math.round(process.memoryUsage.rss() / 2 ** 20);

/** Fulfils when the channel has taken the message. Throws when there is no parent any more. */
function send(message: ToParent): Promise<void> {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	if (process.send === undefined || !process.connected) {
		reject(new Error("The parent is gone."));
		return promise;
	}
	process.send(message, undefined, undefined, (error: Error | null) =>
		error === null ? resolve() : reject(error),
	);
	return promise;
}
