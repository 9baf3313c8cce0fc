import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import { answered, refused } from "../support/answers.ts";
import { type Door, openDoor, type Person, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

type Body = Asked<Declared["createToken"]>["body"];

const make = ({ client }: Person, body: Body) => client.createToken({ body });

const list = async ({ client }: Person, tenant?: string) =>
	(await client.listTokens({ pageSize: 200, ...(tenant && { tenant }) })).items;

test("a token works from the moment it is made, and its text is shown once", async () => {
	const made = await make(door.admin, { name: "ci", role: "operator" });
	const text = made.token;
	assert.match(text, /^imp_[A-Za-z0-9]{49}$/);
	assert.ok(await door.as(text).listEnvironments());

	const listed = JSON.stringify(await door.admin.client.listTokens());
	assert.ok(listed.includes(made.id));
	assert.ok(!listed.includes(text));
	assert.ok(!JSON.stringify(door.log).includes(text));
	const rows = await door.db.selectFrom("tokens").selectAll().execute();
	assert.ok(!JSON.stringify(rows).includes(text));
});

test("a revoked token is refused with the next request", async () => {
	const made = await make(door.admin, { name: "short", role: "admin" });
	const own = door.as(made.token);
	const revoke = () =>
		door.admin.client.revokeToken({ id: made.id }).withResponse();
	assert.ok(await own.listTokens());
	assert.equal((await revoke()).status, 204);
	assert.equal((await refused(own.listTokens())).status, 401);
	assert.equal((await revoke()).status, 204);
});

test("a token with an end in the past is not made", async () => {
	const answer = await refused(
		make(door.admin, {
			name: "late",
			role: "viewer",
			expiresAt: "2020-01-01T00:00:00Z",
		}),
	);
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
	assert.equal(answer.expiresAt, "2999-01-01T00:00:00.000Z");
});

test("an admin gives no role above their own", async () => {
	const answer = await refused(
		make(door.admin, { name: "higher", role: "platform-admin" }),
	);
	assert.equal(answer.status, 403);
	assert.deepEqual(readPointers(answer), ["/role"]);
	assert.ok(!(await list(door.admin)).some(({ name }) => name === "higher"));
});

test("an admin learns nothing of other tenants by naming them", async () => {
	const answers = await Promise.all(
		["globex", "nowhere"].map((tenant) =>
			answered(make(door.admin, { name: "x", role: "viewer", tenant })),
		),
	);
	const [existing, absent] = answers.map(({ status, text }) => ({
		status,
		text: text.replaceAll(/req_[0-9a-z]+/g, "req"),
	}));
	assert.equal(existing?.status, 403);
	assert.deepEqual(existing, absent);
	const read = await refused(
		door.admin.client.listTokens({ tenant: "globex" }),
	);
	assert.equal(read.status, 403);
	assert.deepEqual(readPointers(read), ["/query/tenant"]);
});

test("an admin may name their own tenant", async () => {
	await make(door.admin, { name: "own", role: "viewer", tenant: "acme" });
	assert.ok((await list(door.admin, "acme")).length > 0);
});

test("a platform admin makes, lists and revokes tokens of any tenant", async () => {
	const made = await make(door.platformAdmin, {
		name: "first",
		role: "admin",
		tenant: "globex",
	});
	assert.equal(made.tenant, "globex");
	const ofGlobex = await list(door.platformAdmin, "globex");
	assert.deepEqual([...new Set(ofGlobex.map((one) => one.tenant))], ["globex"]);
	const ofAll = await list(door.platformAdmin);
	assert.ok(new Set(ofAll.map((one) => one.tenant)).size >= 3);
	const { client } = door.platformAdmin;
	const revoked = await client.revokeToken({ id: made.id }).withResponse();
	assert.equal(revoked.status, 204);
});

test("a platform admin who names a tenant that does not exist is told so", async () => {
	const answer = await refused(
		make(door.platformAdmin, { name: "x", role: "viewer", tenant: "nowhere" }),
	);
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/tenant"]);
});

test("the role platform-admin stays within its tenant", async () => {
	const elsewhere = await refused(
		make(door.platformAdmin, {
			name: "x",
			role: "platform-admin",
			tenant: "acme",
		}),
	);
	assert.equal(elsewhere.status, 400);
	assert.deepEqual(readPointers(elsewhere), ["/role"]);
	const there = await make(door.platformAdmin, {
		name: "second",
		role: "platform-admin",
	});
	assert.equal(there.tenant, "platform");
});

test("an admin's list has the tokens of their own tenant only", async () => {
	const tenants = new Set((await list(door.admin)).map(({ tenant }) => tenant));
	assert.deepEqual([...tenants], ["acme"]);
});
