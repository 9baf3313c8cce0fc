import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Webhook } from "standardwebhooks";
import { appendEvents } from "../../src/store/events.ts";
import { countRise } from "../support/metrics.ts";
import { readNumbers, startReceiver } from "../support/receiver.ts";
import { until } from "../support/until.ts";
import { countFrom, type HookHouse, openHookHouse } from "./hooks.ts";

let house: HookHouse;
before(async () => {
	house = await openHookHouse();
});
after(() => house.close());

const headersOf = (headers: object) => headers as Record<string, string>;

test("an event arrives as a CloudEvent that the public library finds signed, within a second", async (t) => {
	const receiver = await startReceiver();
	t.after(() => receiver.close());
	const environment = await house.givenEnvironment();
	const { secret } = await house.givenWebhook({ url: receiver.url });
	const deliverer = house.deliver();
	t.after(() => deliverer.close());
	// Once it has begun to listen.
	await house.writeNotes(environment, [1]);
	await until("the first is here", () => receiver.received.length === 1);

	const writtenAt = performance.now();
	await house.writeNotes(environment, [2]);
	const one = await until("it is here", () => receiver.received[1]);
	assert.ok(one.at - writtenAt < 1_000, `it took ${one.at - writtenAt} ms`);
	const event = (await house.listEvents(environment)).at(-1);
	assert.ok(event);
	assert.match(
		one.headers["content-type"] ?? "",
		/^application\/cloudevents\+json/,
	);
	assert.equal(one.headers["webhook-id"], `${environment}_${event.id}`);
	const told = new Webhook(secret).verify(one.body, headersOf(one.headers));
	assert.deepEqual(told, {
		specversion: "1.0",
		id: `${environment}_${event.id}`,
		source: `/v1/environments/${environment}`,
		type: "dev.impresario.engine.warned",
		subject: environment,
		time: event.at.toISOString(),
		datacontenttype: "application/json",
		sequence: String(event.id).padStart(12, "0"),
		tenant: "acme",
		environment,
		environmentname: "env-1",
		data: { message: "2" },
	});
	const other = await house.givenWebhook({ url: "http://127.0.0.1:1" });
	assert.throws(() =>
		new Webhook(other.secret).verify(one.body, headersOf(one.headers)),
	);
});

test("a webhook is told what it asked for, of the environments that it named, from its beginning", async (t) => {
	const receiver = await startReceiver();
	t.after(() => receiver.close());
	const environment = await house.givenEnvironment();
	await house.writeNotes(environment, [1]);
	const [{ name }] = (await house.database.db
		.selectFrom("environments")
		.select("name")
		.where("id", "=", environment)
		.execute()) as [{ name: string }];
	await house.givenWebhook({
		url: `${receiver.url}/named`,
		environments: `${name.slice(0, -1)}*`,
		types: ["engine.*"],
	});
	await house.givenWebhook({
		url: `${receiver.url}/other`,
		environments: "other-*",
	});
	await house.givenWebhook({
		url: `${receiver.url}/type`,
		types: ["environment.expiring"],
	});
	const deliverer = house.deliver();
	t.after(() => deliverer.close());
	await house.writeNotes(environment, [2]);
	await appendEvents(house.database.db, { environment, operation: null }, [
		{
			type: "environment.expiring",
			data: {
				expiresAt: "2030-01-01T00:00:00Z",
				leftMs: 5,
				onExpiry: "destroy",
			},
		},
	]);
	await house.writeNotes(environment, [3]);
	await until("all of it is here", () => receiver.received.length >= 3);
	await until("all lanes are empty", isIdle);
	const of = (path: string) =>
		receiver.received.filter((one) => one.path === `/hook/${path}`);
	assert.deepEqual(readNumbers(of("named")), [2, 3]);
	assert.deepEqual(of("other"), []);
	assert.deepEqual(
		of("type").map(({ body }) => JSON.parse(body).type),
		["dev.impresario.environment.expiring"],
	);
});

test("a thousand events arrive in their order and once each, with two who deliver", async (t) => {
	const receiver = await startReceiver();
	t.after(() => receiver.close());
	const environments = [
		await house.givenEnvironment(),
		await house.givenEnvironment(),
	];
	await house.givenWebhook({ url: receiver.url, environments: "*" });
	const deliverers = [house.deliver(), house.deliver()];
	t.after(() => Promise.all(deliverers.map((one) => one.close())));
	await Promise.all(
		environments.map((environment) =>
			house.writeNotes(environment, countFrom(1, 500)),
		),
	);
	await until("all are here", () => receiver.received.length >= 1_000, {
		timeoutMs: 60_000,
	});
	await until("all lanes are empty", isIdle);
	for (const environment of environments)
		assert.deepEqual(
			readNumbers(
				receiver.received.filter(
					({ body }) => JSON.parse(body).environment === environment,
				),
			),
			countFrom(1, 500),
		);
	assert.equal(receiver.received.length, 1_000);
});

/** Nothing is left to tell to those who listen. */
async function isIdle(): Promise<boolean> {
	const due = await house.database.db
		.selectFrom("webhook_lanes")
		.innerJoin("webhooks", "webhooks.id", "webhook_id")
		.select("webhook_id")
		.where("due_at", "is not", null)
		.where("failing_since", "is", null)
		.execute();
	return due.length === 0;
}

test("each attempt is counted with what came of it", async (t) => {
	const receiver = await startReceiver();
	t.after(() => receiver.close());
	const environment = await house.givenEnvironment();
	await house.givenWebhook({ url: receiver.url });
	const delivered = await countRise(
		"impresario_webhook_attempts_total",
		{ outcome: "delivered" },
		async () => {
			await house.writeNotes(environment, [1, 2]);
			const deliverer = house.deliver();
			await until("both are here", () => receiver.received.length === 2);
			await deliverer.close();
		},
	);
	assert.equal(delivered, 2);
});
