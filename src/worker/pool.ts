// Warm children, lent one at a time. A child runs one update at a time, because inline programs that share
// a process are not isolated from each other; so the pool counts children and not promises.
import { setTimeout as delay } from "node:timers/promises";
import type { Engine, EngineSettings } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import { type ChildRestartReason, countChildRestart } from "../metrics.ts";
import { endLeftovers } from "./leftovers.ts";
import { measureFreeMemory } from "./memory.ts";
import { startChild, type WarmChild } from "./warm-child.ts";

export interface PoolOptions {
	readonly size: number;
	/** The child's program. */
	readonly childModule: string | URL;
	readonly childOptions: EngineSettings;
	/** A child is replaced after so many runs. */
	readonly maxRuns?: number;
	/** A child that holds more after a run is replaced. */
	readonly maxMemoryMiB?: number;
	/** What the machine has free now, in MiB. */
	readonly measureFreeMiB?: () => number;
	readonly log: Pick<Log, "warn">;
}

/** A child on loan. */
export interface Loan {
	readonly engine: Engine;
	/** Gives the child back. May be called twice. */
	release(): void;
}

export interface Pool {
	/** Waits for a free child. Throws `cancelled` when the signal aborts, `unavailable` (retryable) when children do not start or the pool is closed. */
	borrow(signal: AbortSignal): Promise<Loan>;
	/** How many children wait for work. */
	idle(): number;
	/** Whether somebody waits for a child that is there, because the machine has no memory for another update. */
	isShortOfMemory(): boolean;
	/** Stops every child, in two steps, and fulfils when all are gone. */
	close(): Promise<void>;
}

/** What one update takes at its height, in MiB: 220 the child, 275 the CLI, 160 the Kubernetes provider (measured), and some room. */
const memoryPerUpdateMiB = 700;
/** What is left to everything else on the machine. */
const memoryForOthersMiB = 1_024;

/** Of that, what an update takes beside its child, which is there already. */
const memoryToBeginMiB = 480;
/** So long after its begin an update has taken most of it. */
const memoryGrowthMs = 5_000;
/** Memory is looked at again so often while somebody waits for it. */
const memoryLookMs = 1_000;

/** How many updates a machine can run at a time: bounded by its memory, and by two for each core, since an update mostly waits. */
export function decidePoolSize({
	cores,
	memoryMiB,
}: {
	readonly cores: number;
	readonly memoryMiB: number;
}): number {
	const byMemory = Math.floor(
		(memoryMiB - memoryForOthersMiB) / memoryPerUpdateMiB,
	);
	return Math.max(1, Math.min(byMemory, 2 * cores));
}

const firstRestartDelayMs = 1_000;
const maxRestartDelayMs = 30_000;

interface Waiter {
	readonly resolve: (child: Member) => void;
	readonly reject: (failure: Failure) => void;
}

interface Member {
	readonly child: WarmChild;
	runs: number;
	/** Whether a run of it broke off. */
	isSpent: boolean;
	/** Whether another was started in its place. */
	isReplaced: boolean;
}

