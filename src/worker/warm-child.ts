// One warm child as its parent sees it: started, given work, and ended in two steps together with its CLI.
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type {
	EngineHooks,
	EngineOutcome,
	EngineRun,
	EngineSettings,
} from "../domain/engine.ts";
import { Failure, type FailureRecord, recordFailure } from "../failure.ts";
import { endSession, type ProcessRef, pickInherited } from "../processes.ts";
import type { ToChild, ToParent, Verb } from "./messages.ts";

export interface ChildSpec {
	readonly module: string | URL;
	readonly settings: EngineSettings;
	/** The child's JavaScript heap may not grow beyond this. */
	readonly maxHeapMiB: number;
}

export interface WarmChild {
	/** Fulfils when it can take work. Rejects if it ends before. */
	readonly ready: Promise<void>;
	/** Fulfils when it and its CLI are gone. */
	readonly ended: Promise<void>;
	run(verb: Verb, run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
	/** Resident memory after the last run; 0 before the first. */
	memoryMiB(): number;
	/** Aborts what it runs, waits the grace, and ends it by force after that. */
	stop(): Promise<void>;
}

const startTimeoutMs = 60_000;
/** How much longer than the CLI's grace a child may take, and how long an idle one may take to stop. */
const marginMs = 5_000;
export const defaultGraceMs = 30_000;

interface Current {
	/** Takes an event of the run. */
	readonly onEvent: (message: ToParent & { type: "event" }) => void;
	readonly onStage: (message: ToParent & { type: "stage" }) => void;
	readonly onStep: EngineHooks["onStep"];
	readonly resolve: (outcome: EngineOutcome) => void;
	readonly reject: (failure: Failure) => void;
}

/** Starts a child. It is of no use before it is ready. */
export function startChild(spec: ChildSpec): WarmChild {
	const { settings } = spec;
	const graceMs = settings.graceMs ?? defaultGraceMs;
	const child = forkChild(spec);
	const ready = Promise.withResolvers<void>();
	const ended = Promise.withResolvers<void>();
	let cli: ProcessRef | null = null;
	let current: Current | undefined;
	let memoryMiB = 0;
	let hasEnded = false;

	const startTimer = setTimeout(kill, startTimeoutMs);
	ready.promise.catch(() => {}).finally(() => clearTimeout(startTimer));

	child.on("message", (message: ToParent) => {
		switch (message.type) {
			case "ready":
				ready.resolve();
				break;
			case "process":
				cli = message.cli;
				break;
			case "event":
				current?.onEvent(message);
				break;
			case "stage":
				current?.onStage(message);
				break;
			case "step":
				current?.onStep?.(message.step);
				break;
			case "succeeded":
				memoryMiB = message.memoryMiB;
				current?.resolve(message.outcome);
				break;
			case "failed":
				memoryMiB = message.memoryMiB;
				current?.reject(new Failure(message.failure));
				break;
		}
	});
	child.on("error", (error) => ready.reject(error));
	// "close" comes after the last message was read, so a result that was sent before the end counts.
	child.on("close", () => finish());
	send({ type: "start", settings });

	function finish(): void {
		hasEnded = true;
		if (cli !== null) endSession(cli.pid);
		ready.reject(childEnded());
		current?.reject(childEnded());
		ended.resolve();
	}

	function kill(): void {
		if (cli !== null) endSession(cli.pid);
		child.kill("SIGKILL");
	}

	function send(message: ToChild): void {
		// A child that is ending cannot be told anything; its end says all there is to say.
		if (child.connected) child.send(message, () => {});
	}

	/** Tells the child to come to an end of what it does, and ends it by force when it does not. */
	function press(message: ToChild, timeoutMs: number): () => void {
		send(message);
		const timer = setTimeout(kill, timeoutMs);
		return () => clearTimeout(timer);
	}

	return {
		ready: ready.promise,
		ended: ended.promise,
		memoryMiB: () => memoryMiB,
		async run(verb, run, hooks) {
			if (hasEnded) throw childEnded();
			if (current !== undefined) throw childBusy();
			const result = Promise.withResolvers<EngineOutcome>();
			const release: (() => void)[] = [];
			const abort = () =>
				release.push(press({ type: "abort" }, graceMs + marginMs));
			const events = followInOrder(hooks, abort);
			const stages = followStages(hooks, (failure) =>
				send({ type: "stageEnded", failure }),
			);
			const { onStep } = hooks;
			current = {
				...result,
				onEvent: events.take,
				onStage: stages.take,
				onStep,
			};
			hooks.signal.addEventListener("abort", abort, { once: true });
			const isStaged = hooks.onStage !== undefined;
			const isTraced = onStep !== undefined;
			send({ type: "run", verb, run, isStaged, isTraced });
			if (hooks.signal.aborted) abort();
			try {
				return await result.promise;
			} catch (error) {
				throw stages.explain(error);
			} finally {
				current = undefined;
				hooks.signal.removeEventListener("abort", abort);
				for (const undo of release) undo();
				await events.settle();
			}
		},
		async stop() {
			const undo = press(
				{ type: "stop" },
				marginMs + (current === undefined ? 0 : graceMs),
			);
			await ended.promise;
			undo();
		},
	};
}

function forkChild({ module, settings, maxHeapMiB }: ChildSpec): ChildProcess {
	return fork(module, [], {
		serialization: "advanced",
		// A process group of its own: the terminal's Ctrl-C is for the parent.
		detached: true,
		// Not ours: a debugger's port or a test runner's flags are not for children.
		execArgv: [
			`--max-old-space-size=${maxHeapMiB}`,
			// Halves what a child holds after some runs (measured: 196 MiB instead of 390), at no cost in time.
			"--max-semi-space-size=4",
		],
		env: {
			...pickInherited(settings.environment),
			NODE_COMPILE_CACHE:
				settings.environment.NODE_COMPILE_CACHE ??
				join(settings.workRoot, ".compile-cache"),
		},
		// Standard output belongs to the parent's reader; whatever a child prints goes where the logs go.
		stdio: ["ignore", 2, 2, "ipc"],
	});
}

interface EventsInOrder {
	readonly take: (message: ToParent & { type: "event" }) => void;
	/** Fulfils when all were taken. Throws what the taker threw. */
	settle(): Promise<void>;
}

/** Hands events on one at a time; after one was refused, none. */
function followInOrder(hooks: EngineHooks, abort: () => void): EventsInOrder {
	let tail = Promise.resolve();
	let refusal: { readonly reason: unknown } | undefined;
	return {
		take({ event }) {
			tail = tail.then(async () => {
				if (refusal !== undefined) return;
				try {
					await hooks.onEvent(event);
				} catch (reason) {
					refusal = { reason };
					abort();
				}
			});
		},
		async settle() {
			await tail;
			if (refusal !== undefined) throw refusal.reason;
		},
	};
}

interface Stages {
	readonly take: (message: ToParent & { type: "stage" }) => void;
	/** Why the run failed: what the hook threw if it did, as it was before it went over the channel. */
	explain(error: unknown): unknown;
}

/** Asks the hook about each stage and passes its answer on. */
function followStages(
	{ onStage }: EngineHooks,
	answer: (failure: FailureRecord | null) => void,
): Stages {
	let refusal: { readonly reason: unknown } | undefined;
	return {
		async take({ stage }) {
			try {
				await onStage?.(stage);
				answer(null);
			} catch (reason) {
				refusal = { reason };
				answer(recordFailure(reason));
			}
		},
		explain: (error) => (refusal === undefined ? error : refusal.reason),
	};
}

function childEnded(): Failure {
	return new Failure({
		code: "unavailable",
		message: "The worker's child process ended.",
		untouched:
			"Its Pulumi CLI was ended too. What was applied stays as it is, and the next attempt goes on from there.",
		advice: "It is tried again. The worker's log says how the child ended.",
		retryable: true,
	});
}

function childBusy(): Failure {
	return new Failure({
		code: "conflict",
		message: "This child runs an update already.",
		untouched: "Nothing was changed.",
	});
}
