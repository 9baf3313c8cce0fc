// `:upgrade` through the door: its path, what it refuses and how.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
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
		await door.platformAdmin.client.createRelease({
			body: upstreamRelease(name, "0.15.0"),
		});
});
after(() => door.close());

type Body = Asked<Declared["upgradeEnvironment"]>["body"];
const upgrade = (id: string, body: Body) =>
	door.operator.client.upgradeEnvironment({ id, body });
/** What is not there. */
const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
	door.sendRaw(method, `/v1/environments/${path}`, {
		token: door.operator.token,
		body,
	});
const find = (id: string) => door.viewer.client.findEnvironment({ id });

test("an upgrade is ordered by id or by name, and the environment says so", async () => {
	const { id } = await givenReadyEnvironment(door, "by-both");
	const { data: first, ...told } = await upgrade(id, {
		release: "0.6.1",
	}).withResponse();
	assert.equal(told.status, 202);
	assert.ok("kind" in first);
	assert.equal(first.kind, "upgrade");
	assert.deepEqual(first.revision, { from: 1, to: 2 });
	assert.equal(told.headers.get("location"), `/v1/operations/${first.id}`);
	const second = await upgrade("by-both", { parameters: { theme: "dark" } });
	assert.ok("id" in second);

	const environment = await find(id);
	assert.equal(environment.lifecycle, "upgrading");
	assert.equal(environment.revision, 1);
	assert.equal(environment.desiredRevision, 3);
	assert.equal(environment.release, "0.6.1");
	assert.equal(environment.parameters.theme, "dark");
	assert.equal(environment.activeOperation, second.id);
	const { client } = door.viewer;
	const superseded = await client.findOperation({ id: first.id });
	assert.equal(superseded.state, "superseded");
	const list = await client.listRevisions({ id });
	assert.deepEqual(
		list.items.map(({ number, release }) => [number, release]),
		[
			[3, "0.6.1"],
			[2, "0.6.1"],
			[1, "0.6.0"],
		],
	);
	const upgrading = await client.listEnvironments({ lifecycle: "upgrading" });
	assert.ok(JSON.stringify(upgrading).includes(id));
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
		const path = `/v1/environments/${id}:upgrade`;
		const answer = await refused(
			askByPath(door.operator.client, ["POST", path, body]),
		);
		assert.equal(answer.status, 400, answer.message);
		assert.deepEqual(readPointers(answer), pointers);
		const { desiredRevision, lifecycle } = await find(id);
		assert.deepEqual([desiredRevision, lifecycle], [1, "ready"]);
	});

test("what would change nothing is answered with what runs, and nothing is ordered", async () => {
	const { id } = await givenReadyEnvironment(door);
	const body = { release: "0.6.0", size: "small" } as const;
	const { data, status, headers } = await upgrade(id, body).withResponse();
	assert.equal(status, 200);
	assert.ok("nothingToDo" in data);
	assert.match(data.nothingToDo, /nothing to change.*revision 1/);
	assert.equal(headers.get("operation-location"), null);
	assert.equal((await find(id)).activeOperation, null);
});

test("an environment that is being created is a conflict that says why", async () => {
	const { environment } = await givenEnvironment(door);
	const { document } = await refused(
		upgrade(environment.id, { release: "0.6.1" }),
	);
	assert.equal(document.status, 409);
	assert.match(document.detail, /being created/);
	assert.equal(document.untouched, "Nothing was ordered.");
});

test("other methods, other verbs and a verb without an environment are not there", async () => {
	const { id } = await givenReadyEnvironment(door);
	const get = await ask("GET", `${id}:upgrade`);
	assert.equal(get.status, 405);
	assert.equal(get.headers.get("allow"), "POST");
	const other = await ask("POST", `${id}:explode`, {});
	assert.equal(other.status, 404);
	const nobodys = await ask("POST", ":upgrade", { size: "ha" });
	assert.equal(nobodys.status, 404);
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
	assert.ok("id" in answer);
	const texts = [answer, await find(id)].map((one) => JSON.stringify(one));
	assert.ok(texts[1]?.includes("(secret)"));
	assert.ok(texts.every((text) => !text.includes("planted-in-an-upgrade")));
});
