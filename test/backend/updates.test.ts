import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../support/until.ts";
import {
	beginUpdate,
	completeUpdate,
	created,
	givenStack,
	listIn,
	makeDoor,
	openWorld,
	type Running,
	sendEntries,
} from "./given.ts";

const world = await openWorld();
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);
const conflict = "Conflict: Another update is currently in progress.";

const create = async (stack: string, kind = "update", dryRun = false) => {
	const { body } = await door("POST", `${stack}/${kind}`, {
		body: {
			options: { dryRun },
			config: { "tests:a": { string: "b", secret: false, object: false } },
			metadata: { message: "why", environment: { "git.head": "x" } },
		},
	});
	return `${stack}/update/${String(body.updateID)}`;
};
const start = (path: string, body: unknown = { journalVersion: 1 }) =>
	door("POST", path, { body });
const complete = (
	update: Pick<Running, "path" | "lease">,
	status = "succeeded",
) => completeUpdate(door, update, status);
const look = async (stack: string) => (await door("GET", stack)).body;

test("a started update has the lock until it is completed", async () => {
	const stack = await givenStack(door, "lock");
	const second = await create(stack);
	const first = await beginUpdate(door, stack);
	const running = await look(stack);
	assert.equal(running.activeUpdate, first.id);
	assert.equal(running.currentOperation?.kind, "update");
	assert.equal(running.currentOperation?.author, world.admin.name);
	const refused = await start(second);
	assert.deepEqual(
		[refused.status, refused.body],
		[409, { code: 409, message: conflict }],
	);
	assert.equal((await complete(first)).status, 204);
	assert.equal((await look(stack)).activeUpdate, "");
	const { body } = await start(second);
	assert.equal(body.version, 2);
});

test("of two starts at the same instant exactly one wins", async () => {
	const stack = await givenStack(door, "race");
	const paths = await Promise.all(
		Array.from({ length: 6 }, () => create(stack)),
	);
	const answers = await Promise.all(paths.map((path) => start(path)));
	assert.deepEqual(
		answers.map(({ status }) => status).sort(),
		[200, 409, 409, 409, 409, 409],
	);
});

test("previews and dry runs take no lock, have a token and leave nothing", async () => {
	const stack = await givenStack(door, "preview");
	const running = await beginUpdate(door, stack);
	for (const path of [
		await create(stack, "preview"),
		await create(stack, "update", true),
	]) {
		const { status, body } = await start(path);
		assert.equal(status, 200);
		assert.match(String(body.token), /^upd_/);
		assert.equal(body.version, 1);
		assert.equal(
			(await complete({ path, lease: String(body.token) })).status,
			204,
		);
	}
	assert.equal((await look(stack)).activeUpdate, running.id);
	await complete(running);
	const { body } = await door("GET", `${stack}/updates`);
	assert.equal(listIn(body.updates).length, 1);
});

test("a client that keeps no journal is not told to", async () => {
	const stack = await givenStack(door, "no-journal");
	const { body } = await start(await create(stack), {});
	assert.equal(body.journalVersion, 0);
});

test("an update is started once", async () => {
	const stack = await givenStack(door, "once");
	const { path } = await beginUpdate(door, stack);
	assert.equal((await start(path)).status, 404);
});

test("an update is started on its own stack only", async () => {
	const [one, other] = [
		await givenStack(door, "one"),
		await givenStack(door, "other"),
	];
	const path = await create(one);
	const { status } = await start(path.replace("/one/", "/other/"));
	assert.equal(status, 404);
	assert.equal((await look(other)).activeUpdate, "");
});

test("the tags of a start replace the stack's", async () => {
	const stack = await givenStack(door, "tags");
	await door("PATCH", `${stack}/tags`, { body: { old: "1" } });
	const tags = {
		"pulumi:project": "tests",
		"pulumi:description": "more\nthan one line",
	};
	await start(await create(stack), { tags, journalVersion: 1 });
	assert.deepEqual((await look(stack)).tags, tags);
	const find = async (query: string) =>
		JSON.stringify((await door("GET", `/api/user/stacks?${query}`)).body);
	assert.match(await find("tagName=pulumi:project&tagValue=tests"), /"tags"/);
	assert.doesNotMatch(await find("tagName=old"), /"tags"/);
});

test("a completion whose reply was lost is answered again", async () => {
	const stack = await givenStack(door, "lost");
	const update = await beginUpdate(door, stack);
	for (let time = 0; time < 3; time++) {
		assert.equal((await complete(update)).status, 204);
	}
	const { body } = await door("GET", `${stack}/updates/latest`);
	assert.equal(body.info?.result, "succeeded");
});

