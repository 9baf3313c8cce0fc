// One server process: started, waited for, kept alive, stopped. It gets a process group of its own, so that
// the Ctrl-C of a terminal reaches the service alone, which then stops everything in the right order.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Failure } from "../failure.ts";
import type { Claim } from "./claim.ts";

const readyWithinMs = 30_000;
const pollMs = 25;
const stopGraceMs = 20_000;
const firstRestartMs = 200;
const slowestRestartMs = 10_000;
/** A process that ran this long was well: its next restart is quick again. */
const wellAfterMs = 60_000;

export interface ProgramPlan {
	readonly name: string;
	readonly command: string;
	readonly args: readonly string[];
	readonly cwd: string;
	/** Of its environment, besides the few that every program gets. */
	readonly variables?: Readonly<Record<string, string>>;
	readonly uid?: number;
	readonly gid?: number;
	readonly logPath: string;
	/** Asks the server itself whether it serves. A rejection counts as "not yet". */
	readonly isReady: () => Promise<boolean>;
	/** SIGTERM unless said otherwise; SIGKILL follows when it has not helped. */
	readonly stopSignal?: NodeJS.Signals;
	/** Done before each start, the first and any later one. A rejection does not keep the program from being started. */
	readonly beforeStart?: () => Promise<void>;
	/** Called when the program died by itself, was started again and serves again. */
	readonly onRestarted?: () => void;
}

export interface Program {
	/** Ends the process; the one that is started in its place reads everything anew. */
	restart(): void;
	/** Fulfils when the process is gone. */
	stop(): Promise<void>;
}

export interface ProgramHost {
	readonly claim: Claim;
	readonly log: (line: string) => void;
}

/**
 * Starts a program and fulfils when it is ready. From then on it is started again whenever it ends, with
 * growing pauses, until it is stopped.
 *
 * Throws `not_set_up` if it ends before it is ready, or is not ready after 30 seconds.
 */
export async function startProgram(
	plan: ProgramPlan,
	host: ProgramHost,
): Promise<Program> {
	const stopping = new AbortController();
	await plan.beforeStart?.().catch(() => undefined);
	let run = launch(plan, host.claim, "w");
	try {
		await waitUntilReady(plan, run);
	} catch (error) {
		await endRun(run, plan.stopSignal);
		throw error;
	}
	let isWanted = false;

	const keepAlive = async () => {
		let pauseMs = firstRestartMs;
		for (;;) {
			const end = await run.ended;
			if (stopping.signal.aborted) return;
			if (Date.now() - run.startedAt > wellAfterMs) pauseMs = firstRestartMs;
			if (!isWanted) {
				host.log(
					`${plan.name} ended unexpectedly (${end}), it is started again`,
				);
			}
			await delay(isWanted ? 0 : pauseMs, undefined, {
				signal: stopping.signal,
			}).catch(() => undefined);
			await plan.beforeStart?.().catch(() => undefined);
			if (stopping.signal.aborted) return;
			pauseMs = Math.min(pauseMs * 2, slowestRestartMs);
			run = launch(plan, host.claim, "a");
			// Told only if this run gets so far; if it does not, the next one tells.
			if (!isWanted) {
				void waitUntilReady(plan, run).then(plan.onRestarted, () => undefined);
			}
			isWanted = false;
		}
	};
	const kept = keepAlive();
	return {
		restart() {
			isWanted = true;
			run.child.kill("SIGKILL");
		},
		async stop() {
			stopping.abort();
			await endRun(run, plan.stopSignal);
			await kept;
		},
	};
}

interface Run {
	readonly child: ChildProcess;
	readonly startedAt: number;
	/** Fulfils with how it ended. Never rejects. */
	readonly ended: Promise<string>;
	hasEnded: boolean;
}

function launch(plan: ProgramPlan, claim: Claim, logFlag: "w" | "a"): Run {
	const log = openLog(plan.logPath, logFlag);
	const child = spawn(plan.command, plan.args, {
		cwd: plan.cwd,
		// Nothing is inherited: a proxy or a password in the service's environment is none of its business.
		env: {
			PATH: "/usr/local/bin:/usr/bin:/bin",
			HOME: plan.cwd,
			LC_ALL: "C",
			...plan.variables,
		},
		stdio: ["ignore", log, log],
		detached: true,
		...(plan.uid === undefined ? {} : { uid: plan.uid }),
		...(plan.gid === undefined ? {} : { gid: plan.gid }),
	});
	if (log !== "ignore") closeSync(log);
	const { pid } = child;
	if (pid !== undefined) claim.record(plan.name, pid);
	const { promise: ended, resolve } = Promise.withResolvers<string>();
	const run: Run = { child, startedAt: Date.now(), ended, hasEnded: false };
	const finish = (how: string) => {
		run.hasEnded = true;
		if (pid !== undefined) claim.forget(pid);
		resolve(how);
	};
	child.once("error", (error) => finish(error.message));
	child.once("exit", (code, signal) => finish(signal ?? `exit code ${code}`));
	return run;
}

/** A folder that was deleted meanwhile costs the log, and does not keep the program from being started again. */
function openLog(path: string, flag: "w" | "a"): number | "ignore" {
	try {
		return openSync(path, flag, 0o600);
	} catch {
		return "ignore";
	}
}

async function waitUntilReady(plan: ProgramPlan, run: Run): Promise<void> {
	while (Date.now() - run.startedAt < readyWithinMs) {
		if (run.hasEnded) {
			throw notStarted(plan, `ended before it was ready (${await run.ended})`);
		}
		if (await plan.isReady().catch(() => false)) return;
		await Promise.race([delay(pollMs), run.ended]);
	}
	throw notStarted(plan, `was not ready after ${readyWithinMs / 1000} seconds`);
}

async function endRun(
	run: Run,
	signal: NodeJS.Signals = "SIGTERM",
): Promise<void> {
	if (run.hasEnded) return;
	run.child.kill(signal);
	const patience = new AbortController();
	const timeout = delay(stopGraceMs, "late", { signal: patience.signal });
	const first = await Promise.race([run.ended, timeout.catch(() => "")]);
	patience.abort();
	if (first === "late") run.child.kill("SIGKILL");
	await run.ended;
}

const notStarted = (plan: ProgramPlan, how: string) =>
	new Failure({
		code: "not_set_up",
		message: `${plan.name} ${how}. Its log says: ${findGist(plan.logPath)}`,
		untouched: "What had been started with it was stopped; its data was kept.",
		advice: `The whole log is ${plan.logPath}. If the program is damaged, delete its folder and start again to have it rebuilt; if its data is, delete the folder ${plan.cwd}, and all that it holds is lost.`,
	});

const alarming =
	/error|fatal|failed|panic|denied|in use|no such|cannot|could not/i;

/** The lines of a log that most likely say what went wrong: the last alarming one, or else the very last. */
function findGist(logPath: string): string {
	let lines: string[];
	try {
		lines = readFileSync(logPath, "utf8")
			.split("\n")
			.map((line) => line.trim())
			.filter((line) => line !== "");
	} catch {
		lines = [];
	}
	const line = lines.findLast((text) => alarming.test(text)) ?? lines.at(-1);
	return line === undefined ? "nothing." : line.slice(0, 400);
}
