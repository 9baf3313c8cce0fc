import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sql } from "kysely";
import { createTokenText, hashToken } from "../../src/domain/token.ts";
import { closeOperation } from "../../src/store/leases.ts";
import { createToken } from "../../src/store/tokens.ts";
import { givenActor } from "../support/given.ts";
import {
	beginUpdate,
	freeProject,
	givenRun,
	givenStack,
	makeDoor,
	openWorld,
	project,
	stackPath,
} from "./given.ts";

const world = await openWorld();
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);
const { token: operator } = await givenActor(world.db, "acme");
const { token: viewer } = await givenActor(world.db, "acme", "viewer");
const { token: stranger } = await givenActor(world.db, "other", "admin");
const run = await givenRun(world, "qa-1");
const other = await givenRun(world, "qa-2");

const init = (name: string, token: string, inProject = project) =>
	door("POST", `/api/stacks/impresario/${inProject}`, {
		token,
		body: { stackName: name, tags: {} },
	});

assert.equal((await init(run.stack, run.token)).status, 200);
const stack = stackPath(run.stack, project);

test("without a token that is known nothing is answered but capabilities", async () => {
	for (const token of ["", "nonsense", createTokenText(), "run_op_x.1.x"]) {
		for (const path of ["/api/user", "/api/user/stacks", stack]) {
			const { status, body } = await door("GET", path, { token });
			assert.deepEqual(
				[status, body.code, body.message],
				[401, 401, "Unauthorized"],
			);
		}
	}
	assert.equal(
		(await door("GET", "/api/capabilities", { token: "" })).status,
		200,
	);
});

test("a run's token opens its environment's stack and no other", async () => {
	await init(other.stack, other.token);
	assert.equal((await door("GET", stack, { token: run.token })).status, 200);
	for (const method of ["GET", "DELETE"]) {
		const path = stackPath(other.stack, project);
		const { status, body } = await door(method, path, { token: run.token });
		assert.deepEqual([status, body.code], [404, 404]);
	}
	assert.equal((await init("other", run.token)).status, 403);
	assert.equal((await init(other.stack, run.token)).status, 403);
});

test("a run's token cannot be forged from another, nor for another fence", async () => {
	const [claim = "", fence = "", mac = ""] = run.token.split(".");
	for (const token of [
		`${claim}.${Number(fence) + 1}.${mac}`,
		`${other.token.split(".")[0]}.${fence}.${mac}`,
		`${claim}.${fence}.${mac.slice(0, -1)}${mac.endsWith("A") ? "E" : "A"}`,
		`${claim}.0${fence}.${mac}`,
	]) {
		assert.equal((await door("GET", stack, { token })).status, 401, token);
	}
});

test("a token for less than its role does not open the engine's state", async () => {
	const { actor } = await givenActor(world.db, "acme");
	for (const scope of [
		{ permissions: ["environments:*"], environments: null },
		{ permissions: null, environments: "qa-*" },
	]) {
		const token = createTokenText();
		await createToken(world.db, {
			tenant: actor.tenant.id,
			name: "narrow",
			role: "operator",
			hash: hashToken(token),
			expiresAt: null,
			scope,
		});
		const { status } = await door("GET", stack, { token });
		assert.equal(status, 403);
	}
});

test("a tenant's operator sees the stacks of his tenant's environments", async () => {
	assert.equal((await door("GET", stack, { token: operator })).status, 200);
	const { body } = await door("GET", "/api/user/stacks", { token: operator });
	assert.ok(JSON.stringify(body).includes(run.stack));
});

test("for everybody else they do not exist", async () => {
	for (const token of [stranger, viewer]) {
		const { status, body } = await door("GET", stack, { token });
		assert.deepEqual([status, body.code], [404, 404]);
		const list = await door("GET", "/api/user/stacks", { token });
		assert.deepEqual(list.body.stacks, []);
		assert.equal((await init(run.stack, token)).status, 403);
	}
});

test("only a platform admin makes stacks beside the environments", async () => {
	assert.equal((await init("free", operator, freeProject)).status, 403);
	assert.equal((await init("free", world.token, freeProject)).status, 200);
	const path = stackPath("free");
	assert.equal((await door("GET", path)).status, 200);
	assert.equal((await door("GET", path, { token: operator })).status, 404);
});

test("an environment's stack lies in its blueprint's project alone", async () => {
	const { stack: name } = await givenRun(world, "qa-3");
	assert.equal((await init(name, operator, "impresario-other")).status, 403);
	assert.equal((await init(name, operator)).status, 200);
});

