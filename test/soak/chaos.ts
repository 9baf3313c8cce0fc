// Kills and stops processes of the house at random, seeded times.
import { setTimeout as delay } from "node:timers/promises";
import { findDescendants } from "../support/descendants.ts";
import type { House } from "./house.ts";
import type { KeptRole } from "./keep.ts";
import type { Random } from "./random.ts";

/** Longer than a lease, so that some of the stopped ones lose theirs. */
const longestStopMs = 25_000;

export interface Chaos {
	/** What was done, by victim. */
	readonly counts: ReadonlyMap<string, number>;
	/** Fulfils when the last stopped process goes on again. */
	stop(): Promise<void>;
}

interface Choice {
	readonly name: string;
	readonly weight: number;
	/** False if there was nobody to do it to. */
	readonly strike: () => boolean | Promise<boolean>;
}

/** Strikes every `everyMs`, give or take a half. */
export function startChaos(
	house: House,
	options: {
		readonly random: Random;
		readonly everyMs: number;
		readonly log: (line: string) => void;
	},
): Chaos {
	const { random, everyMs, log } = options;
	const counts = new Map<string, number>();
	const ending = new AbortController();
	const stopped: Promise<void>[] = [];
	const choices = listChoices(house, random, (resume) =>
		stopped.push(resume(ending.signal)),
	);

	const run = async () => {
		while (!ending.signal.aborted) {
			await delay(everyMs * (0.5 + random.next()), undefined, {
				signal: ending.signal,
			}).catch(() => undefined);
			if (ending.signal.aborted) return;
			const { name, strike } = random.pick(choices);
			if (!(await strike())) continue;
			counts.set(name, (counts.get(name) ?? 0) + 1);
			log(`chaos: ${name}`);
		}
	};
	const running = run();
	return {
		counts,
		async stop() {
			ending.abort();
			await running;
			await Promise.all(stopped);
		},
	};
}

function listChoices(
	house: House,
	random: Random,
	later: (resume: (signal: AbortSignal) => Promise<void>) => void,
): readonly Choice[] {
	const one = <T>(list: readonly T[]): T | undefined =>
		list[random.between(0, Math.max(0, list.length - 1))];
	const role = (prefix: string): KeptRole | undefined =>
		one(house.roles.filter(({ name }) => name.startsWith(prefix)));
	const kill = (pid: number | undefined) =>
		pid !== undefined && send(pid, "SIGKILL");
	const below = (pattern: RegExp) => {
		const pid = role("worker")?.pid();
		return pid === undefined ? undefined : one(findDescendants(pid, pattern));
	};
	const own = (pattern: RegExp) => findDescendants(process.pid, pattern)[0];

	return [
		{
			name: "worker killed",
			weight: 5,
			strike: () => kill(role("worker")?.pid()),
		},
		{
			name: "worker stopped for a while",
			weight: 3,
			strike() {
				const pid = role("worker")?.pid();
				if (pid === undefined || !send(pid, "SIGSTOP")) return false;
				const forMs = random.between(2_000, longestStopMs);
				later(async (signal) => {
					await delay(forMs, undefined, { signal }).catch(() => undefined);
					send(pid, "SIGCONT");
				});
				return true;
			},
		},
		{
			name: "child killed",
			weight: 3,
			strike: () => kill(below(/worker\/child\.ts/)),
		},
		{ name: "CLI killed", weight: 5, strike: () => kill(below(/\/pulumi /)) },
		{
			name: "provider killed",
			weight: 3,
			strike: () => kill(below(/pulumi-resource-kubernetes/)),
		},
		{ name: "API killed", weight: 2, strike: () => kill(role("api")?.pid()) },
		{
			name: "scheduler killed",
			weight: 1,
			strike: () => kill(role("scheduler")?.pid()),
		},
		{
			name: "PostgreSQL killed",
			weight: 2,
			strike: () => kill(own(/postgres -D/)),
		},
		{
			name: "API server killed",
			weight: 2,
			strike: () => kill(own(/kube-apiserver/)),
		},
		{
			name: "Redis killed and emptied",
			weight: 2,
			async strike() {
				await house.replaceRedis();
				return true;
			},
		},
	];
}

/** False if the process is gone already. */
function send(pid: number, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): boolean {
	try {
		process.kill(pid, signal);
		return true;
	} catch {
		return false;
	}
}
