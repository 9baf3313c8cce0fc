// What is told of workloads while they are waited for, and when waiting is given up. No clock of its own.
import type { NewEvent } from "../domain/event.ts";
import { Failure } from "../failure.ts";
import type { ClusterLimits } from "./limits.ts";
import type { Stuck } from "./verdict.ts";
import { isClaim, type Workload } from "./workloads.ts";

export interface Step {
	readonly events: readonly NewEvent[];
	/** Set once a reason that will not pass has stood for its grace. */
	readonly failure: Failure | undefined;
	/** When the same workloads would lead to something new. */
	readonly againInMs: number | undefined;
}

type StuckWorkload = Workload & { readonly verdict: Stuck };

interface Standing {
	stuckSince: number | undefined;
	lastingSince: number | undefined;
}

const isStuck = (workload: Workload): workload is StuckWorkload =>
	workload.verdict.state === "stuck";

const identify = ({ kind, name }: Workload): string => `${kind} ${name}`;

/**
 * Remembers what it saw. Each call takes the workloads and the time in milliseconds, and says what is new:
 * `workload.ready` once for each, `workload.stuck` once for each reason of each.
 */
export function makeProgress(
	limits: Pick<ClusterLimits, "stuckGraceMs" | "reportAfterMs">,
): (workloads: readonly Workload[], nowMs: number) => Step {
	const told = new Set<string>();
	const standings = new Map<string, Standing>();

	function tellOnce(key: string, event: NewEvent): NewEvent[] {
		if (told.has(key)) return [];
		told.add(key);
		return [event];
	}
	function updateStanding(workload: Workload, nowMs: number): Standing {
		const key = identify(workload);
		const before = standings.get(key);
		const { verdict } = workload;
		// A pull that fails is called ErrImagePull and ImagePullBackOff in turn: the time counts over all reasons.
		const standing: Standing = {
			stuckSince:
				verdict.state === "stuck" ? (before?.stuckSince ?? nowMs) : undefined,
			lastingSince:
				verdict.state === "stuck" && verdict.lasting
					? (before?.lastingSince ?? nowMs)
					: undefined,
		};
		standings.set(key, standing);
		return standing;
	}
	function tell(workload: Workload, isDue: boolean): NewEvent[] {
		const key = identify(workload);
		const { kind, name, verdict } = workload;
		if (verdict.state === "ready") {
			// An unbound claim is worth a word; a bound one is not.
			if (isClaim(workload)) return [];
			const event = { type: "workload.ready", data: { kind, name } } as const;
			return tellOnce(key, event);
		}
		if (verdict.state !== "stuck" || !isDue) return [];
		const { reason, message, advice } = verdict;
		return tellOnce(`${key} ${reason}`, {
			type: "workload.stuck",
			data: { kind, name, reason, message, advice },
		});
	}

	return (workloads, nowMs) => {
		const events: NewEvent[] = [];
		const dueAt: number[] = [];
		for (const workload of workloads) {
			const standing = updateStanding(workload, nowMs);
			const isLasting = standing.lastingSince !== undefined;
			const reportAt = (standing.stuckSince ?? nowMs) + limits.reportAfterMs;
			const isDue = isLasting || nowMs >= reportAt;
			events.push(...tell(workload, isDue));
			if (isLasting) {
				dueAt.push((standing.lastingSince ?? nowMs) + limits.stuckGraceMs);
			} else if (!isDue && isStuck(workload)) dueAt.push(reportAt);
		}
		const lasting = workloads
			.filter(isStuck)
			.filter(({ verdict }) => verdict.lasting);
		const isGivenUp = lasting.some((workload) => {
			const since = standings.get(identify(workload))?.lastingSince ?? nowMs;
			return nowMs - since >= limits.stuckGraceMs;
		});
		return {
			events,
			failure: isGivenUp ? makeStuckFailure(lasting) : undefined,
			againInMs:
				dueAt.length === 0
					? undefined
					: Math.max(0, Math.min(...dueAt) - nowMs),
		};
	};
}

/** "Deployment server" for `apps/v1/Deployment` and `server`. */
export const presentWorkload = ({ kind, name }: Workload): string =>
	`${kind.slice(kind.lastIndexOf("/") + 1)} ${name}`;

function makeStuckFailure(workloads: readonly StuckWorkload[]): Failure {
	const reasons = workloads.map(
		(workload) =>
			`${presentWorkload(workload)}: ${workload.verdict.reason}. ${workload.verdict.message}`,
	);
	const head =
		workloads.length === 1
			? "One workload is stuck"
			: `${workloads.length} workloads are stuck`;
	return new Failure({
		code: "workload_stuck",
		message: `${head}. ${reasons.join(" ")}`,
		untouched: "Everything was left running as it is, for you to look at.",
		advice: [...new Set(workloads.map(({ verdict }) => verdict.advice))].join(
			" ",
		),
	});
}
