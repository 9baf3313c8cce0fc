// Whatever is shown with an ETag can be changed on the condition that it has it still.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Reply } from "../../client/client.ts";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { showsOne } from "../../src/contract/request-headers.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { publicTargets } from "../../src/domain/webhook.ts";
import { createWebhook } from "../../src/operations/webhooks.ts";
import { answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";
import { composeExample, givenExamples } from "./examples.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

/** What shows the thing that the endpoint changes. */
const findShowing = ({ method, path }: Endpoint): Endpoint | undefined =>
	method === "GET"
		? undefined
		: api.find(
				(other) =>
					other.method === "GET" &&
					showsOne(other) &&
					other.path === path.replace(/\}:[a-z-]+$/, "}"),
			);

test("what changes a thing that has an ETag takes If-Match, and a PATCH needs it", () => {
	for (const endpoint of api) {
		if (findShowing(endpoint) === undefined) continue;
		const { name, method, ifMatch } = endpoint;
		// It changes nothing of what is shown: a message is sent.
		if (name === "pingWebhook") continue;
		assert.equal(ifMatch, method === "PATCH" ? "required" : "taken", name);
	}
});

const others = api.filter(
	({ ifMatch, path }) => ifMatch && !path.startsWith("/v1/environments/"),
);

for (const endpoint of others)
	test(`${endpoint.name} is refused when the ETag is stale, and done when it holds`, async (t) => {
		const own = await openDoor();
		t.after(() => own.close());
		const examples = await givenExamples(own);
		const showing = findShowing(endpoint) ?? assert.fail();
		const role = endpoint.permission && leastRoles[endpoint.permission];
		const person =
			role === "platform-admin" ? own.platformAdmin : own[role ?? "admin"];
		// It tries again what was cancelled.
		if (endpoint.name === "retryOperation")
			await own.operator.client.cancelOperation({
				id: examples.retryOperation?.id ?? "",
			});
		const { asked } = composeExample(examples, endpoint);
		const { body: _, ...named } = asked;
		const send = (ifMatch: string) =>
			answered(askAny(person.client, endpoint, asked, { ifMatch }));
		const read = () => answered(askAny(person.client, showing, named));
		const first = await read();
		const tag = first.headers.get("etag") ?? assert.fail();
		for (const wrong of ['"stale"', `W/${tag}`]) {
			const stale = await send(wrong);
			assert.equal(stale.status, 412, stale.text);
			assert.equal(stale.body.code, "precondition_failed");
			assert.deepEqual(readPointers(stale), ["/header/if-match"]);
		}
		assert.equal((await read()).text, first.text);
		const taken = await send(tag);
		assert.equal(taken.status, endpoint.status, taken.text);
		const again = await send(tag);
		// A retry leaves what it retries as it is, and is the same one.
		assert.equal(again.status, endpoint.name === "retryOperation" ? 202 : 412);
	});

async function givenWebhook(): Promise<string> {
	const { webhook } = await createWebhook(
		{ ...door.installation, policy: publicTargets },
		door.admin.actor,
		{ url: "https://hooks.example.com/", description: "", active: true },
	);
	return webhook.id;
}

async function race(
	count: number,
	change: (index: number) => Reply<unknown>,
): Promise<number[]> {
	const answers = await Promise.all(
		Array.from({ length: count }, (_, index) => answered(change(index))),
	);
	return answers.map(({ status }) => status).sort();
}

test("of 10 changes of a webhook at once that were decided on the same reading, one is carried out", async () => {
	const id = await givenWebhook();
	const { client } = door.admin;
	const { headers } = await client.findWebhook({ id }).withResponse();
	const ifMatch = headers.get("etag") ?? "";
	const statuses = await race(10, (index) =>
		index % 2 === 0
			? client.rotateWebhookSecret({ id }, { ifMatch })
			: client.changeWebhook(
					{ id, body: { description: `${index}` } },
					{ ifMatch },
				),
	);
	assert.deepEqual(statuses, [200, ...Array(9).fill(412)]);
});

for (const state of ["queued", "running"] as const)
	test(`of 10 cancels at once of an operation that is ${state}, which were decided on the same reading, one is carried out`, async () => {
		const { operation } = await givenEnvironment(door);
		const { id } = operation;
		if (state === "running")
			await door.db
				.updateTable("operations")
				.set({ state, started_at: new Date(), fence: 1 })
				.where("id", "=", id)
				.execute();
		const { client } = door.operator;
		const { headers } = await client.findOperation({ id }).withResponse();
		const ifMatch = headers.get("etag") ?? "";
		const statuses = await race(10, () =>
			client.cancelOperation({ id }, { ifMatch }),
		);
		assert.deepEqual(statuses, [202, ...Array(9).fill(412)]);
	});

test("what was taken away has no ETag any more, and was deleted all the same", async () => {
	const id = await givenWebhook();
	const { client } = door.admin;
	const remove = (ifMatch?: string) =>
		answered(client.deleteWebhook({ id }, ifMatch ? { ifMatch } : {}));
	assert.equal((await remove("*")).status, 204);
	assert.equal((await remove("*")).status, 412);
	assert.equal((await remove()).status, 204);
	const change = { id, body: { description: "x" } };
	assert.equal((await answered(client.changeWebhook(change))).status, 404);
});

test("a webhook is not changed by who does not say what it was", async () => {
	const id = await givenWebhook();
	const { status } = await fetch(`${door.url}/v1/webhooks/${id}`, {
		method: "PATCH",
		headers: {
			authorization: `Bearer ${door.admin.token}`,
			"content-type": "application/json",
		},
		body: JSON.stringify({ description: "x" }),
	});
	assert.equal(status, 428);
});
