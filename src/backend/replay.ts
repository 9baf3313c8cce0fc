// From a journal to a state. Pure, and total: whatever was accepted into a journal can be replayed, because
// the end of an update must never fail. What does not fit is reported and left out.
// The rules are those of the CLI's own replayer (pkg/backend/journal.go: JournalReplayer).
import {
	build,
	createMarks,
	type Ledger,
	type ReplayOptions,
} from "./build.ts";
import type { Deployment, Resource, State } from "./deployment.ts";
import { type Entry, type Index, kinds } from "./entries.ts";

export interface Replayed {
	readonly state: State;
	/** Entries that name what is not there. A journal of the CLI has none. */
	readonly problems: readonly string[];
	/** Numbers that are missing below the greatest. A finished update has none; a killed one may. */
	readonly gaps: readonly number[];
}

/** The state after these entries, in whatever order and however often each was sent. */
export function replay(
	base: Deployment,
	entries: readonly Entry[],
	options: ReplayOptions,
): Replayed {
	const ledger: Ledger = {
		...createMarks(),
		base,
		wasRefreshed: false,
		needsByteString: false,
		problems: [],
	};
	const ordered = sortEntries(entries);
	for (const entry of ordered) apply(ledger, entry, options);
	return {
		state: build(ledger, options),
		problems: ledger.problems,
		gaps: findGaps(ordered),
	};
}

/** A batch whose reply was lost is sent again, and steps run side by side: numbers repeat and arrive out of order. */
function sortEntries(entries: readonly Entry[]): Entry[] {
	const byNumber = new Map<number, Entry>();
	for (const entry of entries) {
		if (!byNumber.has(entry.sequenceID)) byNumber.set(entry.sequenceID, entry);
	}
	return [...byNumber.values()].sort((a, b) => a.sequenceID - b.sequenceID);
}

function findGaps(ordered: readonly Entry[]): number[] {
	const there = new Set(ordered.map((entry) => entry.sequenceID));
	const last = ordered.at(-1)?.sequenceID ?? 0;
	// Nobody reads thousands of numbers, and a made-up greatest number must cost nothing.
	const gaps: number[] = [];
	for (let number = 1; number < last && gaps.length < 100; number++) {
		if (!there.has(number)) gaps.push(number);
	}
	return gaps;
}

function apply(ledger: Ledger, entry: Entry, options: ReplayOptions): void {
	if (entry.requiresByteString === true) ledger.needsByteString = true;
	switch (entry.kind) {
		case kinds.begin:
			ledger.open.set(entry.operationID, entry.operation ?? undefined);
			return;
		case kinds.success:
			ledger.open.delete(entry.operationID);
			applySuccess(ledger, entry);
			return;
		case kinds.failure:
			ledger.open.delete(entry.operationID);
			return;
		case kinds.refreshSuccess:
			ledger.open.delete(entry.operationID);
			ledger.wasRefreshed = true;
			putInPlace(ledger, entry, entry.state ?? undefined);
			return;
		case kinds.outputs:
			if (entry.state) putInPlace(ledger, entry, entry.state);
			return;
		case kinds.write:
			ledger.base = entry.newSnapshot ?? {};
			return;
		case kinds.secretsManager:
			ledger.base = {
				...ledger.base,
				secrets_providers: entry.secretsProvider ?? undefined,
			};
			return;
		case kinds.rebuiltBase:
			ledger.base = build(ledger, options).deployment;
			Object.assign(ledger, createMarks());
			return;
		case kinds.extension:
			ledger.extensions.set(entry.extensionRef ?? "", entry.extension);
			return;
		case kinds.snippets:
			ledger.base = { ...ledger.base, snippets: entry.snippets };
			return;
		default:
			ledger.problems.push(
				`entry ${entry.sequenceID} is of the unknown kind ${entry.kind}`,
			);
	}
}

function applySuccess(ledger: Ledger, entry: Entry): void {
	if (entry.state) {
		ledger.placeOf.set(entry.operationID, ledger.fresh.length);
		ledger.fresh.push(entry.state);
	}
	markOld(ledger, entry, entry.removeOld, ledger.droppedOld);
	changeNew(ledger, entry, entry.removeNew, () => undefined);
	markOld(ledger, entry, entry.deleteOld, ledger.deletedOld);
	changeNew(ledger, entry, entry.deleteNew, (one) => ({
		...one,
		delete: true,
	}));
	markOld(ledger, entry, entry.pendingReplacementOld, ledger.pendingOld);
	changeNew(ledger, entry, entry.pendingReplacementNew, (one) => ({
		...one,
		pendingReplacement: true,
	}));
	if (entry.isRefresh === true) ledger.wasRefreshed = true;
}

/** Puts a state where an older or newer one was; without a state, that one is dropped. */
function putInPlace(
	ledger: Ledger,
	entry: Entry,
	state: Resource | undefined,
): void {
	const { removeOld, removeNew } = entry;
	if (state === undefined) {
		markOld(ledger, entry, removeOld, ledger.droppedOld);
	} else if (isOld(ledger, entry, removeOld)) {
		ledger.replacedOld.set(removeOld, state);
	}
	changeNew(ledger, entry, removeNew, () => state);
}

function markOld(
	ledger: Ledger,
	entry: Entry,
	index: Index,
	marks: Set<number>,
): void {
	if (isOld(ledger, entry, index)) marks.add(index);
}

function isOld(ledger: Ledger, entry: Entry, index: Index): index is number {
	if (index == null) return false;
	if (index < (ledger.base.resources?.length ?? 0)) return true;
	ledger.problems.push(
		`entry ${entry.sequenceID} names resource ${index} of a base that has ${ledger.base.resources?.length ?? 0}`,
	);
	return false;
}

function changeNew(
	ledger: Ledger,
	entry: Entry,
	operation: Index,
	change: (resource: Resource) => Resource | undefined,
): void {
	if (operation == null) return;
	const place = ledger.placeOf.get(operation);
	// The CLI's own replayer would hit the first resource here.
	if (place === undefined) {
		ledger.problems.push(
			`entry ${entry.sequenceID} names the unknown operation ${operation}`,
		);
		return;
	}
	const resource = ledger.fresh[place];
	if (resource !== undefined) ledger.fresh[place] = change(resource);
}
