// The end of an update: its token is worth nothing any more, what it did is a state with a number, and its
// stack is free. It must not fail: a stack whose update cannot end is locked for good.
import type { Db } from "../store/db.ts";
import type { Lease } from "../store/leases.ts";
import { lockStack } from "../store/state.ts";
import {
	createCheckpoint,
	findCheckpoint,
	type KeptState,
} from "../store/state-checkpoints.ts";
import { deleteJournal, listEntries } from "../store/state-journal.ts";
import type { Ending } from "../store/state-tables.ts";
import {
	closeUpdate,
	deleteForgotten,
	findUpdate,
	listOverdue,
	listUpdatesOf,
	lockUpdate,
	type Update,
} from "../store/state-updates.ts";
import type { Backend } from "./bind.ts";
import {
	type Deployment,
	emptyState,
	forgetPending,
	type State,
} from "./deployment.ts";
import type { Entry } from "./entries.ts";
import { findFlaws } from "./integrity.ts";
import { replay } from "./replay.ts";

export interface UpdateEnd {
	readonly state: "succeeded" | "failed";
	readonly ending: Ending;
}

/** Ends an update that runs, whoever asks. Says whether it did: of any number of callers, one. */
export async function endUpdate(
	backend: Backend,
	id: string,
	end: UpdateEnd,
): Promise<boolean> {
	const found = await findUpdate(backend.db, id);
	if (found === undefined) return false;
	return backend.db.transaction().execute(async (trx) => {
		await lockStack(trx, found.stack);
		const update = await lockUpdate(trx, id);
		if (update.state !== "running") return false;
		await settle(trx, backend, { update, end });
		return true;
	});
}

/**
 * Ends what still runs for an operation, under this fence or an older one. To be called by whoever started
 * the CLI, once its process is gone: a client that died says nothing by itself.
 */
export async function endUpdatesOf(
	backend: Backend,
	lease: Lease,
): Promise<number> {
	let ended = 0;
	for (const id of await listUpdatesOf(backend.db, lease)) {
		const end: UpdateEnd = { state: "failed", ending: "abandoned" };
		if (await endUpdate(backend, id, end)) ended++;
	}
	return ended;
}

const overdueAtOnce = 100;

/** Ends updates whose lease or whose operation's lease is over. The last net, on a timer. */
export async function endOverdue(backend: Backend): Promise<void> {
	for (const id of await listOverdue(backend.db, overdueAtOnce)) {
		try {
			await endUpdate(backend, id, { state: "failed", ending: "lapsed" });
		} catch (error) {
			// One that cannot be ended must not keep the others from their end.
			backend.log.error({ err: error, update: id }, "an update did not end");
		}
	}
	await deleteForgotten(backend.db);
}

/**
 * Writes the end of a running update whose stack and row the transaction holds. Returns what is wrong with
 * its journal or the state that came of it; the journal is kept then.
 */
export async function settle(
	trx: Db,
	backend: Backend,
	{ update, end }: { readonly update: Update; readonly end: UpdateEnd },
): Promise<readonly string[]> {
	if (update.isDryRun || update.version === null) {
		await closeUpdate(trx, update.id, end);
		return [];
	}
	const { state, problems } = await conclude(trx, backend, update, end);
	await createCheckpoint(trx, {
		stack: update.stack,
		version: update.version,
		resourceCount: state.deployment.resources?.length ?? 0,
		...toKept(state),
	});
	await closeUpdate(trx, update.id, {
		...end,
		state: problems.length > 0 ? "failed" : end.state,
	});
	if (problems.length === 0) {
		await deleteJournal(trx, update.id);
	} else {
		backend.log.error(
			{ update: update.id, version: update.version, problems },
			"the journal of an update is not whole; it is kept",
		);
	}
	return problems;
}

async function conclude(
	trx: Db,
	backend: Backend,
	update: Update,
	end: UpdateEnd,
): Promise<{ state: State; problems: readonly string[] }> {
	try {
		const { state, problems, gaps } = await computeState(trx, update);
		const all = [...problems, ...findFlaws(state.deployment)];
		// A client that was killed leaves gaps; one that says it is done does not.
		if (gaps.length > 0 && end.state === "succeeded") {
			all.push(`the entries ${gaps.join(", ")} never arrived`);
		}
		return { state, problems: all };
	} catch (error) {
		// Not reached by what the doors let in. If it is, the stack must not stay locked for it.
		backend.log.error({ err: error, update: update.id }, "a replay failed");
		return {
			state: await loadBase(trx, update),
			problems: ["the journal could not be replayed; this is the state before"],
		};
	}
}

/** The state that an update has led to so far. */
export async function computeState(
	db: Db,
	update: Update,
): Promise<{
	readonly state: State;
	readonly problems: readonly string[];
	readonly gaps: readonly number[];
}> {
	const base = await loadBase(db, update);
	if (update.checkpoint !== null) {
		const state: State = JSON.parse(update.checkpoint);
		return { state: tidy(state), problems: [], gaps: [] };
	}
	const entries = await listEntries(db, update.id);
	// Nothing happened: the base exactly as it was served, in which the client's entries will count.
	if (entries.length === 0) return { state: base, problems: [], gaps: [] };
	const replayed = replay(
		base.deployment,
		entries.map((text): Entry => JSON.parse(text)),
		{ clientVersion: update.clientVersion, now: new Date() },
	);
	return { ...replayed, state: tidy(replayed.state) };
}

const tidy = (state: State): State => ({
	...state,
	deployment: forgetPending(state.deployment, "settled"),
});

/** The state that an update started from; the same at every call, because its entries count in it. */
export async function loadBase(db: Db, update: Update): Promise<State> {
	const { baseVersion, stack } = update;
	if (baseVersion === null) return emptyState;
	const kept = await findCheckpoint(db, stack, baseVersion);
	if (kept === undefined) return emptyState;
	const state = fromKept(kept);
	return {
		...state,
		deployment: forgetPending(
			state.deployment,
			update.forgetsPending ? "all" : "settled",
		),
	};
}

export const toKept = (state: State): KeptState => ({
	schemaVersion: state.version,
	features: state.features,
	deployment: JSON.stringify(state.deployment),
});

export function fromKept(kept: KeptState): State {
	const deployment: Deployment = JSON.parse(kept.deployment);
	return { version: kept.schemaVersion, features: kept.features, deployment };
}
