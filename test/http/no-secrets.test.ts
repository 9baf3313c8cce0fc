// Secrets of every kind go in by every door, and are looked for wherever they must not be: in the log, in problems, in
// messages of the queue, and in every column of the database, as they are, in base64 and in hexadecimal.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { sql } from "kysely";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { createTokenText } from "../../src/domain/token.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { attempt } from "../support/attempt.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import { type Answer, type Door, openDoor, type RawRequest } from "./door.ts";
import { composeExample, type Examples, givenExamples } from "./examples.ts";

/** What a stranger may have in mind for a password: plain text that no other text holds by chance. */
const marker = (what: string) => `planted-${what}-9f2c7e`;

const planted = {
	kubeconfig: marker("kubeconfig-token"),
	registry: marker("registry-password"),
	aws: marker("aws-secret-key"),
	smtp: marker("smtp-password"),
	mongodb: marker("mongodb-password"),
	rabbitmq: marker("rabbitmq-password"),
	webhookUrl: marker("webhook-url-token"),
	query: marker("query"),
	field: marker("field-of-a-body"),
	cookie: marker("cookie"),
	basic: Buffer.from(`user:${marker("basic-password")}`).toString("base64"),
	unknownToken: createTokenText(),
	brokenToken: `imp_${marker("broken-token")}`,
	jsonWebToken: `eyJhbGciOiJSUzI1NiJ9.${marker("claims")}.c2lnbmF0dXJl`,
};
const key = marker("idempotency-key");

let door: Door;
let examples: Examples;
/** Every secret that there is, those that the service made too. */
const secrets = new Map<string, string>(Object.entries(planted));
const refusals: Answer[] = [];

before(async () => {
	door = await openDoor();
	const { viewer, operator, admin, stranger, platformAdmin } = door;
	for (const [name, { token }] of Object.entries({
		viewer,
		operator,
		admin,
		stranger,
		platformAdmin,
	}))
		secrets.set(`the ${name}'s token`, token);
	await registerTarget(door.installation, {
		name: "guarded",
		kubeconfig: JSON.stringify({
			clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
			users: [{ name: "u", user: { token: planted.kubeconfig } }],
			contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
			"current-context": "x",
		}),
		clusterIdentifier: "guarded-cluster",
		domain: "guarded.example",
		ingressClass: null,
		storageClass: null,
		pullSecret: JSON.stringify({
			auths: {
				"registry.example": { username: "u", password: planted.registry },
			},
		}),
		aws: {
			region: "eu-central-1",
			accessKeyId: "AKIAEXAMPLE",
			secretAccessKey: planted.aws,
			endpoint: "http://127.0.0.1:1",
		},
	});
	examples = await givenExamples(door);
	await driveAll();
});
after(() => door.close());

async function call(
	method: string,
	path: string,
	request: RawRequest = {},
): Promise<Answer> {
	const answer = await door.sendRaw(method, path, {
		...request,
		headers: { cookie: `session=${planted.cookie}`, ...request.headers },
	});
	if (answer.status >= 400) refusals.push(answer);
	return answer;
}

function tokenOf({ permission }: Endpoint): string | undefined {
	if (permission === null) return undefined;
	const role = leastRoles[permission];
	return (role === "platform-admin" ? door.platformAdmin : door[role]).token;
}

/** Each endpoint as it is meant, and then with everything wrong that can be. */
async function driveAll(): Promise<void> {
	await orderWithSecrets();
	for (const endpoint of api) {
		const { method } = endpoint;
		const { path, body } = composeExample(examples, endpoint);
		const token = tokenOf(endpoint);
		const headers = { "idempotency-key": `${key}-${endpoint.name}` };
		const answer = await call(method, path, { token, body, headers });
		for (const name of ["token", "secret"]) {
			const made = answer.body[name];
			if (answer.status < 300 && typeof made === "string")
				secrets.set(`the ${name} of ${endpoint.name}`, made);
		}
		await call(method, `${path}?secret=${planted.query}`, { token, body });
		if (method !== "GET") {
			const wrong = { secret: planted.field, name: { token: planted.field } };
			await call(method, path, { token, body: wrong });
			await call(method, path, { token, raw: `{"x": ${planted.field}` });
		}
		for (const authorization of [
			`Bearer ${planted.unknownToken}`,
			`Bearer ${planted.brokenToken}`,
			`Bearer ${planted.jsonWebToken}`,
			`Basic ${planted.basic}`,
		])
			await call(method, path, { body, headers: { authorization } });
	}
	await call("GET", `/v1/nothing?token=${planted.query}`);
}

