// Orders that wait until another actor approves them: which do, who may, and what becomes of them meanwhile.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { sql } from "kysely";
import type { ApprovalRule } from "../../src/domain/approval.ts";
import type { Environment } from "../../src/domain/environment.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import {
	approveOperation,
	rejectOperation,
} from "../../src/operations/approval.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { placeOrder } from "../../src/operations/place-order.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { findOrder } from "../../src/store/approvals.ts";
import { listEvents } from "../../src/store/events.ts";
import { listCurrentOperations } from "../../src/store/operations.ts";
import { listRevisions } from "../../src/store/revisions.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { makeKeeper } from "../support/backups.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { loadOrdered, loadUnneeded } from "../support/ordered.ts";

let database: TestDatabase;
let installation: Installation;
let author: Actor;
let colleague: Actor;
let keeper: ReturnType<typeof makeKeeper>;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	author = (await givenActor(database.db, "acme")).actor;
	colleague = (await givenActor(database.db, "acme", "admin")).actor;
	keeper = makeKeeper(installation, author);
});
after(() => database.close());
beforeEach(() =>
	ruleOfTenant({ verbs: ["upgrade", "destroy"], sizes: ["small"] }),
);

const ruleOfTenant = (...rules: ApprovalRule[]) =>
	changeTenant(database.db, "acme", { approvals: rules });
const dark = { upgrade: { parameters: { theme: "dark" } } };
const place = (environment: Environment, order: object, previewId?: string) =>
	placeOrder(installation, author, {
		environment,
		order: previewedOrder.parse(order),
		previewId,
	});
const order = async (...asked: Parameters<typeof place>) =>
	loadOrdered(await place(...asked));
const approve = (actor: Actor, operation: Operation) =>
	approveOperation(installation, actor, operation);
const readEvents = async ({ id, environment }: Operation) =>
	(
		await listEvents(
			database.db,
			{ operation: id, environment },
			{ after: 0, limit: 100 },
		)
	).map(({ type }) => type);
const fails =
	(code: FailureCode, message = /./) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		return true;
	};

test("an order that a rule names waits, and moves nothing", async () => {
	const environment = await keeper.givenReady();
	const sent = installation.sent.length;
	const operation = await order(environment, dark);
	assert.deepEqual(
		[operation.kind, operation.state, operation.revisionTo],
		["upgrade", "awaiting_approval", null],
	);
	assert.equal(installation.sent.length, sent);
	assert.deepEqual(await keeper.load(environment.id), environment);
	const revisions = await listRevisions(database.db, environment.id);
	assert.equal(revisions.length, 1);
	const current = await listCurrentOperations(database.db, [environment.id]);
	assert.equal(current.size, 0);
	assert.deepEqual(await readEvents(operation), [
		"operation.awaiting_approval",
	]);
	// It stands in nobody's way: another verb takes its turn at once.
	const other = await order(environment, { hibernate: {} });
	assert.equal(other.state, "queued");
	await keeper.work(other.id);
	assert.equal((await keeper.find(other.id)).state, "succeeded");
});

test("approved by another actor, the same operation stands in line, and is carried out", async () => {
	const environment = await keeper.givenReady();
	const operation = await order(environment, dark);
	const approved = await approve(colleague, operation);
	assert.equal(approved.id, operation.id);
	assert.deepEqual(
		[approved.state, approved.revisionTo, approved.approvedBy],
		["queued", 2, colleague.name],
	);
	assert.equal(approved.requestedBy, author.name);
	assert.ok(installation.sent.includes(operation.id));
	assert.equal((await keeper.load(environment.id)).lifecycle, "upgrading");
	assert.equal(await findOrder(database.db, operation.id), undefined);
	await keeper.work(operation.id);
	assert.equal((await keeper.find(operation.id)).state, "succeeded");
	assert.equal((await keeper.load(environment.id)).revision, 2);
	assert.deepEqual((await readEvents(operation)).slice(0, 4), [
		"operation.awaiting_approval",
		"operation.approved",
		"operation.queued",
		"operation.started",
	]);
	await assert.rejects(
		approve(colleague, operation),
		fails("conflict", /does not await an approval: it is succeeded/),
	);
});

test("who ordered it may neither approve nor reject it, also with another token of that name", async () => {
	const operation = await order(await keeper.givenReady(), dark);
	const { actor: twin } = await givenActor(database.db, "acme");
	for (const actor of [author, twin]) {
		await assert.rejects(approve(actor, operation), fails("forbidden"));
		await assert.rejects(
			rejectOperation(installation, actor, operation),
			fails("forbidden"),
		);
	}
	assert.equal((await keeper.find(operation.id)).state, "awaiting_approval");
	assert.deepEqual(await readEvents(operation), [
		"operation.awaiting_approval",
	]);
});