/** Ends what an earlier worker left running on this host, and starts the children. */
export function makePool(options: PoolOptions): Pool {
	const { log, childOptions, maxRuns = 100, maxMemoryMiB = 400 } = options;
	const measureFreeMiB = options.measureFreeMiB ?? measureFreeMemory;
	const members = new Set<Member>();
	const idle: Member[] = [];
	const waiters: Waiter[] = [];
	const timers = new Set<NodeJS.Timeout>();
	let failedStarts = 0;
	let isClosed = false;
	/** When each update that was lent a child, or is about to be, was begun. */
	const begun = new Set<{ readonly at: number }>();
	let waitingForMemory = 0;

	function add(): void {
		if (isClosed) return;
		const child = startChild({
			module: options.childModule,
			settings: childOptions,
			maxHeapMiB: 2 * maxMemoryMiB,
		});
		const member: Member = {
			child,
			runs: 0,
			isSpent: false,
			isReplaced: false,
		};
		members.add(member);
		child.ready.then(
			() => {
				failedStarts = 0;
				offer(member);
				void child.ended.then(() => replaceDead(member));
			},
			(error: unknown) => child.ended.then(() => restart(member, error)),
		);
	}

	function offer(member: Member): void {
		const waiter = waiters.shift();
		if (waiter === undefined) idle.push(member);
		else waiter.resolve(member);
	}

	function drop(member: Member): void {
		members.delete(member);
		const place = idle.indexOf(member);
		if (place >= 0) idle.splice(place, 1);
	}

	/** A child that ended although nobody stopped it is replaced at once. */
	function replaceDead(member: Member): void {
		drop(member);
		if (member.isReplaced || isClosed) return;
		member.isReplaced = true;
		log.warn({}, "a worker's child ended by itself and is replaced");
		countChildRestart("died");
		add();
	}

	/** A child that cannot start will hardly start a moment later: it is tried again after a pause, and whoever waits for the only one is told. */
	function restart(member: Member, error: unknown): void {
		drop(member);
		if (isClosed) return;
		failedStarts++;
		const delayMs = Math.min(
			maxRestartDelayMs,
			firstRestartDelayMs * 2 ** (failedStarts - 1),
		);
		log.warn({ err: error, delayMs }, "a worker's child did not start");
		if (members.size === 0) {
			for (const waiter of waiters.splice(0)) waiter.reject(noChild());
		}
		const timer = setTimeout(() => {
			timers.delete(timer);
			countChildRestart("not_started");
			add();
		}, delayMs);
		timers.add(timer);
	}

	/** Takes a child back, or puts a fresh one in its place. */
	function takeBack(member: Member): void {
		// It ended meanwhile, and was replaced then.
		if (!members.has(member)) return;
		const reason = findRetirement(member);
		if (reason === undefined) {
			offer(member);
			return;
		}
		countChildRestart(reason);
		member.isReplaced = true;
		void member.child.stop();
		add();
	}

	/** Why it must not be lent again, if it must not. */
	function findRetirement(member: Member): ChildRestartReason | undefined {
		if (member.isSpent) return "untrusted";
		if (member.runs >= maxRuns) return "runs";
		return member.child.memoryMiB() > maxMemoryMiB ? "memory" : undefined;
	}

	/**
	 * With none under way nobody would make room: then one is begun whatever there is, rather than never. Those that were
	 * begun just now have not yet taken their share of what seems free.
	 */
	function hasMemory(): boolean {
		if (begun.size === 0) return true;
		const now = performance.now();
		const young = [...begun].filter(({ at }) => now - at < memoryGrowthMs);
		return measureFreeMiB() >= memoryToBeginMiB * (1 + young.length);
	}

	async function waitForMemory(signal: AbortSignal): Promise<void> {
		if (waitingForMemory++ === 0)
			log.warn({}, "an update waits until the machine has memory for it");
		try {
			while (!isClosed && !hasMemory())
				await delay(memoryLookMs, undefined, { signal });
		} catch {
			throw cancelled();
		} finally {
			waitingForMemory--;
		}
		if (isClosed) throw noChild();
	}

	function lend(member: Member, update: { readonly at: number }): Loan {
		let isReturned = false;
		const runOn =
			(verb: keyof Engine): Engine["up"] =>
			async (run, hooks) => {
				if (isReturned) throw new Error("The child was given back already.");
				member.runs++;
				let hasSucceeded = false;
				try {
					const outcome = await member.child.run(verb, run, hooks);
					hasSucceeded = true;
					return outcome;
				} finally {
					// A program that was cut short may go on in its child, and disturb the next.
					if (!hasSucceeded) member.isSpent = true;
				}
			};
		return {
			engine: {
				up: runOn("up"),
				destroy: runOn("destroy"),
				preview: runOn("preview"),
				previewDestroy: runOn("previewDestroy"),
			},
			release() {
				if (isReturned) return;
				isReturned = true;
				begun.delete(update);
				if (!isClosed) takeBack(member);
			},
		};
	}

	const leftovers = endLeftovers(childOptions.workRoot);
	if (leftovers.length > 0) {
		log.warn({ stacks: leftovers }, "an earlier worker's CLI was ended");
	}
	for (let count = 0; count < options.size; count++) add();

	return {
		async borrow(signal) {
			if (signal.aborted) throw cancelled();
			if (isClosed) throw noChild();
			if (!hasMemory()) await waitForMemory(signal);
			const update = { at: performance.now() };
			begun.add(update);
			try {
				const member = idle.shift() ?? (await waitForTurn(waiters, signal));
				return lend(member, update);
			} catch (error) {
				begun.delete(update);
				throw error;
			}
		},
		idle: () => idle.length,
		isShortOfMemory: () => waitingForMemory > 0,
		async close() {
			isClosed = true;
			for (const timer of timers) clearTimeout(timer);
			for (const waiter of waiters.splice(0)) waiter.reject(noChild());
			await Promise.all([...members].map(({ child }) => child.stop()));
		},
	};
}

/** The next free child, in the order of asking. */
async function waitForTurn(
	waiters: Waiter[],
	signal: AbortSignal,
): Promise<Member> {
	const { promise, resolve, reject } = Promise.withResolvers<Member>();
	const waiter: Waiter = { resolve, reject };
	const leave = () => {
		const place = waiters.indexOf(waiter);
		if (place >= 0) waiters.splice(place, 1);
		reject(cancelled());
	};
	waiters.push(waiter);
	signal.addEventListener("abort", leave, { once: true });
	try {
		return await promise;
	} finally {
		signal.removeEventListener("abort", leave);
	}
}

function noChild(): Failure {
	return new Failure({
		code: "unavailable",
		message: "This worker has no child process to run the update.",
		untouched: "Nothing was changed.",
		advice:
			"It is tried again. The worker's log says why children do not start.",
		retryable: true,
	});
}

function cancelled(): Failure {
	return new Failure({
		code: "cancelled",
		message: "The wait for a child process was cancelled.",
		untouched: "Nothing was changed.",
	});
}
