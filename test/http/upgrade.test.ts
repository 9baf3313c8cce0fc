// `:upgrade` through the door: its path, what it refuses and how.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type Answer,
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
	for (const name of ["0.6.1", "0.6.2"])
		await door.sendRaw("POST", "/v1/releases", {
			token: door.platformAdmin.token,
			body: upstreamRelease(name, "0.15.0"),
		});
});
after(() => door.close());

const upgrade = (
	idOrName: string,
	body: unknown,
	token = door.operator.token,
): Promise<Answer> =>
	door.sendRaw("POST", `/v1/environments/${idOrName}:upgrade`, { token, body });
const find = async (id: string) =>
	(
		await door.sendRaw("GET", `/v1/environments/${id}`, {
			token: door.viewer.token,
		})
	).body;

test("an upgrade is ordered by id or by name, and the environment says so", async () => {
	const { id } = await givenReadyEnvironment(door, "by-both");
	const first = await upgrade(id, { release: "0.6.1" });
	assert.equal(first.status, 202, first.text);
	assert.equal(first.body.kind, "upgrade");
	assert.deepEqual(first.body.revision, { from: 1, to: 2 });
	assert.equal(
		first.headers.get("location"),
		`/v1/operations/${first.body.id}`,
	);
	const second = await upgrade("by-both", { parameters: { theme: "dark" } });
	assert.equal(second.status, 202, second.text);

	const environment = await find(id);
	assert.equal(environment.lifecycle, "upgrading");
	assert.equal(environment.revision, 1);
	assert.equal(environment.desiredRevision, 3);
	assert.equal(environment.release, "0.6.1");
	assert.equal((environment.parameters as { theme: string }).theme, "dark");
	assert.equal(environment.activeOperation, second.body.id);
	const superseded = await door.sendRaw(
		"GET",
		`/v1/operations/${first.body.id}`,
		{
			token: door.viewer.token,
		},
	);
	assert.equal(superseded.body.state, "superseded");
	const list = await door.sendRaw("GET", `/v1/environments/${id}/revisions`, {
		token: door.viewer.token,
	});
	assert.deepEqual(
		(list.body.items as { number: number; release: string }[]).map(
			({ number, release }) => [number, release],
		),
		[
			[3, "0.6.1"],
			[2, "0.6.1"],
			[1, "0.6.0"],
		],
	);
	const upgrading = await door.sendRaw(
		"GET",
		"/v1/environments?lifecycle=upgrading",
		{ token: door.viewer.token },
	);
	assert.ok(JSON.stringify(upgrading.body).includes(id));
});

const wrong: readonly (readonly [what: string, body: unknown, at: string[]])[] =
	[
		["nothing", {}, [""]],
		["an unknown field", { release: "0.6.1", force: true }, ["/force"]],
		[
			"what belongs to an order alone",
			{ name: "other", size: "ha" },
			["/name"],
		],
		["a size that there is not", { size: "huge" }, ["/size"]],
		["a release that there is not", { release: "7.7.7" }, ["/release"]],
		["a release that is no name", { release: "Ü" }, ["/release"]],
		[
			"parameters that there are not",
			{ parameters: { color: "red", replicas: { scheduler: 2 } } },
			["/parameters/color", "/parameters/replicas/scheduler"],
		],
		[
			"a parameter out of its range",
			{ parameters: { replicas: { server: 21 }, theme: "pink" } },
			["/parameters/replicas/server", "/parameters/theme"],
		],
		[
			"a claim that would shrink",
			{ parameters: { storage: { mongodb: "1Gi" } } },
			["/parameters/storage/mongodb"],
		],
		[
			"replicas of what is switched off",
			{
				parameters: { features: { audit: false }, replicas: { audit: 2 } },
			},
			["/parameters/replicas/audit"],
		],
	];
for (const [what, body, pointers] of wrong)
	test(`${what} is refused with its place, and nothing is written`, async () => {
		const { id } = await givenReadyEnvironment(door);
		const answer = await upgrade(id, body);
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), pointers);
		const { desiredRevision, lifecycle } = await find(id);
		assert.deepEqual([desiredRevision, lifecycle], [1, "ready"]);
	});

test("what would change nothing is answered with what runs, and nothing is ordered", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await upgrade(id, { release: "0.6.0", size: "small" });
	assert.equal(answer.status, 200);
	assert.match(
		String(answer.body.nothingToDo),
		/nothing to change.*revision 1/,
	);
	assert.equal(answer.headers.get("operation-location"), null);
	assert.equal((await find(id)).activeOperation, null);
});

test("an environment that is being created is a conflict that says why", async () => {
	const { environment } = await givenEnvironment(door);
	const answer = await upgrade(environment.id, { release: "0.6.1" });
	assert.equal(answer.status, 409);
	assert.match(String(answer.body.detail), /being created/);
	assert.equal(answer.body.untouched, "Nothing was ordered.");
});

test("other methods, other verbs and a verb without an environment are not there", async () => {
	const { id } = await givenReadyEnvironment(door);
	const { token } = door.operator;
	const get = await door.sendRaw("GET", `/v1/environments/${id}:upgrade`, {
		token,
	});
	assert.equal(get.status, 405);
	assert.equal(get.headers.get("allow"), "POST");
	const other = await door.sendRaw("POST", `/v1/environments/${id}:explode`, {
		token,
		body: {},
	});
	assert.equal(other.status, 405);
	assert.equal((await upgrade("", { size: "ha" })).status, 405);
});

test("a secret that is given is in no answer", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await upgrade(id, {
		parameters: {
			smtp: {
				host: "mail.example.test",
				sender: "maestro@example.test",
				username: "maestro",
				password: "planted-in-an-upgrade",
			},
		},
	});
	assert.equal(answer.status, 202, answer.text);
	const texts = [answer.text, JSON.stringify(await find(id))];
	assert.ok(texts[1]?.includes("(secret)"));
	assert.ok(texts.every((text) => !text.includes("planted-in-an-upgrade")));
});
