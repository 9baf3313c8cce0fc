// Webhooks as their owner meets them: from the order of one to what arrives at a real receiver.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import type { NewEvent } from "../../src/domain/event.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { webhooksOfTenant } from "../../src/domain/webhook.ts";
import { type Deliverer, startDelivering } from "../../src/feed/deliver.ts";
import { forget } from "../../src/operations/forget.ts";
import { appendEvents } from "../../src/store/events.ts";
import { localPolicy } from "../feed/hooks.ts";
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

const ask = (
	method: string,
	path: string,
	body?: unknown,
	token = door.admin.token,
) => door.sendRaw(method, `/v1/webhooks${path}`, { token, body });

interface Given {
	readonly id: string;
	readonly secret: string;
}

async function givenWebhook(
	t: { after(work: () => Promise<unknown>): void },
	body: object,
): Promise<Given> {
	const { status, body: made, text } = await ask("POST", "", body);
	assert.equal(status, 201, text);
	const id = String(made.id);
	t.after(() => ask("DELETE", `/${id}`));
	return { id, secret: String(made.secret) };
}

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

async function listDeliveries(id: string, query = "") {
	const { status, body, text } = await ask("GET", `/${id}/deliveries${query}`);
	assert.equal(status, 200, text);
	return body.items as Record<string, unknown>[];
}

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
	for (const path of ["", `/${id}`]) {
		const { status, text } = await ask("GET", path);
		assert.equal(status, 200);
		assert.ok(!text.includes(secret) && !text.includes("hush"), text);
		assert.ok(text.includes(`"url":"http://127.0.0.1:${receiver.port}/…"`));
	}
	const { rows } = await sql<{ text: string }>`
		select w::text as text from webhooks w where id = ${id}`.execute(door.db);
	for (const hidden of ["hush", secret])
		assert.ok(!String(rows[0]?.text).includes(hidden));
	const event = await until("a message is here", async () => {
		await ask("POST", `/${id}:ping`);
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
	const { status, body } = await ask("POST", `/${id}:ping`);
	assert.equal(status, 201);
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
	const { body } = await ask("POST", `/${id}:ping`);
	const failed = await awaitOutcome(id);
	assert.deepEqual([failed.state, failed.nextAttemptAt], ["failed", null]);
	receiver.answer(() => ({ status: 200 }));
	const again = await ask("POST", `/${id}/deliveries/${body.id}:redeliver`);
	assert.deepEqual([again.status, again.body.state], [200, "pending"]);
	const outcome = await awaitOutcome(id);
	assert.deepEqual([outcome.state, outcome.attempts], ["delivered", 2]);
	assert.equal(receiver.received.length, 2);
});

test("for 24 hours after a rotation the secret before signs as well, and no longer", async (t) => {
	const receiver = await givenReceiver(t);
	const { id, secret: old } = await givenWebhook(t, { url: receiver.url });
	const { status, body, text } = await ask("POST", `/${id}:rotate-secret`);
	assert.equal(status, 200, text);
	const secret = String(body.secret);
	assert.notEqual(secret, old);
	const left = Date.parse(String(body.previousSecretUntil)) - Date.now();
	assert.ok(left > 86_000_000 && left <= 86_400_000, `${left} ms`);
	await ask("POST", `/${id}:ping`);
	const first = await until("it is here", () => receiver.received[0]);
	for (const one of [secret, old]) verify(first, one);

	await sql`update webhooks set previous_secret_until = now() where id = ${id}`.execute(
		door.db,
	);
	await ask("POST", `/${id}:ping`);
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
	const path = `/${id}/deliveries/${outcome.id}:redeliver`;
	assert.equal((await ask("POST", path)).status, 200);
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
		const found = await listDeliveries(id, "?state=pending");
		return found[0]?.nextAttemptAt ? found : undefined;
	});
	receiver.answer(() => ({ status: 204 }));
	await ask("POST", `/${id}/deliveries/${pending?.id}:redeliver`);
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
		const { body } = await ask("GET", `/${id}`);
		return !body.active && body.disabledReason === "gone";
	});
	const [pending] = await listDeliveries(id);
	const refused = await ask(
		"POST",
		`/${id}/deliveries/${pending?.id}:redeliver`,
	);
	assert.equal(refused.status, 409);
	assert.match(String(refused.body.advice), /"active": true/);
	receiver.answer(() => ({ status: 204 }));
	const { body } = await ask("PATCH", `/${id}`, { active: true });
	assert.deepEqual(
		[body.active, body.disabledReason, body.disabledAt],
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
	const ping = async () => {
		await ask("POST", `/${id}:ping`);
		const outcome = await awaitOutcome(id);
		assert.equal(outcome.state, "failed");
		return outcome;
	};
	receiver.answer(() => ({ status: 307, headers: { location: secret.url } }));
	assert.equal((await ping()).responseStatus, 307);
	receiver.answer(() => ({ status: 200, hangs: true }));
	assert.match(String((await ping()).error), /no answer within 2 seconds/);
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
	await ask("PATCH", `/${id}`, { environments: "green" });
	await write(environment.id, "two");
	await ask("PATCH", `/${id}`, { environments: null });
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
		const answer = await ask("POST", "", { url });
		assert.equal(answer.status, 400, `${url}: ${answer.text}`);
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
		const { token } = strict.admin;
		const body = { url };
		const answer = await strict.sendRaw("POST", "/v1/webhooks", {
			token,
			body,
		});
		assert.equal(answer.status, 400, url);
		assert.deepEqual(readPointers(answer), ["/url"]);
	}
});

