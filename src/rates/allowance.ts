// How much of a limit is left for each key, over all processes. What is allowed is taken from the shared count in batches
// and given out here, so that most requests wait for nobody. A batch is counted as used at once: the sum over all
// processes never exceeds the limit. What a process takes and does not give out is lost until the window ends, so
// batches begin at one, grow with use, and shrink again towards the limit's end.
import { type SharedCounts, windowSeconds } from "./counts.ts";

export interface Verdict {
	readonly isAllowed: boolean;
	/** As far as this process knows. */
	readonly remaining: number;
	/** Until the whole limit is there again. */
	readonly resetMs: number;
}

export interface Allowance {
	/** Points per window; 0: no limit. */
	readonly limit: number;
	/** Takes one point. Never throws: when the store is away everything is allowed. */
	take(key: string): Promise<Verdict>;
	/** Gives a point back that was taken for nothing. */
	giveBack(key: string): void;
}

interface Share {
	/** Taken from the shared count and not given out yet. */
	points: number;
	/** What was left in the shared count when it was last asked. */
	left: number;
	endsAt: number;
	batch: number;
	waiting: number;
	taking: Promise<void> | undefined;
	/** The store is away. */
	isOpen: boolean;
}

/** How long the store is not asked again once it was away. */
const openMs = 5_000;
/** The part of what is left that one process takes at most without having callers for it. */
const largestPart = 0.1;

interface Options {
	readonly name: string;
	readonly limit: number;
	readonly counts: Pick<SharedCounts, "add">;
	/** The store is away. */
	onAway(error: unknown): void;
}

export function makeAllowance(options: Options): Allowance {
	const { limit } = options;
	const shares = new Map<string, Share>();
	let sweptAt = Date.now();

	const findShare = (key: string): Share => {
		const known = shares.get(key);
		if (known !== undefined && (isCurrent(known) || known.taking)) return known;
		if (Date.now() - sweptAt > windowSeconds * 1_000) {
			sweptAt = Date.now();
			for (const [name, share] of shares)
				if (!isCurrent(share) && !share.taking) shares.delete(name);
		}
		const share = openShare(limit);
		shares.set(key, share);
		return share;
	};

	return {
		limit,
		async take(key) {
			if (limit === 0) return unlimited;
			for (;;) {
				const share = findShare(key);
				if (share.points === 0 && share.left > 0 && !share.isOpen) {
					share.waiting++;
					share.taking ??= takeBatch(options, key, share).finally(() => {
						share.taking = undefined;
					});
					await share.taking;
					share.waiting--;
				}
				// Whoever has waited for a point gets it, even if its window has ended meanwhile.
				if (share.isOpen) return describe(share, true);
				if (share.points > 0) {
					share.points--;
					return describe(share, true);
				}
				if (share.left === 0) return describe(share, false);
			}
		},
		giveBack(key) {
			const share = shares.get(key);
			if (share && isCurrent(share) && !share.isOpen) share.points++;
		},
	};
}

const unlimited: Verdict = {
	isAllowed: true,
	remaining: Number.MAX_SAFE_INTEGER,
	resetMs: 0,
};

const openShare = (limit: number): Share => ({
	points: 0,
	left: limit,
	endsAt: Date.now() + windowSeconds * 1_000,
	batch: 1,
	waiting: 0,
	taking: undefined,
	isOpen: false,
});

const isCurrent = ({ endsAt }: Share): boolean => Date.now() < endsAt;

const describe = (share: Share, isAllowed: boolean): Verdict => ({
	isAllowed,
	remaining: share.points + share.left,
	resetMs: Math.max(0, share.endsAt - Date.now()),
});

async function takeBatch(
	{ name, limit, counts, onAway }: Options,
	key: string,
	share: Share,
): Promise<void> {
	// In the next tick all who came at once stand in line.
	await Promise.resolve();
	const grown = Math.min(share.batch, Math.ceil(share.left * largestPart));
	const wanted = Math.min(Math.max(share.waiting, grown), share.left);
	try {
		const { points, leftMs } = await counts.add(`${name}:${key}`, wanted);
		const before = points - wanted;
		share.points += Math.min(wanted, Math.max(0, limit - before));
		share.left = Math.max(0, limit - points);
		share.endsAt = Date.now() + leftMs;
		share.batch *= 2;
	} catch (error) {
		onAway(error);
		share.isOpen = true;
		share.endsAt = Date.now() + openMs;
	}
}
