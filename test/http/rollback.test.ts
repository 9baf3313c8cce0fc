// `:rollback` and what follows from a failed upgrade, through the door: paths, fields, refusals.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type Answer,
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

const rollBack = (id: string, body: unknown): Promise<Answer> =>
	door.sendRaw("POST", `/v1/environments/${id}:rollback`, {
		token: door.operator.token,
		body,
	});
const get = async (path: string) =>
	(await door.sendRaw("GET", path, { token: door.viewer.token })).body;

test("a rollback is ordered by id or by name, and tells to what it leads", async () => {
	const { id } = await givenUpgradedEnvironment(door, "back");
	const answer = await rollBack("back", {});
	assert.equal(answer.status, 202, answer.text);
	assert.equal(answer.body.kind, "rollback");
	assert.deepEqual(answer.body.revision, { from: 2, to: 3 });
	assert.deepEqual(answer.body.options, { data: "keep", backup: "required" });
	assert.equal(answer.body.causedBy, null);
	assert.equal(
		answer.headers.get("location"),
		`/v1/operations/${answer.body.id}`,
	);
	const environment = await get(`/v1/environments/${id}`);
	assert.equal(environment.lifecycle, "rolling_back");
	assert.equal(environment.activeOperation, answer.body.id);
	assert.equal((environment.parameters as { theme: string }).theme, "lotus");
	const { items } = await get(`/v1/environments/${id}/revisions`);
	assert.deepEqual(
		(items as { number: number; basedOn: number | null }[]).map(
			({ number, basedOn }) => [number, basedOn],
		),
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
		const answer = await rollBack(id, body);
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), pointers);
		const { desiredRevision, lifecycle } = await get(`/v1/environments/${id}`);
		assert.deepEqual([desiredRevision, lifecycle], [2, "ready"]);
	});

test("the current revision, and an environment that has but one, are conflicts that say why", async () => {
	const { id } = await givenUpgradedEnvironment(door);
	const current = await rollBack(id, { to: 2 });
	assert.equal(current.status, 409);
	assert.deepEqual(readPointers(current), ["/to"]);
	assert.match(String(current.body.detail), /is the current one/);
	assert.equal(current.body.untouched, "Nothing was ordered.");

	const only = await rollBack((await givenReadyEnvironment(door)).id, {});
	assert.equal(only.status, 409);
	assert.match(String(only.body.detail), /No revision before 1/);
	const { environment } = await givenEnvironment(door);
	const young = await rollBack(environment.id, {});
	assert.equal(young.status, 409);
	assert.match(String(young.body.detail), /being created/);
});

test("what belongs to others is not there", async () => {
	const { id } = await givenUpgradedEnvironment(door);
	const answer = await door.sendRaw("POST", `/v1/environments/${id}:rollback`, {
		token: door.stranger.token,
		body: {},
	});
	assert.equal(answer.status, 404);
});

for (const [given, meant] of [
	[undefined, "rollback"],
	["keep", "keep"],
] as const)
	test(`an upgrade ${given === undefined ? "that says nothing of its failure is taken back" : "may be kept when it fails"}`, async () => {
		const { id } = await givenReadyEnvironment(door);
		const answer = await door.sendRaw(
			"POST",
			`/v1/environments/${id}:upgrade`,
			{
				token: door.operator.token,
				body: { size: "ha", onFailure: given },
			},
		);
		assert.equal(answer.status, 202, answer.text);
		const { options } = answer.body as { options: { onFailure: string } };
		assert.equal(options.onFailure, meant);
	});

test("an upgrade that says nothing but what its failure leads to changes nothing", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await door.sendRaw("POST", `/v1/environments/${id}:upgrade`, {
		token: door.operator.token,
		body: { onFailure: "keep" },
	});
	assert.equal(answer.status, 400);
	assert.match(answer.text, /`release`, `size` or `parameters`/);
});
