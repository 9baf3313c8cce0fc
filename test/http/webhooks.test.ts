// Webhooks as their owner meets them: from the order of one to what arrives at a real receiver.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import type { Asked, Declared } from "../../client/declared.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { webhooksOfTenant } from "../../src/domain/webhook.ts";
import { type Deliverer, startDelivering } from "../../src/feed/deliver.ts";
import { forget } from "../../src/operations/forget.ts";
import { appendEvents } from "../../src/store/events.ts";
import { localPolicy } from "../feed/hooks.ts";
import { answered, refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { silentLog, testSealKey } from "../support/given.ts";
import { type Received, startReceiver } from "../support/receiver.ts";
import { until } from "../support/until.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";

let door: Door;
let deliverer: Deliverer;
before(async () => {
	door = await openDoor({ webhookTargets: localPolicy });
	deliverer = startDelivering({
		db: door.db,
		url: door.databaseUrl,
		sealKey: testSealKey,
		policy: localPolicy,
		log: silentLog,
		poster: { timeoutMs: 2_000 },
	});
});
after(async () => {
	await deliverer.close();
	await door.close();
});

type Order = Asked<Declared["createWebhook"]>["body"];

async function givenWebhook(
	t: { after(work: () => Promise<unknown>): void },
	body: Order,
) {
	const { client } = door.admin;
	const made = await client.createWebhook({ body });
	t.after(() => client.deleteWebhook({ id: made.id }));
	return made;
}

const change = (id: string, body: Asked<Declared["changeWebhook"]>["body"]) =>
	door.admin.client.changeWebhook({ id, body });
const ping = (id: string) => door.admin.client.pingWebhook({ id });
const redeliver = (id: string, delivery: unknown) =>
	door.admin.client.redeliver({ id, delivery: String(delivery) });

async function givenReceiver(t: { after(work: () => Promise<void>): void }) {
	const receiver = await startReceiver();
	t.after(() => receiver.close());
	return receiver;
}

const note = (message: string): NewEvent => ({
	type: "engine.warned",
	data: { message },
});

const write = (environment: EnvironmentId, message: string) =>
	appendEvents(door.db, { environment, operation: null }, [note(message)]);

const verify = ({ body, headers }: Received, secret: string) =>
	new Webhook(secret).verify(body, headers as Record<string, string>);

const listDeliveries = async (
	id: string,
	query: Omit<Asked<Declared["listDeliveries"]>, "id"> = {},
) => (await door.admin.client.listDeliveries({ id, ...query })).items;

/** What came of the webhook's only delivery, once something has. */
const awaitOutcome = (id: string) =>
	until("there is an outcome", async () => {
		const [delivery] = await listDeliveries(id);
		return delivery?.attemptedAt != null && delivery.state !== "pending"
			? delivery
			: undefined;
	});

test("who orders a webhook gets its secret once, and nobody sees path and query of its URL", async (t) => {
	const receiver = await givenReceiver(t);
	const url = `${receiver.url}?key=hush-hush-hush`;
	const { id, secret } = await givenWebhook(t, { url, description: "chat" });
	assert.match(secret, /^whsec_/);
	const { client } = door.admin;
	for (const shown of [client.listWebhooks(), client.findWebhook({ id })]) {
		const text = JSON.stringify(await shown);
		assert.ok(!text.includes(secret) && !text.includes("hush"), text);
		assert.ok(text.includes(`"url":"http://127.0.0.1:${receiver.port}/…"`));
	}
	const { rows } = await sql<{ text: string }>`
		select w::text as text from webhooks w where id = ${id}`.execute(door.db);
	for (const hidden of ["hush", secret])
		assert.ok(!String(rows[0]?.text).includes(hidden));
	const event = await until("a message is here", async () => {
		await ping(id);
		return receiver.received[0];
	});
	assert.match(event.path, /key=hush-hush-hush/);
});

test("a ping arrives signed, and is in the log of deliveries", async (t) => {
	const receiver = await givenReceiver(t);
	const { id, secret } = await givenWebhook(t, {
		url: receiver.url,
		active: false,
	});
	receiver.answer(() => ({ status: 200, body: "thanks" }));
	const body = await ping(id);
	assert.deepEqual(
		[body.type, body.state, body.event],
		["webhook.ping", "pending", null],
	);
	const message = await until("it is here", () => receiver.received[0]);
	assert.deepEqual(verify(message, secret), {
		specversion: "1.0",
		id: body.id,
		source: `/v1/webhooks/${id}`,
		type: "dev.impresario.webhook.ping",
		subject: id,
		time: body.createdAt,
		datacontenttype: "application/json",
		tenant: "acme",
		data: {},
	});
	assert.equal(message.headers["webhook-id"], body.id);
	const outcome = await awaitOutcome(id);
	assert.deepEqual(
		[outcome.id, outcome.state, outcome.responseStatus, outcome.excerpt],
		[body.id, "delivered", 200, "thanks"],
	);
	assert.equal(outcome.attempts, 1);
});

test("a ping that is not taken is not tried again until somebody asks for it", async (t) => {
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	receiver.answer(() => ({ status: 500 }));
	const pinged = await ping(id);
	const failed = await awaitOutcome(id);
	assert.deepEqual([failed.state, failed.nextAttemptAt], ["failed", null]);
	receiver.answer(() => ({ status: 200 }));
	const again = await redeliver(id, pinged.id);
	assert.equal(again.state, "pending");
	const outcome = await awaitOutcome(id);
	assert.deepEqual([outcome.state, outcome.attempts], ["delivered", 2]);
	assert.equal(receiver.received.length, 2);
});

test("for 24 hours after a rotation the secret before signs as well, and no longer", async (t) => {
	const receiver = await givenReceiver(t);
	const { id, secret: old } = await givenWebhook(t, { url: receiver.url });
	const body = await door.admin.client.rotateWebhookSecret({ id });
	const { secret } = body;
	assert.notEqual(secret, old);
	const left = Date.parse(String(body.previousSecretUntil)) - Date.now();
	assert.ok(left > 86_000_000 && left <= 86_400_000, `${left} ms`);
	await ping(id);
	const first = await until("it is here", () => receiver.received[0]);
	for (const one of [secret, old]) verify(first, one);

	await sql`update webhooks set previous_secret_until = now() where id = ${id}`.execute(
		door.db,
	);
	await ping(id);
	const second = await until("it is here", () => receiver.received[1]);
	verify(second, secret);
	assert.throws(() => verify(second, old));
});

test("an event is sent once more under its own id, beside what follows it", async (t) => {
	const receiver = await givenReceiver(t);
	const { id, secret } = await givenWebhook(t, {
		url: receiver.url,
		types: ["engine.*"],
	});
	const { environment } = await givenEnvironment(door);
	await write(environment.id, "one");
	const outcome = await awaitOutcome(id);
	await redeliver(id, outcome.id);
	await until("it is here again", () => receiver.received.length === 2);
	const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
	assert.equal(ids[0], ids[1]);
	for (const message of receiver.received)
		assert.deepEqual(
			(verify(message, secret) as { data: unknown }).data,
			note("one").data,
		);
});

test("an event that is being tried is tried at once, in its order", async (t) => {
	const receiver = await givenReceiver(t);
	const { environment } = await givenEnvironment(door);
	const { id } = await givenWebhook(t, { url: receiver.url });
	receiver.answer(() => ({ status: 500 }));
	for (const message of ["one", "two"]) await write(environment.id, message);
	const [pending] = await until("it waits for its next attempt", async () => {
		const found = await listDeliveries(id, { state: "pending" });
		return found[0]?.nextAttemptAt ? found : undefined;
	});
	receiver.answer(() => ({ status: 204 }));
	await redeliver(id, pending?.id);
	await until("all are here", () => receiver.received.length === 3);
	assert.deepEqual(
		receiver.received.map(({ body }) => JSON.parse(body).data.message),
		["one", "one", "two"],
	);
});

test("one that answered 410 is shown as gone, and goes on where it was once it is active again", async (t) => {
	const receiver = await givenReceiver(t);
	const { environment } = await givenEnvironment(door);
	const { id } = await givenWebhook(t, {
		url: receiver.url,
		types: ["engine.warned"],
	});
	receiver.answer(() => ({ status: 410 }));
	await write(environment.id, "one");
	await until("it is disabled", async () => {
		const found = await door.admin.client.findWebhook({ id });
		return !found.active && found.disabledReason === "gone";
	});
	const [pending] = await listDeliveries(id);
	const { document } = await refused(redeliver(id, pending?.id));
	assert.equal(document.status, 409);
	assert.match(String(document.advice), /"active": true/);
	receiver.answer(() => ({ status: 204 }));
	const changed = await change(id, { active: true });
	assert.deepEqual(
		[changed.active, changed.disabledReason, changed.disabledAt],
		[true, null, null],
	);
	await write(environment.id, "two");
	await until("both are here", () => receiver.received.length === 3);
	assert.deepEqual(
		receiver.received.map(({ body }) => JSON.parse(body).data.message),
		["one", "one", "two"],
	);
});

test("a receiver that redirects to a private address and one that is slow come out as failed, and nothing gets further", async (t) => {
	const secret = await startReceiver("127.0.0.2");
	t.after(() => secret.close());
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	const fail = async () => {
		await ping(id);
		const outcome = await awaitOutcome(id);
		assert.equal(outcome.state, "failed");
		return outcome;
	};
	receiver.answer(() => ({ status: 307, headers: { location: secret.url } }));
	assert.equal((await fail()).responseStatus, 307);
	receiver.answer(() => ({ status: 200, hangs: true }));
	assert.match(String((await fail()).error), /no answer within 2 seconds/);
	assert.equal(secret.received.length, 0);
});

test("a webhook that was told of other environments is not told what these had before", async (t) => {
	const receiver = await givenReceiver(t);
	const types = ["engine.warned"];
	const { environment } = await givenEnvironment(door, "blue");
	const { id } = await givenWebhook(t, { url: receiver.url, types });
	const messages = () =>
		receiver.received.map(({ body }) => JSON.parse(body).data.message);
	await write(environment.id, "one");
	await until("it is here", () => messages().length === 1);
	await until("its lane is empty", async () => {
		const lanes = await door.db
			.selectFrom("webhook_lanes")
			.select("due_at")
			.where("environment_id", "=", environment.id)
			.execute();
		return lanes.every(({ due_at }) => due_at === null);
	});
	await change(id, { environments: "green" });
	await write(environment.id, "two");
	await change(id, { environments: null });
	await write(environment.id, "three");
	await until("the last one is here", () => messages().includes("three"));
	assert.deepEqual(messages(), ["one", "three"]);
});

test("where nothing would ever be sent, no webhook is made", async () => {
	for (const url of [
		"https://10.0.0.1/hook",
		"https://169.254.169.254/latest/meta-data",
		"https://[::1]/",
		"http://2130706434/",
		"https://[::ffff:10.0.0.1]/",
		"ftp://example.com/",
		"https://user:word@example.com/",
		"https://example.com/#part",
		"https:///",
		"example.com",
	]) {
		const answer = await refused(
			door.admin.client.createWebhook({ body: { url } }),
		);
		assert.equal(answer.status, 400, `${url}: ${answer.message}`);
		assert.deepEqual(readPointers(answer), ["/url"]);
	}
});

test("http is refused where the operator does not allow it, and so is this machine", async (t) => {
	const strict = await openDoor();
	t.after(() => strict.close());
	for (const url of [
		"http://example.com/",
		"https://127.0.0.1/",
		"https://localhost/",
		"https://x.localhost./",
	]) {
		const answer = await refused(
			strict.admin.client.createWebhook({ body: { url } }),
		);
		assert.equal(answer.status, 400, url);
		assert.deepEqual(readPointers(answer), ["/url"]);
	}
});

test("a token for some environments makes and sees webhooks for these alone", async (t) => {
	const { token } = await door.admin.client.createToken({
		body: { name: "qa", role: "admin", environments: "qa-*" },
	});
	const client = door.as(token);
	const url = "https://hooks.example.com/";
	const { id: wide } = await givenWebhook(t, { url });
	const { id: other } = await givenWebhook(t, { url, environments: "prod" });
	const wider = await refused(
		client.createWebhook({ body: { url, environments: "*" } }),
	);
	assert.equal(wider.status, 403);
	assert.deepEqual(readPointers(wider), ["/environments"]);
	const own = await client.createWebhook({ body: { url } });
	assert.equal(own.environments, "qa-*");
	const narrow = await client.createWebhook({
		body: { url, environments: "qa-1" },
	});
	for (const { id } of [own, narrow])
		t.after(() => door.admin.client.deleteWebhook({ id }));
	const { items } = await client.listWebhooks();
	assert.deepEqual(
		items.map(({ id }) => id),
		[narrow.id, own.id],
	);
	for (const id of [wide, other])
		for (const [method, path, body] of [
			["GET", "", undefined],
			["PATCH", "", { active: false }],
			["DELETE", "", undefined],
			["POST", ":ping", undefined],
			["POST", ":rotate-secret", undefined],
			["GET", "/deliveries", undefined],
		] as const) {
			const target = `/v1/webhooks/${id}${path}`;
			const answer = await refused(askByPath(client, [method, target, body]));
			assert.equal(answer.status, 403, `${method} ${path}`);
		}
	const widened = await refused(
		client.changeWebhook({ id: own.id, body: { environments: null } }),
	);
	assert.equal(widened.status, 403);
});

test("a tenant has so many webhooks and no more, however many are ordered at once", async (t) => {
	const url = "https://hooks.example.com/";
	const answers = await Promise.all(
		Array.from({ length: webhooksOfTenant + 5 }, () =>
			answered(door.stranger.client.createWebhook({ body: { url } })),
		),
	);
	t.after(() =>
		sql`update webhooks set deleted_at = now() where shown_url = 'https://hooks.example.com/'`.execute(
			door.db,
		),
	);
	const tooMany = answers.filter(({ status }) => status !== 201);
	assert.equal(tooMany.length, 5);
	for (const { body } of tooMany) assert.equal(body.code, "quota_exceeded");
});

test("one that is deleted is gone, and is sent nothing more", async (t) => {
	const receiver = await givenReceiver(t);
	const witness = await givenReceiver(t);
	const { environment } = await givenEnvironment(door);
	const { id } = await givenWebhook(t, { url: receiver.url });
	await givenWebhook(t, { url: witness.url });
	const { client } = door.admin;
	for (const call of [
		() => client.deleteWebhook({ id }),
		() => client.deleteWebhook({ id }),
	])
		assert.equal((await call().withResponse()).status, 204);
	for (const call of [() => client.findWebhook({ id }), () => ping(id)])
		assert.equal((await refused(call())).status, 404);
	await write(environment.id, "one");
	await until("the witness has it", () => witness.received.length > 0);
	assert.equal(receiver.received.length, 0);
});

test("deliveries come in pages, and those of another webhook are not among them", async (t) => {
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	const { id: other } = await givenWebhook(t, { url: receiver.url });
	const made: unknown[] = [];
	for (let index = 0; index < 3; index++) made.unshift((await ping(id)).id);
	const stray = (await ping(other)).id;
	const { client } = door.admin;
	const first = await client.listDeliveries({ id, pageSize: 2 });
	const second = await client.listDeliveries({
		id,
		pageSize: 2,
		pageToken: first.nextPageToken ?? assert.fail("there is no second page"),
	});
	const listed = [first, second].flatMap(({ items }) => items);
	assert.deepEqual(listed.map((one) => one.id).sort(), made.sort());
	assert.equal(second.nextPageToken, null);
	assert.equal((await refused(redeliver(id, stray))).status, 404);
});

test("what came of a delivery is forgotten after 30 days", async (t) => {
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	await ping(id);
	await awaitOutcome(id);
	await forget({ db: door.db, log: silentLog });
	assert.equal((await listDeliveries(id)).length, 1);
	await sql`update deliveries set created_at = now() - interval '31 days' where webhook_id = ${id}`.execute(
		door.db,
	);
	await forget({ db: door.db, log: silentLog });
	assert.deepEqual(await listDeliveries(id), []);
});