test("a run's token is worth nothing once the operation is another's, or over", async () => {
	const mine = await givenRun(world, "qa-4");
	await init(mine.stack, mine.token);
	const path = stackPath(mine.stack, project);
	const next = await mine.takeOver();
	for (const [method, to, body] of [
		["GET", path, undefined],
		["POST", `${path}/update`, {}],
		["POST", `${path}/batch-encrypt`, { plaintexts: [] }],
		["POST", `${path}/import`, { version: 3, deployment: {} }],
	] as const) {
		const { status } = await door(method, to, { token: mine.token, body });
		assert.equal(status, 403, to);
	}
	assert.equal((await door("GET", path, { token: next.token })).status, 200);
	await closeOperation(world.db, next.lease, {
		state: "succeeded",
		error: null,
	});
	assert.equal((await door("GET", path, { token: next.token })).status, 403);
});

test("an access token is no lease token, and the reverse", async () => {
	const path = await givenStack(door, "tokens");
	const update = await beginUpdate(door, path);
	const entries = `${update.path}/journalentries`;
	const asAccess = await door("PATCH", entries, { body: { entries: [] } });
	assert.deepEqual([asAccess.status, asAccess.body.code], [401, 401]);
	const shown = await door("GET", path, { token: update.lease });
	assert.equal(shown.status, 401);
});

test("who calls is told with names that are never empty", async () => {
	for (const token of [world.token, operator, run.token]) {
		const { body } = await door("GET", "/api/user", { token });
		assert.ok(String(body.githubLogin).length > 0);
		assert.deepEqual(body.organizations, [{ githubLogin: "impresario" }]);
	}
	const { body } = await door("GET", "/api/user/organizations/default");
	assert.deepEqual(body, { GitHubLogin: "impresario" });
});

test("every refusal carries its code in the body", async () => {
	const wrong: [string, string, number, unknown?][] = [
		["GET", "/api/nothing", 404],
		["GET", "/elsewhere", 404],
		["PUT", stack, 404],
		["GET", "/api/stacks/elsewhere/tests/free", 404],
		["GET", stackPath("missing"), 404],
		["GET", `${stack}/export/99`, 404],
		["GET", `${stack}/export/abc`, 404],
		["GET", `${stack}/updates/latest`, 404],
		["GET", `${stack}/update/nothing`, 404],
		["POST", `${stack}/update/nothing`, 404, {}],
		["POST", `${stack}/update/nothing/cancel`, 404],
		["POST", `${stack}/import`, 400, { version: 9 }],
		["POST", `${stack}/import`, 400, "{broken"],
		["POST", `${stack}/import`, 400],
		["POST", `${stack}/batch-encrypt`, 400, { plaintexts: ["%%%"] }],
		["POST", `${stack}/rename`, 400, { newName: "x" }],
		["PATCH", `${stack}/tags`, 400, { "a b": "c" }],
		["POST", "/api/stacks/impresario/tests", 400, { stackName: "a/b" }],
	];
	for (const [method, path, status, body] of wrong) {
		const answer = await door(method, path, { body });
		assert.deepEqual(
			[answer.status, answer.body.code],
			[status, status],
			`${method} ${path}`,
		);
	}
});

test("what was sent is not told again when it is refused", async () => {
	const { body } = await door("POST", `${stack}/batch-encrypt`, {
		body: '{"plaintexts": ["planted',
	});
	assert.ok(!JSON.stringify(body).includes("planted"));
});

test("HEAD tells of a project without a body", async () => {
	const head = (name: string) =>
		fetch(`${world.backend.url}/api/stacks/impresario/${name}`, {
			method: "HEAD",
			headers: { authorization: `token ${world.token}` },
		});
	const [there, missing] = [await head(project), await head("missing")];
	assert.deepEqual([there.status, missing.status], [200, 404]);
	assert.equal(await missing.text(), "");
});

test("what an operator does with a state is in the audit log, a look at its secrets too, and what only reads is not", async () => {
	const { actor, token } = await givenActor(world.db, "acme");
	await door("GET", stack, { token });
	await door("POST", `${stack}/batch-decrypt`, {
		token,
		body: { ciphertexts: [] },
	});
	await door("PATCH", `${stack}/tags`, { token, body: {} });
	const { rows } = await sql<{
		action: string;
		method: string;
		path: string;
		environment_id: string;
	}>`
		select action, method, path, environment_id from audit where actor_id = ${actor.token} order by id`.execute(
		world.db,
	);
	const { operation } = run.lease;
	const { environment_id } = await world.db
		.selectFrom("operations")
		.select("environment_id")
		.where("id", "=", operation)
		.executeTakeFirstOrThrow();
	const told = { action: "engine-state", environment_id };
	assert.deepEqual(rows, [
		{ ...told, method: "POST", path: `${stack}/batch-decrypt` },
		{ ...told, method: "PATCH", path: `${stack}/tags` },
	]);
	const runs = await sql`
		select from audit where action = 'engine-state' and actor_kind = 'service'`.execute(
		world.db,
	);
	assert.equal(runs.rows.length, 0);
});
