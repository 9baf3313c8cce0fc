// A time to live at the door: what is said of it in an order, a tenant's settings, a change and an extension.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered, refused } from "../support/answers.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const order = (body: object, token = door.operator.token) =>
	door.sendRaw("POST", "/v1/environments", { token, body });
const find = async (name: string, token = door.viewer.token) =>
	await door.as(token).findEnvironment({ id: name });
const extend = (name: string, body: unknown) =>
	door.sendRaw("POST", `/v1/environments/${name}:extend`, {
		token: door.operator.token,
		body,
	});
const settle = (body: object) =>
	answered(door.platformAdmin.client.changeTenant({ name: "globex", body }));
const hoursFrom = (later: unknown, earlier: unknown) =>
	Math.round(
		(Date.parse(String(later)) - Date.parse(String(earlier))) / 3_600_000,
	);

test("an order says how long it lives, what comes then and after a failure", async () => {
	const answer = await order({
		name: "for-an-hour",
		ttl: "120m",
		onExpiry: "hibernate",
		failureTtl: "30m",
	});
	assert.equal(answer.status, 202, answer.text);
	const found = await find("for-an-hour");
	assert.equal(hoursFrom(found.expiresAt, found.createdAt), 2);
	assert.deepEqual(
		[found.onExpiry, found.failureTtl, found.cleanUpAt],
		["hibernate", "30m", null],
	);
});

test("what is no duration is refused at its place", async () => {
	for (const [body, pointers] of [
		[{ ttl: "PT2H" }, ["/ttl"]],
		[{ ttl: 7200 }, ["/ttl"]],
		[{ ttl: "4000d", failureTtl: "0s" }, ["/failureTtl", "/ttl"]],
		[{ onExpiry: "keep" }, ["/onExpiry"]],
	] as const) {
		const answer = await order({ name: "unborn", ...body });
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), pointers);
	}
});

test("a tenant's default and maximum hold for its orders and extensions", async () => {
	const { token } = door.stranger;
	const settled = await settle({
		ttlDefault: "1d",
		ttlMax: "2d",
		failureTtlDefault: "3h",
	});
	assert.equal(settled.status, 200, settled.text);
	assert.partialDeepStrictEqual(settled.body.settings, {
		concurrentOperations: null,
		ttlDefault: "1d",
		ttlMax: "2d",
		failureTtlDefault: "3h",
	});
	assert.equal((await order({ name: "limited" }, token)).status, 202);
	const found = await find("limited", token);
	assert.equal(hoursFrom(found.expiresAt, found.createdAt), 24);
	assert.equal(found.failureTtl, "3h");
	for (const ttl of ["49h", null]) {
		const ordered = await order({ name: "too-long", ttl }, token);
		assert.equal(ordered.status, 400);
		assert.deepEqual(readPointers(ordered), ["/ttl"]);
		assert.equal(ordered.body.untouched, "Nothing was ordered.");
		for (const caller of [door.stranger, door.platformAdmin]) {
			const extended = await refused(
				door
					.as(caller.token)
					.extendEnvironment({ id: found.id, body: { ttl } }),
			);
			assert.equal(extended.status, 400);
			assert.deepEqual(readPointers(extended), ["/ttl"]);
		}
	}
	assert.equal((await find("limited", token)).expiresAt, found.expiresAt);

	assert.equal((await settle({ ttlMax: null })).status, 200);
	const lasting = await order({ name: "lasting", ttl: null }, token);
	assert.equal(lasting.status, 202);
	assert.equal((await find("lasting", token)).expiresAt, null);
});

test("a tenant's default above its maximum is refused", async () => {
	const answer = await settle({ ttlDefault: "3d", ttlMax: "2d" });
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/ttlDefault"]);
});

test("an extension is answered with the environment and its new time", async () => {
	const { environment } = await givenEnvironment(door);
	const answer = await extend(environment.name, { ttl: "3d" });
	assert.equal(answer.status, 200, answer.text);
	assert.equal(answer.body.id, environment.id);
	assert.equal(hoursFrom(answer.body.expiresAt, new Date()), 72);
	const lasting = await extend(environment.name, { ttl: null });
	assert.equal(lasting.body.expiresAt, null);
	await door.viewer.client.listEnvironmentEvents({ id: environment.id });
});

test("an extension that does not say how long, or says it wrongly, is refused", async () => {
	const { environment } = await givenEnvironment(door);
	for (const body of [{}, { ttl: "long" }, { ttl: "1h", hours: 1 }, []]) {
		const answer = await extend(environment.name, body);
		assert.equal(answer.status, 400, answer.text);
	}
	assert.equal((await find(environment.name)).expiresAt, null);
});

test("what is being destroyed is not extended", async () => {
	const environment = await givenReadyEnvironment(door);
	await door.operator.client.destroyEnvironment({ id: environment.id });
	const answer = await extend(environment.id, { ttl: "3d" });
	assert.equal(answer.status, 409);
	assert.equal(answer.body.detail, "It is being destroyed.");
	assert.equal(answer.body.untouched, "Its time was not changed.");
});

test("what comes at the end, and after a failure, is changed without an operation", async () => {
	await order({ name: "changed", ttl: "1h", failureTtl: "1h" });
	const before = await find("changed");
	const change = (body: object) =>
		answered(door.operator.client.describeEnvironment({ id: "changed", body }));
	const first = await change({ onExpiry: "hibernate" });
	assert.equal(first.status, 200, first.text);
	assert.deepEqual(
		[first.body.onExpiry, first.body.failureTtl, first.body.expiresAt],
		["hibernate", "1h", before.expiresAt],
	);
	const second = await change({ failureTtl: null });
	assert.deepEqual(
		[second.body.onExpiry, second.body.failureTtl],
		["hibernate", null],
	);
	assert.equal((await change({ failureTtl: "soon" })).status, 400);
});
