import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Door, openDoor, type Person, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const make = (person: Person, body: object) =>
	door.sendRaw("POST", "/v1/tokens", { token: person.token, body });

const list = async (person: Person, query = "") => {
	const answer = await door.sendRaw("GET", `/v1/tokens?pageSize=200${query}`, {
		token: person.token,
	});
	assert.equal(answer.status, 200, answer.text);
	return answer.body.items as { id: string; name: string; tenant: string }[];
};

test("a token works from the moment it is made, and its text is shown once", async () => {
	const made = await make(door.admin, { name: "ci", role: "operator" });
	assert.equal(made.status, 201);
	const text = String(made.body.token);
	assert.match(text, /^imp_[A-Za-z0-9]{49}$/);
	const answer = await door.sendRaw("GET", "/v1/environments", { token: text });
	assert.equal(answer.status, 200);

	const listed = await door.sendRaw("GET", "/v1/tokens", {
		token: door.admin.token,
	});
	assert.ok(listed.text.includes(String(made.body.id)));
	assert.ok(!listed.text.includes(text));
	assert.ok(!JSON.stringify(door.log).includes(text));
	const rows = await door.db.selectFrom("tokens").selectAll().execute();
	assert.ok(!JSON.stringify(rows).includes(text));
});

test("a revoked token is refused with the next request", async () => {
	const made = await make(door.admin, { name: "short", role: "admin" });
	const token = String(made.body.token);
	const path = `/v1/tokens/${made.body.id}`;
	assert.equal(
		(await door.sendRaw("GET", "/v1/tokens", { token })).status,
		200,
	);
	const revoked = await door.sendRaw("DELETE", path, {
		token: door.admin.token,
	});
	assert.equal(revoked.status, 204);
	assert.equal(
		(await door.sendRaw("GET", "/v1/tokens", { token })).status,
		401,
	);
	const again = await door.sendRaw("DELETE", path, { token: door.admin.token });
	assert.equal(again.status, 204);
});

test("a token with an end in the past is not made", async () => {
	const answer = await make(door.admin, {
		name: "late",
		role: "viewer",
		expiresAt: "2020-01-01T00:00:00Z",
	});
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/expiresAt"]);
	assert.ok(!(await list(door.admin)).some(({ name }) => name === "late"));
});

test("a token's end is kept, whatever time zone it was written in", async () => {
	const answer = await make(door.admin, {
		name: "until",
		role: "viewer",
		expiresAt: "2999-01-01T02:00:00+02:00",
	});
	assert.equal(answer.body.expiresAt, "2999-01-01T00:00:00.000Z");
});

test("an admin gives no role above their own", async () => {
	const answer = await make(door.admin, {
		name: "higher",
		role: "platform-admin",
	});
	assert.equal(answer.status, 403);
	assert.deepEqual(readPointers(answer), ["/role"]);
	assert.ok(!(await list(door.admin)).some(({ name }) => name === "higher"));
});

test("an admin learns nothing of other tenants by naming them", async () => {
	const answers = await Promise.all(
		["globex", "nowhere"].map((tenant) =>
			make(door.admin, { name: "x", role: "viewer", tenant }),
		),
	);
	const [existing, absent] = answers.map(({ status, text }) => ({
		status,
		text: text.replaceAll(/req_[0-9a-z]+/g, "req"),
	}));
	assert.equal(existing?.status, 403);
	assert.deepEqual(existing, absent);
	const read = await door.sendRaw("GET", "/v1/tokens?tenant=globex", {
		token: door.admin.token,
	});
	assert.equal(read.status, 403);
	assert.deepEqual(readPointers(read), ["/query/tenant"]);
});

test("an admin may name their own tenant", async () => {
	const body = { name: "own", role: "viewer", tenant: "acme" };
	assert.equal((await make(door.admin, body)).status, 201);
	assert.ok((await list(door.admin, "&tenant=acme")).length > 0);
});

test("a platform admin makes, lists and revokes tokens of any tenant", async () => {
	const made = await make(door.platformAdmin, {
		name: "first",
		role: "admin",
		tenant: "globex",
	});
	assert.equal(made.status, 201);
	assert.equal(made.body.tenant, "globex");
	const ofGlobex = await list(door.platformAdmin, "&tenant=globex");
	assert.deepEqual([...new Set(ofGlobex.map((one) => one.tenant))], ["globex"]);
	const ofAll = await list(door.platformAdmin);
	assert.ok(new Set(ofAll.map((one) => one.tenant)).size >= 3);
	const revoked = await door.sendRaw("DELETE", `/v1/tokens/${made.body.id}`, {
		token: door.platformAdmin.token,
	});
	assert.equal(revoked.status, 204);
});

test("a platform admin who names a tenant that does not exist is told so", async () => {
	const body = { name: "x", role: "viewer", tenant: "nowhere" };
	const answer = await make(door.platformAdmin, body);
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/tenant"]);
});

test("the role platform-admin stays within its tenant", async () => {
	const elsewhere = await make(door.platformAdmin, {
		name: "x",
		role: "platform-admin",
		tenant: "acme",
	});
	assert.equal(elsewhere.status, 400);
	assert.deepEqual(readPointers(elsewhere), ["/role"]);
	const there = await make(door.platformAdmin, {
		name: "second",
		role: "platform-admin",
	});
	assert.equal(there.status, 201);
	assert.equal(there.body.tenant, "platform");
});

test("an admin's list has the tokens of their own tenant only", async () => {
	const tenants = new Set((await list(door.admin)).map(({ tenant }) => tenant));
	assert.deepEqual([...tenants], ["acme"]);
});
