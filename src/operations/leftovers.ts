// Looks, when it is asked, for what exists and should not, and for what should exist and does not. Nothing is kept of
// it and nothing is changed: what to do about a finding is a person's to decide.
import type { Environment } from "../domain/environment.ts";
import { type Leftover, leftoverLimit } from "../domain/leftover.ts";
import { listMovedSince, readClock } from "../store/operations.ts";
import { listTargets } from "../store/targets.ts";
import { lookAtTarget, type TargetLook } from "./look-at-target.ts";
import type { LookContext } from "./reach.ts";

export interface LeftoverLook {
	readonly lookedAt: Date;
	readonly targets: readonly Pick<TargetLook, "name" | "reachable" | "error">[];
	/** At most `leftoverLimit`. */
	readonly items: readonly Leftover[];
	readonly isCut: boolean;
	/** Environments that something moved meanwhile: of them nothing is said. */
	readonly leftOut: readonly string[];
}

/** Looks at all targets side by side, or at one environment. A target that does not answer is told of, and fails nothing. */
export async function findLeftovers(
	context: LookContext,
	environment: Environment | undefined,
): Promise<LeftoverLook> {
	const { db } = context;
	const since = await readClock(db);
	const targets = (await listTargets(db)).filter(
		({ name }) => environment === undefined || name === environment.target,
	);
	const looks = await Promise.all(
		targets.map((target) => lookAtTarget(context, target, environment)),
	);
	// Asked last: whatever moved while somebody looked is left out.
	const moved: ReadonlySet<string> = await listMovedSince(db, since);
	const items = dropDoubles(looks).filter(
		(item) => item.environment === null || !moved.has(item.environment),
	);
	return {
		lookedAt: since,
		targets: looks.map(({ name, reachable, error }) => ({
			name,
			reachable,
			error,
		})),
		items: items.slice(0, leftoverLimit),
		isCut: items.length > leftoverLimit || looks.some(({ isCut }) => isCut),
		leftOut: looks
			.flatMap(({ compared }) => compared)
			.filter((one) => moved.has(one)),
	};
}

/** Two targets may share a cluster or an account: both see the same strays. */
function dropDoubles(looks: readonly TargetLook[]): Leftover[] {
	const seen = new Set<string>();
	return looks.flatMap(({ items, cluster }) =>
		items.filter(({ finding, kind, name, namespace }) => {
			if (finding !== "stray") return true;
			const place = namespace === null ? "" : cluster;
			const key = `${place} ${kind} ${name}`;
			if (seen.has(key)) return false;
			seen.add(key);
			return true;
		}),
	);
}