test("rejected or cancelled it has ended, and cannot be tried again without an approval", async () => {
	const environment = await keeper.givenReady();
	const rejected = await order(environment, { destroy: {} });
	const end = await rejectOperation(installation, colleague, rejected);
	assert.equal(end.state, "cancelled");
	assert.ok((await readEvents(rejected)).includes("operation.rejected"));
	const cancelled = await order(environment, { destroy: {} });
	await cancelOperation(installation, author, cancelled);
	assert.equal((await keeper.find(cancelled.id)).state, "cancelled");
	for (const { id } of [rejected, cancelled]) {
		assert.equal(await findOrder(database.db, id), undefined);
		await assert.rejects(
			retryOperation(installation, author, await keeper.find(id)),
			fails("conflict", /never approved/),
		);
	}
	assert.deepEqual(await keeper.load(environment.id), environment);
});

test("nobody approves it within a day: it is timed out, and nothing has moved", async () => {
	const environment = await keeper.givenReady();
	const operation = await order(environment, dark);
	await sql`update operations set created_at = now() - interval '25 h' where id = ${operation.id}`.execute(
		database.db,
	);
	await sweep({ ...installation, log: silentLog });
	const ended = await keeper.find(operation.id);
	assert.equal(ended.state, "timed_out");
	assert.match(ended.error?.message ?? "", /Nobody approved/);
	assert.equal(await findOrder(database.db, operation.id), undefined);
	assert.deepEqual(await keeper.load(environment.id), environment);
});

test("approved after a long wait, its time in the line counts from the approval", async () => {
	const operation = await order(await keeper.givenReady(), dark);
	await sql`update operations set created_at = now() - interval '25 h' where id = ${operation.id}`.execute(
		database.db,
	);
	await approve(colleague, operation);
	await sweep({ ...installation, log: silentLog });
	assert.equal((await keeper.find(operation.id)).state, "queued");
});

test("bound to a preview it is approved only while that holds, and goes on waiting otherwise", async () => {
	const environment = await keeper.givenReady();
	const preview = async () => {
		const { id, options } = loadOrdered(
			await previewOrder(installation, author, {
				environment,
				order: previewedOrder.parse(dark),
			}),
		);
		await keeper.work(id);
		return options.preview;
	};
	const operation = await order(environment, dark, await preview());
	await sql`update environments set desired_revision = desired_revision + 1 where id = ${environment.id}`.execute(
		database.db,
	);
	await sql`insert into revisions (environment_id, number, blueprint_version, release, images, size, parameters)
		select environment_id, 2, blueprint_version, release, images, size, parameters
		from revisions where environment_id = ${environment.id}`.execute(
		database.db,
	);
	await assert.rejects(
		approve(colleague, operation),
		fails("conflict", /has moved since the preview/),
	);
	const waiting = await keeper.find(operation.id);
	assert.deepEqual(
		[waiting.state, waiting.approvedBy],
		["awaiting_approval", null],
	);
	await sql`update environments set desired_revision = 1 where id = ${environment.id}`.execute(
		database.db,
	);
	await sql`delete from revisions where environment_id = ${environment.id} and number = 2`.execute(
		database.db,
	);
	assert.equal((await approve(colleague, waiting)).state, "queued");
});

test("what its verb refuses by the time of its approval is refused, and goes on waiting", async () => {
	const environment = await keeper.givenReady();
	const operation = await order(environment, dark);
	await database.db
		.updateTable("environments")
		.set({ lifecycle: "destroying" })
		.where("id", "=", environment.id)
		.execute();
	await assert.rejects(
		approve(colleague, operation),
		fails("conflict", /being destroyed/),
	);
	assert.equal((await keeper.find(operation.id)).state, "awaiting_approval");
});

test("only what a rule of the tenant or of the target names waits, by verb and by the size before or after", async () => {
	await ruleOfTenant({ verbs: ["upgrade"], sizes: ["ha"] });
	const small = await keeper.givenReady();
	assert.equal((await order(small, dark)).state, "queued");
	const growing = await keeper.givenReady();
	assert.equal(
		(await order(growing, { upgrade: { size: "ha" } })).state,
		"awaiting_approval",
	);
	assert.equal((await order(growing, { destroy: {} })).state, "queued");

	await ruleOfTenant();
	const setTarget = (rules: ApprovalRule[]) =>
		sql`update targets set settings = settings || ${JSON.stringify({ approvals: rules })}::jsonb`.execute(
			database.db,
		);
	await setTarget([{ verbs: ["hibernate"], sizes: ["small", "ha"] }]);
	const asleep = await keeper.givenReady();
	assert.equal(
		(await order(asleep, { hibernate: {} })).state,
		"awaiting_approval",
	);
	await setTarget([]);
});

test("where there is nothing to do nothing waits, and what is refused is refused at once", async () => {
	const environment = await keeper.givenReady();
	const answer = await place(environment, { upgrade: { parameters: {} } });
	assert.match(loadUnneeded(answer).nothingToDo, /nothing to change/);
	await assert.rejects(
		place(environment, { upgrade: { release: "9.9.9" } }),
		fails("invalid_request"),
	);
});

test("what was ordered is kept sealed", async () => {
	const environment = await keeper.givenReady();
	const password = "planted-password";
	const { id } = await order(environment, {
		upgrade: {
			parameters: {
				smtp: {
					host: "mail.example.test",
					sender: "maestro@example.test",
					username: "maestro",
					password,
				},
			},
		},
	});
	const kept = await findOrder(database.db, id);
	assert.ok(kept !== undefined && !kept.sealed.includes(password));
});
