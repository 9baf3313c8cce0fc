// `:rollback` and what follows from a failed upgrade, through the door: paths, fields, refusals.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	givenUpgradedEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

type Body = Asked<Declared["rollbackEnvironment"]>["body"];
const rollBack = (id: string, body: Body = {}, { client } = door.operator) =>
	client.rollbackEnvironment({ id, body });
const find = (id: string) => door.viewer.client.findEnvironment({ id });

test("a rollback is ordered by id or by name, and tells to what it leads", async () => {
	const { id } = await givenUpgradedEnvironment(door, "back");
	const { data, status, headers } = await rollBack("back").withResponse();
	assert.equal(status, 202);
	assert.ok("kind" in data);
	assert.equal(data.kind, "rollback");
	assert.deepEqual(data.revision, { from: 2, to: 3 });
	assert.deepEqual(data.options, { data: "keep", backup: "required" });
	assert.equal(data.causedBy, null);
	assert.equal(headers.get("location"), `/v1/operations/${data.id}`);
	const environment = await find(id);
	assert.equal(environment.lifecycle, "rolling_back");
	assert.equal(environment.activeOperation, data.id);
	assert.equal(environment.parameters.theme, "lotus");
	const { items } = await door.viewer.client.listRevisions({ id });
	assert.deepEqual(
		items.map(({ number, basedOn }) => [number, basedOn]),
		[
			[3, 1],
			[2, null],
			[1, null],
		],
	);
});

const wrong: readonly (readonly [what: string, body: unknown, at: string[]])[] =
	[
		["a revision that there is not", { to: 7 }, ["/to"]],
		["a revision that is no number", { to: "1" }, ["/to"]],
		["revision nought", { to: 0 }, ["/to"]],
		["half a revision", { to: 1.5 }, ["/to"]],
		["a choice of data that there is not", { data: "drop" }, ["/data"]],
		["a choice of backup that there is not", { backup: "no" }, ["/backup"]],
		["an unknown field", { force: true }, ["/force"]],
		["what is no object", [1], [""]],
	];
for (const [what, body, pointers] of wrong)
	test(`${what} is refused with its place, and nothing is written`, async () => {
		const { id } = await givenUpgradedEnvironment(door);
		const path = `/v1/environments/${id}:rollback`;
		const answer = await refused(
			askByPath(door.operator.client, ["POST", path, body]),
		);
		assert.equal(answer.status, 400, answer.message);
		assert.deepEqual(readPointers(answer), pointers);
		const { desiredRevision, lifecycle } = await find(id);
		assert.deepEqual([desiredRevision, lifecycle], [2, "ready"]);
	});

test("the current revision, and an environment that has but one, are conflicts that say why", async () => {
	const { id } = await givenUpgradedEnvironment(door);
	const current = await refused(rollBack(id, { to: 2 }));
	assert.equal(current.status, 409);
	assert.deepEqual(readPointers(current), ["/to"]);
	assert.match(current.message, /is the current one/);
	assert.equal(current.document.untouched, "Nothing was ordered.");

	const { id: single } = await givenReadyEnvironment(door);
	const only = await refused(rollBack(single));
	assert.equal(only.status, 409);
	assert.match(only.message, /No revision before 1/);
	const { environment } = await givenEnvironment(door);
	const young = await refused(rollBack(environment.id));
	assert.equal(young.status, 409);
	assert.match(young.message, /being created/);
});

test("what belongs to others is not there", async () => {
	const { id } = await givenUpgradedEnvironment(door);
	const answer = await refused(rollBack(id, {}, door.stranger));
	assert.equal(answer.status, 404);
});

for (const [given, meant] of [
	[undefined, "rollback"],
	["keep", "keep"],
] as const)
	test(`an upgrade ${given === undefined ? "that says nothing of its failure is taken back" : "may be kept when it fails"}`, async () => {
		const { id } = await givenReadyEnvironment(door);
		const answer = await door.operator.client.upgradeEnvironment({
			id,
			body: { size: "ha", ...(given && { onFailure: given }) },
		});
		assert.ok("options" in answer);
		assert.equal(answer.options.onFailure, meant);
	});

test("an upgrade that says nothing but what its failure leads to changes nothing", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await refused(
		door.operator.client.upgradeEnvironment({
			id,
			body: { onFailure: "keep" },
		}),
	);
	assert.equal(answer.status, 400);
	assert.match(
		JSON.stringify(answer.document),
		/`release`, `size` or `parameters`/,
	);
});
