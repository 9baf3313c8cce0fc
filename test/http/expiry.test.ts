// A time to live at the door: what is said of it in an order, a tenant's settings, a change and an extension.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered, refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
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

const find = (name: string, { client } = door.viewer) =>
	client.findEnvironment({ id: name });
const extend = (id: string, ttl: string | null) =>
	door.operator.client.extendEnvironment({ id, body: { ttl } });
const settle = (body: object) =>
	answered(door.platformAdmin.client.changeTenant({ name: "globex", body }));
const hoursFrom = (later: unknown, earlier: unknown) =>
	Math.round(
		(Date.parse(String(later)) - Date.parse(String(earlier))) / 3_600_000,
	);

test("an order says how long it lives, what comes then and after a failure", async () => {
	await door.operator.client.createEnvironment({
		body: {
			name: "for-an-hour",
			ttl: "120m",
			onExpiry: "hibernate",
			failureTtl: "30m",
		},
	});
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
		const answer = await refused(
			askByPath(door.operator.client, [
				"POST",
				"/v1/environments",
				{ name: "unborn", ...body },
			]),
		);
		assert.equal(answer.status, 400, answer.message);
		assert.deepEqual(readPointers(answer), pointers);
	}
});

test("a tenant's default and maximum hold for its orders and extensions", async () => {
	const { client } = door.stranger;
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
	await client.createEnvironment({ body: { name: "limited" } });
	const found = await find("limited", door.stranger);
	assert.equal(hoursFrom(found.expiresAt, found.createdAt), 24);
	assert.equal(found.failureTtl, "3h");
	for (const ttl of ["49h", null]) {
		const ordered = await refused(
			client.createEnvironment({ body: { name: "too-long", ttl } }),
		);
		assert.equal(ordered.status, 400);
		assert.deepEqual(readPointers(ordered), ["/ttl"]);
		assert.equal(ordered.document.untouched, "Nothing was ordered.");
		for (const caller of [door.stranger, door.platformAdmin]) {
			const extended = await refused(
				caller.client.extendEnvironment({ id: found.id, body: { ttl } }),
			);
			assert.equal(extended.status, 400);
			assert.deepEqual(readPointers(extended), ["/ttl"]);
		}
	}
	const { expiresAt } = await find("limited", door.stranger);
	assert.equal(expiresAt, found.expiresAt);

	assert.equal((await settle({ ttlMax: null })).status, 200);
	await client.createEnvironment({ body: { name: "lasting", ttl: null } });
	assert.equal((await find("lasting", door.stranger)).expiresAt, null);
});

test("a tenant's default above its maximum is refused", async () => {
	const answer = await settle({ ttlDefault: "3d", ttlMax: "2d" });
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/ttlDefault"]);
});

test("an extension is answered with the environment and its new time", async () => {
	const { environment } = await givenEnvironment(door);
	const answer = await extend(environment.name, "3d");
	assert.equal(answer.id, environment.id);
	assert.equal(hoursFrom(answer.expiresAt, new Date()), 72);
	const lasting = await extend(environment.name, null);
	assert.equal(lasting.expiresAt, null);
	await door.viewer.client.listEnvironmentEvents({ id: environment.id });
});

test("an extension that does not say how long, or says it wrongly, is refused", async () => {
	const { environment } = await givenEnvironment(door);
	for (const body of [{}, { ttl: "long" }, { ttl: "1h", hours: 1 }, []]) {
		const path = `/v1/environments/${environment.name}:extend`;
		const answer = await refused(
			askByPath(door.operator.client, ["POST", path, body]),
		);
		assert.equal(answer.status, 400, answer.message);
	}
	assert.equal((await find(environment.name)).expiresAt, null);
});

test("what is being destroyed is not extended", async () => {
	const environment = await givenReadyEnvironment(door);
	await door.operator.client.destroyEnvironment({ id: environment.id });
	const { document } = await refused(extend(environment.id, "3d"));
	assert.equal(document.status, 409);
	assert.equal(document.detail, "It is being destroyed.");
	assert.equal(document.untouched, "Its time was not changed.");
});

test("what comes at the end, and after a failure, is changed without an operation", async () => {
	await door.operator.client.createEnvironment({
		body: { name: "changed", ttl: "1h", failureTtl: "1h" },
	});
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
