// What lists are filtered and sorted by, and that a page of them costs the same however much there is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { environmentSorts } from "../../src/domain/environment.ts";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, givenEnvironment, openDoor } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
	for (const name of ["delta", "alpha", "charlie", "bravo"])
		await givenEnvironment(door, name);
	await door.operator.client.describeEnvironment({
		id: "charlie",
		body: { description: "changed last", labels: { team: "a" } },
	});
});
after(() => door.close());

interface Item {
	readonly id: string;
	readonly name: string;
	readonly environment: string;
}

/** All pages, a row at a time. */
async function list(
	path: string,
	query: string,
	token?: string,
): Promise<Item[]> {
	const client = token === undefined ? door.viewer.client : door.as(token);
	const items: Item[] = [];
	let next = "";
	do {
		const target = `${path}?pageSize=1${query}${next}`;
		const page = (await askByPath(client, ["GET", target])) as {
			readonly items: readonly Item[];
			readonly nextPageToken: string | null;
		};
		items.push(...page.items);
		next =
			page.nextPageToken === null ? "" : `&pageToken=${page.nextPageToken}`;
	} while (next !== "");
	return items;
}

const names = async (query: string, token?: string) =>
	(await list("/v1/environments", query, token)).map(({ name }) => name);

test("environments are sorted by what is asked for, page by page", async () => {
	const expected: Record<(typeof environmentSorts)[number], string[]> = {
		"-createdAt": ["bravo", "charlie", "alpha", "delta"],
		createdAt: ["delta", "alpha", "charlie", "bravo"],
		name: ["alpha", "bravo", "charlie", "delta"],
		"-updatedAt": ["charlie", "bravo", "alpha", "delta"],
	};
	for (const sort of environmentSorts)
		assert.deepEqual(await names(`&sort=${sort}`), expected[sort], sort);
	assert.deepEqual(await names(""), expected["-createdAt"]);
});

test("environments are filtered by what is wished for them", async () => {
	const all = await names("&sort=name");
	assert.deepEqual(await names("&sort=name&size=small&release=0.6.0"), all);
	assert.deepEqual(await names("&blueprint=maestro&sort=name"), all);
	assert.deepEqual(await names("&size=ha"), []);
	assert.deepEqual(await names("&release=9.9.9"), []);
	assert.deepEqual(await names("&label=team=a"), ["charlie"]);
});

test("a page's token opens no list that is sorted otherwise", async () => {
	const first = await door.viewer.client.listEnvironments({
		pageSize: 1,
		sort: "name",
	});
	const other = await refused(
		door.viewer.client.listEnvironments({
			pageSize: 1,
			pageToken: String(first.nextPageToken),
		}),
	);
	assert.equal(other.status, 400);
});

test("a tenant's operations are listed over all environments, newest first, filtered", async () => {
	const path = "/v1/operations";
	const all = await list(path, "");
	assert.equal(all.length, 4);
	assert.deepEqual(await list(path, "&state=queued&state=running"), all);
	assert.deepEqual(await list(path, "&kind=create"), all);
	assert.deepEqual(await list(path, "&kind=destroy"), []);
	assert.deepEqual(await list(path, "&state=succeeded"), []);
	const [one] = await list(path, "&environment=alpha");
	assert.equal(one?.id, all[2]?.id);
	assert.deepEqual(await list(path, "", door.stranger.token), []);
	assert.deepEqual(await list(path, "", door.platformAdmin.token), all);
	const foreign = await refused(
		door.stranger.client.listAllOperations({
			environment: String(one?.environment),
		}),
	);
	assert.equal(foreign.status, 404);
});

test("a token that is for some environments is shown no other's operations", async () => {
	const body = await door.admin.client.createToken({
		body: { name: "narrow", role: "viewer", environments: "al*" },
	});
	const token = body.token;
	const shown = await list("/v1/operations", "", token);
	assert.deepEqual(shown, await list("/v1/operations", "&environment=alpha"));
});

/** Of what the planner would do if reading a whole table and sorting it were dear, as they are where there is much. */
async function explain(query: string): Promise<string> {
	return door.db.transaction().execute(async (trx) => {
		await sql`set local enable_seqscan = off`.execute(trx);
		await sql`set local enable_sort = off`.execute(trx);
		await sql`set local enable_bitmapscan = off`.execute(trx);
		const { rows } = await sql
			.raw<{ "QUERY PLAN": string }>(`explain (costs off) ${query}`)
			.execute(trx);
		return rows.map((row) => row["QUERY PLAN"]).join("\n");
	});
}

test("each order of a list is that of an index", async () => {
	const tenant = `tenant_id = '${door.viewer.actor.tenant.id}'`;
	const alive = "lifecycle <> 'destroyed'";
	const cases = [
		["environments", `${tenant} and ${alive}`, "created_at desc, id desc"],
		["environments", `${tenant} and ${alive}`, "created_at, id"],
		["environments", `${tenant} and ${alive}`, "updated_at desc, id desc"],
		["environments", alive, "created_at desc, id desc"],
		["operations", tenant, "created_at desc, id desc"],
		["operations", "true", "created_at desc, id desc"],
		[
			"operations",
			`${tenant} and finished_at is null`,
			"created_at desc, id desc",
		],
		["events", `${tenant} and stamp < 99`, "stamp, environment_id, id"],
	];
	for (const [table, where, order] of cases) {
		const plan = await explain(
			`select * from ${table} where ${where} order by ${order} limit 50`,
		);
		assert.match(plan, /Index (Only )?Scan/, plan);
		assert.doesNotMatch(plan, /Sort|Seq Scan/, plan);
	}
});
