// The service as a database role that does not own its tables: it does all its work, and cannot change the audit log.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import pg from "pg";
import { api } from "../../src/contract/api.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { Failure } from "../../src/failure.ts";
import { openSender } from "../../src/queue/enqueue.ts";
import { migrate, requireSchema } from "../../src/store/migrate.ts";
import { grantServiceRole } from "../../src/store/service-role.ts";
import { type Door, openDoor, openDoorBeside } from "../http/door.ts";
import { composeExample, givenExamples } from "../http/examples.ts";
import { answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { silentLog } from "../support/given.ts";

const role = `service_${randomBytes(4).toString("hex")}`;
let owner: Door;
let url: string;
before(async () => {
	owner = await openDoor();
	await asOwner(`create role ${role} login password 'service'`);
	const asRole = new URL(owner.databaseUrl);
	asRole.username = role;
	asRole.password = "service";
	url = asRole.href;
	await grantServiceRole(owner.databaseUrl, role);
	// Once more, as every start of `migrate` does.
	await grantServiceRole(owner.databaseUrl, role);
});
after(async () => {
	await asOwner(`drop owned by ${role}`);
	await asOwner(`drop role ${role}`);
	await owner.close();
});

async function query(at: string, text: string) {
	const client = new pg.Client({ connectionString: at });
	await client.connect();
	try {
		return await client.query(text);
	} finally {
		await client.end();
	}
}
const asOwner = (text: string) => query(owner.databaseUrl, text);

test("the whole API works for it", async () => {
	const door = await openDoorBeside({ ...owner, databaseUrl: url });
	try {
		const examples = await givenExamples({
			...door,
			installation: { ...door.installation, db: door.db },
		});
		for (const endpoint of api) {
			const { asked } = composeExample(examples, endpoint);
			const least = endpoint.permission && leastRoles[endpoint.permission];
			const caller =
				least === "platform-admin"
					? door.platformAdmin
					: door[least ?? "viewer"];
			const answer = await answered(askAny(caller.client, endpoint, asked));
			assert.ok(answer.status < 400, `${endpoint.name}: ${answer.text}`);
		}
	} finally {
		await door.close();
	}
	const { rows } = await asOwner("select count(*) as count from audit");
	assert.ok(Number(rows[0]?.count) > 20);
});

for (const [what, at] of [
	["that its owner has made", () => owner.databaseUrl],
	["of its own", () => url],
] as const)
	test(`it sends by a queue ${what}`, async () => {
		await asOwner("drop schema if exists bullmq cascade");
		const first = openSender(at(), silentLog);
		await first.reach();
		await first.close();
		await grantServiceRole(owner.databaseUrl, role);
		const sender = openSender(url, silentLog);
		await sender.reach();
		await sender.enqueue("op_00000000000000000000" as OperationId, 0);
		await sender.close();
		const { rows } = await asOwner("select count(*) as count from bullmq.job");
		assert.equal(Number(rows[0]?.count), 1);
	});

for (const statement of [
	"update audit set actor_name = 'nobody'",
	"delete from audit",
	"truncate audit",
	"alter table audit disable trigger all",
	"drop trigger audit_is_append_only on audit",
	"drop table audit",
	"alter function refuse_audit_change() rename to allow_audit_change",
	"update migrations set digest = ''",
])
	test(`it may not: ${statement}`, async () => {
		await assert.rejects(
			query(url, statement),
			/permission denied|must be (the )?owner/,
		);
	});

test("it finds the schema that its owner has migrated", async () => {
	assert.deepEqual(await migrate(owner.databaseUrl), []);
	await requireSchema(url);
});

test("a role that there is none of, or that may do everything, is refused", async () => {
	const { rows } = await asOwner("select current_user as name");
	for (const [name, words] of [
		["nobody_at_all", /no database role "nobody_at_all"/],
		[String(rows[0]?.name), /owns the tables or may do everything/],
	] as const)
		await assert.rejects(
			grantServiceRole(owner.databaseUrl, name),
			(error) =>
				error instanceof Failure &&
				error.code === "not_set_up" &&
				words.test(error.message),
		);
});