test("a cancelled update is over: its stack is free and its client's writes are refused", async () => {
	const stack = await givenStack(door, "cancel");
	const update = await beginUpdate(door, stack);
	await sendEntries(door, update, created(1, 1, "a"));
	for (let time = 0; time < 2; time++) {
		assert.equal((await door("POST", `${update.path}/cancel`)).status, 204);
	}
	assert.equal((await look(stack)).activeUpdate, "");
	for (const [method, part, body] of [
		["PATCH", "journalentries", { entries: created(3, 2, "late") }],
		["POST", "renew_lease", { duration: 300 }],
		["POST", "events/batch", { events: [] }],
		["PATCH", "checkpoint", { version: 3, deployment: {} }],
		["POST", "complete", { status: "succeeded" }],
	] as const) {
		const answer = await door(method, `${update.path}/${part}`, {
			lease: update.lease,
			body,
		});
		assert.deepEqual([answer.status, answer.body.code], [403, 403], part);
	}
	const { body } = await door("GET", `${stack}/export`);
	assert.equal(listIn(body.deployment?.resources).length, 1);
	const { body: past } = await door("GET", `${stack}/updates/latest`);
	assert.equal(past.info?.result, "failed");
});

test("renewing answers the same token every time", async () => {
	const stack = await givenStack(door, "renew");
	const update = await beginUpdate(door, stack);
	for (let time = 0; time < 2; time++) {
		const { status, body } = await door("POST", `${update.path}/renew_lease`, {
			lease: update.lease,
			body: { token: "", duration: 300 },
		});
		assert.deepEqual([status, body.token], [200, update.lease]);
		assert.ok(Number(body.tokenExpiration) > Date.now() / 1000 + 250);
	}
});

test("a lease that is over gives way to another start, and what was done is kept", async () => {
	const short = await world.open({ leaseMs: 50, sweepMs: 3_600_000 });
	const hasty = makeDoor(short.url, world.token);
	const stack = await givenStack(door, "lapsed");
	const update = await beginUpdate(hasty, stack);
	await sendEntries(hasty, update, created(1, 1, "a"));
	const next = await until("the lease is over", async () => {
		const { status, body } = await start(await create(stack));
		return status === 200 && body;
	});
	assert.equal(next.version, 2);
	const { status } = await complete(update);
	assert.equal(status, 403);
	const { body } = await door("GET", `${stack}/export/1`);
	assert.equal(listIn(body.deployment?.resources).length, 1);
});

test("a lease that is over is ended by the timer too", async () => {
	const short = await world.open({ leaseMs: 50, sweepMs: 20 });
	const stack = await givenStack(door, "swept");
	await beginUpdate(makeDoor(short.url, world.token), stack);
	await until(
		"the stack is free",
		async () => String((await look(stack)).activeUpdate) === "",
	);
});

test("the history has every started update with what the client told", async () => {
	const stack = await givenStack(door, "history");
	for (const status of ["succeeded", "failed"]) {
		const path = await create(stack);
		const { body } = await start(path);
		const lease = String(body.token);
		await door("POST", `${path}/events/batch`, {
			lease,
			gzip: true,
			body: {
				events: [
					{ sequence: 1, summaryEvent: { resourceChanges: { create: 2 } } },
					{ sequence: 0, preludeEvent: {} },
				],
			},
		});
		await complete({ path, lease }, status);
	}
	const { body } = await door("GET", `${stack}/updates?pageSize=1&page=2`);
	const [first] = listIn(body.updates);
	assert.ok(first !== undefined);
	const { startTime, endTime, ...rest } = first;
	assert.ok(Number(endTime) >= Number(startTime));
	assert.deepEqual(rest, {
		kind: "update",
		version: 1,
		message: "why",
		environment: { "git.head": "x" },
		config: { "tests:a": { string: "b", secret: false, object: false } },
		result: "succeeded",
		resourceChanges: { create: 2 },
	});
	const latest = await door("GET", `${stack}/updates/latest`);
	assert.deepEqual(
		[latest.body.info?.version, latest.body.info?.result],
		[2, "failed"],
	);
});

test("a stack is not removed while an update runs, nor with resources unless by force", async () => {
	const stack = await givenStack(door, "remove");
	const update = await beginUpdate(door, stack);
	assert.equal((await door("DELETE", stack)).status, 409);
	await sendEntries(door, update, created(1, 1, "a"));
	await complete(update);
	const refused = await door("DELETE", `${stack}?force=false`);
	assert.deepEqual(refused.body, {
		code: 400,
		message: "Bad Request: Stack still contains resources.",
	});
	assert.equal((await door("DELETE", `${stack}?force=true`)).status, 204);
	assert.equal((await door("GET", stack)).status, 404);
	await givenStack(door, "remove");
});

test("a stack that exists is not made again", async () => {
	await givenStack(door, "twice");
	const { status, body } = await door("POST", "/api/stacks/impresario/tests", {
		body: { stackName: "twice" },
	});
	assert.equal(status, 409);
	assert.match(String(body.message), /already exists/);
});