async function orderWithSecrets(): Promise<void> {
	const parameters = {
		smtp: {
			host: "mail.example",
			port: 587,
			sender: "maestro@mail.example",
			username: "maestro",
			password: planted.smtp,
		},
		external: {
			mongodb: `mongodb://u:${planted.mongodb}@db.example:27017/maestro`,
			rabbitmq: `amqp://u:${planted.rabbitmq}@mq.example:5672/maestro`,
		},
	};
	const { token } = door.operator;
	const ordered = await call("POST", "/v1/environments", {
		token,
		body: { name: "guarded", target: "guarded", parameters },
	});
	assert.equal(ordered.status, 202, ordered.text);
	const webhook = await call("POST", "/v1/webhooks", {
		token: door.admin.token,
		body: { url: `https://hooks.example.com/in?key=${planted.webhookUrl}` },
	});
	assert.equal(webhook.status, 201, webhook.text);
	secrets.set("the webhook's secret", String(webhook.body.secret));
	// Of wrong values, none is quoted.
	for (const password of ["", { deep: planted.smtp }, 5])
		await call("POST", "/v1/environments", {
			token,
			body: {
				name: "refused",
				parameters: {
					smtp: { ...parameters.smtp, password },
					external: { mongodb: `${planted.mongodb} is no URI` },
				},
			},
		});
	// And a worker that breaks while it has all of them in its hands.
	const world = makeScriptedWorld({
		up: async () => {
			throw new Error("something broke");
		},
	});
	await attempt(door.installation, world, String(ordered.body.id) as never);
}

/** Which of the secrets are in the text, in any of their forms. */
const findIn = (text: string): string[] =>
	[...secrets].flatMap(([name, secret]) =>
		[
			secret,
			Buffer.from(secret).toString("base64").replace(/=+$/, ""),
			Buffer.from(secret).toString("hex"),
		].some((form) => text.includes(form))
			? [name]
			: [],
	);

test("the walk met what it should have met", () => {
	assert.ok(refusals.length > 4 * api.length, `${refusals.length}`);
	assert.ok(secrets.size > Object.keys(planted).length + 6, `${secrets.size}`);
	assert.deepEqual(findIn(`a ${planted.smtp} b`), ["smtp"]);
});

test("no secret is in a line of the log, however deep", () => {
	const lines = door.log.map((line) => inspect(line, { depth: 12 }));
	assert.ok(lines.length > api.length);
	assert.deepEqual(lines.flatMap(findIn), []);
	assert.deepEqual(
		lines.filter((line) => line.includes(key)),
		[],
	);
});

test("no problem says a secret back", () => {
	assert.deepEqual(
		refusals.flatMap(({ text, headers }) =>
			findIn(text + inspect([...headers])).map((name) => `${name}: ${text}`),
		),
		[],
	);
});

test("a message of the queue is an operation's id", () => {
	const { sent } = door.installation;
	assert.ok(sent.length > 0);
	assert.deepEqual(
		sent.filter((id) => !/^op_[0-9a-z]+$/.test(id)),
		[],
	);
});

test("no secret is in a column of the database that is not sealed: not in an event, not in the audit log, nowhere", async () => {
	const { rows: tables } = await sql<{ name: string }>`
		select tablename as name from pg_tables where schemaname = 'public'`.execute(
		door.db,
	);
	assert.ok(tables.length > 20);
	const found: string[] = [];
	for (const { name } of tables) {
		const { rows } = await sql<{ text: string }>`
			select t::text as text from ${sql.table(name)} t`.execute(door.db);
		found.push(
			...rows.flatMap(({ text }) =>
				findIn(text).map((secret) => `${secret} in ${name}`),
			),
		);
	}
	assert.deepEqual(found, []);
});
