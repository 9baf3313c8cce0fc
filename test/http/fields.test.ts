// What of each item a list shows, where its caller chooses.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { environment } from "../../src/contract/environments.ts";
import { operation } from "../../src/contract/operations.ts";
import { answered } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
	for (const name of ["one", "two", "three"])
		await givenEnvironment(door, name);
});
after(() => door?.close());

const ask = (path: string) =>
	answered(askByPath(door.viewer.client, ["GET", path]));

type Item = Readonly<Record<string, unknown>>;

async function list(path: string): Promise<readonly Item[]> {
	const { status, body, text } = await ask(path);
	assert.equal(status, 200, text);
	return body.items as Item[];
}

const lists = {
	"/v1/environments": environment,
	"/v1/operations": operation,
	"/v1/environments/one/operations": operation,
};

for (const [path, schema] of Object.entries(lists)) {
	const names = Object.keys(schema.shape);

	test(`each field of ${path} is shown by itself as it is shown with all others`, async () => {
		const whole = await list(path);
		assert.ok(whole.length > 0);
		for (const name of names) {
			const part = await list(`${path}?fields=${name}`);
			const expected = whole.map((item) => ({
				id: item.id,
				[name]: item[name],
			}));
			assert.deepEqual(part, expected, name);
		}
		assert.deepEqual(await list(`${path}?fields=${names.join(",")}`), whole);
	});

	test(`a name that items of ${path} do not have is refused at its place`, async () => {
		const answer = await ask(`${path}?fields=id,secret&fields=,createdAt`);
		assert.equal(answer.status, 400);
		assert.deepEqual(readPointers(answer), [
			"/query/fields/1",
			"/query/fields/2",
		]);
		assert.ok(answer.text.includes(names.join(", ")), answer.text);
		assert.equal((await ask(`${path}?fields=`)).status, 400);
	});
}

test("fields are shown in their usual order, and once", async () => {
	const [item] = await list("/v1/environments?fields=name,lifecycle,name");
	assert.deepEqual(Object.keys(item ?? {}), ["id", "name", "lifecycle"]);
});

test("a page of chosen fields goes on in each order, and with other fields", async () => {
	for (const sort of ["-createdAt", "createdAt", "name", "-updatedAt"]) {
		const path = `/v1/environments?sort=${sort}`;
		const names = (await list(path)).map(({ name }) => name);
		const first = await ask(`${path}&pageSize=1&fields=release`);
		const rest = await list(
			`${path}&fields=name&pageToken=${first.body.nextPageToken}`,
		);
		assert.deepEqual(
			rest.map(({ name }) => name),
			names.slice(1),
			sort,
		);
	}
});

test("what is not listed has no fields to choose", async () => {
	assert.equal((await ask("/v1/environments/one?fields=id")).status, 400);
	assert.equal((await ask("/v1/targets?fields=name")).status, 400);
});

test("an environment shows what moves it, in a list as by itself", async () => {
	const [item] = await list("/v1/environments?name=two");
	const { body } = await ask("/v1/environments/two");
	assert.deepEqual(item, body);
	const [ordered] = await list(`/v1/operations?environment=two`);
	assert.equal(body.activeOperation, ordered?.id);
});