test("a token for some environments makes and sees webhooks for these alone", async (t) => {
	const made = await door.sendRaw("POST", "/v1/tokens", {
		token: door.admin.token,
		body: { name: "qa", role: "admin", environments: "qa-*" },
	});
	const token = String(made.body.token);
	const url = "https://hooks.example.com/";
	const { id: wide } = await givenWebhook(t, { url });
	const { id: other } = await givenWebhook(t, { url, environments: "prod" });
	const wider = await ask("POST", "", { url, environments: "*" }, token);
	assert.equal(wider.status, 403);
	assert.deepEqual(readPointers(wider), ["/environments"]);
	const own = await ask("POST", "", { url }, token);
	assert.equal(own.body.environments, "qa-*");
	const narrow = await ask("POST", "", { url, environments: "qa-1" }, token);
	assert.equal(narrow.status, 201);
	for (const { body } of [own, narrow])
		t.after(() => ask("DELETE", `/${body.id}`));
	const listed = await ask("GET", "", undefined, token);
	assert.deepEqual(
		(listed.body.items as Given[]).map(({ id }) => id),
		[narrow.body.id, own.body.id],
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
			const answer = await ask(method, `/${id}${path}`, body, token);
			assert.equal(answer.status, 403, `${method} ${path}`);
		}
	const widened = await ask(
		"PATCH",
		`/${own.body.id}`,
		{ environments: null },
		token,
	);
	assert.equal(widened.status, 403);
});

test("a tenant has so many webhooks and no more, however many are ordered at once", async (t) => {
	const url = "https://hooks.example.com/";
	const answers = await Promise.all(
		Array.from({ length: webhooksOfTenant + 5 }, () =>
			door.sendRaw("POST", "/v1/webhooks", {
				token: door.stranger.token,
				body: { url },
			}),
		),
	);
	t.after(() =>
		sql`update webhooks set deleted_at = now() where shown_url = 'https://hooks.example.com/'`.execute(
			door.db,
		),
	);
	const refused = answers.filter(({ status }) => status !== 201);
	assert.equal(refused.length, 5);
	for (const { body } of refused) assert.equal(body.code, "quota_exceeded");
});

test("one that is deleted is gone, and is sent nothing more", async (t) => {
	const receiver = await givenReceiver(t);
	const witness = await givenReceiver(t);
	const { environment } = await givenEnvironment(door);
	const { id } = await givenWebhook(t, { url: receiver.url });
	await givenWebhook(t, { url: witness.url });
	assert.equal((await ask("DELETE", `/${id}`)).status, 204);
	assert.equal((await ask("DELETE", `/${id}`)).status, 204);
	assert.equal((await ask("GET", `/${id}`)).status, 404);
	assert.equal((await ask("POST", `/${id}:ping`)).status, 404);
	await write(environment.id, "one");
	await until("the witness has it", () => witness.received.length > 0);
	assert.equal(receiver.received.length, 0);
});

test("deliveries come in pages, and those of another webhook are not among them", async (t) => {
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	const { id: other } = await givenWebhook(t, { url: receiver.url });
	const made: unknown[] = [];
	for (let index = 0; index < 3; index++)
		made.unshift((await ask("POST", `/${id}:ping`)).body.id);
	const stray = (await ask("POST", `/${other}:ping`)).body.id;
	const first = await ask("GET", `/${id}/deliveries?pageSize=2`);
	const second = await ask(
		"GET",
		`/${id}/deliveries?pageSize=2&pageToken=${first.body.nextPageToken}`,
	);
	const listed = [first, second].flatMap(({ body }) => body.items as Given[]);
	assert.deepEqual(listed.map((one) => one.id).sort(), made.sort());
	assert.equal(second.body.nextPageToken, null);
	const foreign = `/${id}/deliveries/${stray}:redeliver`;
	assert.equal((await ask("POST", foreign)).status, 404);
});

test("what came of a delivery is forgotten after 30 days", async (t) => {
	const receiver = await givenReceiver(t);
	const { id } = await givenWebhook(t, { url: receiver.url });
	await ask("POST", `/${id}:ping`);
	await awaitOutcome(id);
	await forget({ db: door.db, log: silentLog });
	assert.equal((await listDeliveries(id)).length, 1);
	await sql`update deliveries set created_at = now() - interval '31 days' where webhook_id = ${id}`.execute(
		door.db,
	);
	await forget({ db: door.db, log: silentLog });
	assert.deepEqual(await listDeliveries(id), []);
});
