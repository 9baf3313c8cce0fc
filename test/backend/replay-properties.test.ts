// Random journals of a small engine: it creates, updates, replaces, deletes and refreshes as the real one
// does, and knows itself what is there after each step.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Resource } from "../../src/backend/deployment.ts";
import type { Entry } from "../../src/backend/entries.ts";
import { findFlaws } from "../../src/backend/integrity.ts";
import { replay } from "../../src/backend/replay.ts";
import { entry, resource, urnOf } from "./given.ts";

const options = { clientVersion: "v3.259.0", now: new Date(0) };

const steps = fc.array(
	fc.record({
		verb: fc.constantFrom(
			"create",
			"same",
			"update",
			"delete",
			"refresh",
			"lost",
			"outputs",
			"fail",
		),
		pick: fc.nat(1_000),
		parent: fc.nat(1_000),
	}),
	{ maxLength: 30 },
);

interface Journal {
	readonly base: Resource[];
	readonly entries: Entry[];
	/** Names of what is there at the end. */
	readonly expected: Set<string>;
}

/** What happens to each resource of a base and to new ones, as a journal. */
function play(
	list: readonly { verb: string; pick: number; parent: number }[],
): Journal {
	const base = Array.from({ length: 8 }, (_, index) => resource(`old${index}`));
	const untouched = new Set(base.keys());
	const expected = new Set(base.map((_, index) => `old${index}`));
	const fresh: { operation: number; name: string }[] = [];
	const entries: Entry[] = [];
	let operation = 0;
	const add = (part: object) => entries.push(entry(entries.length + 1, part));
	const begin = (name: string, type: string) => {
		operation++;
		add({
			operationID: operation,
			operation: { resource: resource(name), type },
		});
		return operation;
	};
	const takeOld = (pick: number): number | undefined => {
		const index = [...untouched][pick % Math.max(1, untouched.size)];
		if (index !== undefined) untouched.delete(index);
		return index;
	};
	for (const [at, { verb, pick, parent }] of list.entries()) {
		const name = `new${at}`;
		// Only what is fresh already may be pointed to: it stands before in the list.
		const above = fresh[parent % Math.max(1, fresh.length)];
		const links =
			above === undefined || !expected.has(above.name)
				? {}
				: { dependencies: [urnOf(above.name)] };
		if (verb === "create" || verb === "fail") {
			const id = begin(name, "creating");
			if (verb === "fail") {
				add({ kind: 2, operationID: id });
				continue;
			}
			add({ kind: 1, operationID: id, state: resource(name, links) });
			fresh.push({ operation: id, name });
			expected.add(name);
			continue;
		}
		if (verb === "outputs") {
			const one = fresh[pick % Math.max(1, fresh.length)];
			if (one === undefined || !expected.has(one.name)) continue;
			add({
				kind: 4,
				removeNew: one.operation,
				state: resource(one.name, { outputs: { at } }),
			});
			continue;
		}
		const index = takeOld(pick);
		if (index === undefined) continue;
		const old = `old${index}`;
		if (verb === "same" || verb === "update") {
			const id = begin(old, "updating");
			add({
				kind: 1,
				operationID: id,
				removeOld: index,
				state: resource(old, links),
			});
			fresh.push({ operation: id, name: old });
		} else if (verb === "delete") {
			add({ kind: 1, operationID: begin(old, "deleting"), removeOld: index });
			expected.delete(old);
		} else {
			operation++;
			add({ operationID: operation });
			add({
				kind: 3,
				operationID: operation,
				removeOld: index,
				...(verb === "refresh" && { state: resource(old, { id: undefined }) }),
			});
			if (verb === "lost") expected.delete(old);
		}
	}
	return { base, entries, expected };
}

const journals = steps.map(play);
const namesOf = (resources: readonly Resource[] | null | undefined) =>
	(resources ?? []).map(({ urn }) => urn.split("::").at(-1) ?? "");

test("a whole journal leads to exactly what the engine left", () => {
	fc.assert(
		fc.property(journals, ({ base, entries, expected }) => {
			const { state, problems, gaps } = replay(
				{ resources: base },
				entries,
				options,
			);
			assert.deepEqual(new Set(namesOf(state.deployment.resources)), expected);
			assert.equal(state.deployment.pending_operations, undefined);
			assert.deepEqual(
				[problems, gaps, findFlaws(state.deployment)],
				[[], [], []],
			);
		}),
	);
});

test("every prefix replays to a state that the CLI would load", () => {
	fc.assert(
		fc.property(journals, ({ base, entries }) => {
			for (let length = 0; length <= entries.length; length++) {
				const { state, problems } = replay(
					{ resources: base },
					entries.slice(0, length),
					options,
				);
				assert.deepEqual([problems, findFlaws(state.deployment)], [[], []]);
			}
		}),
		{ numRuns: 50 },
	);
});

test("shuffled and doubled entries lead to the same as sorted ones", () => {
	const shuffled = journals.chain((journal) =>
		fc.record({
			journal: fc.constant(journal),
			order: fc.shuffledSubarray([...journal.entries, ...journal.entries], {
				minLength: journal.entries.length * 2,
			}),
		}),
	);
	fc.assert(
		fc.property(shuffled, ({ journal: { base, entries }, order }) => {
			assert.deepEqual(
				replay({ resources: base }, order, options),
				replay({ resources: base }, entries, options),
			);
		}),
	);
});

test("a journal does not change the base that it is replayed on", () => {
	fc.assert(
		fc.property(journals, ({ base, entries }) => {
			const before = JSON.stringify(base);
			replay({ resources: base }, entries, options);
			assert.equal(JSON.stringify(base), before);
		}),
	);
});

test("with any entries missing it still comes to an end, and the gaps are told", () => {
	const cut = journals.chain((journal) =>
		fc.record({
			base: fc.constant(journal.base),
			kept: fc.subarray(journal.entries),
		}),
	);
	fc.assert(
		fc.property(cut, ({ base, kept }) => {
			const { gaps } = replay({ resources: base }, kept, options);
			const last = kept.at(-1)?.sequenceID ?? 0;
			assert.equal(gaps.length, last - kept.length);
		}),
	);
});
