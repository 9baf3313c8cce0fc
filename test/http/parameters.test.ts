// Parameters at the door: what is refused and where, and what is shown of them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const order = (name: string, parameters: unknown) =>
	answered(
		askByPath(door.operator.client, [
			"POST",
			"/v1/environments",
			{ name, parameters },
		]),
	);
const look = (path: string) =>
	answered(askByPath(door.viewer.client, ["GET", path]));

const wrong: readonly (readonly [
	what: string,
	parameters: unknown,
	pointers: readonly string[],
])[] = [
	["a list", [], ["/parameters"]],
	[
		"several at once",
		{
			replicas: { data: 99, scheduler: 2 },
			storage: { mongodb: "20" },
			external: { rabbitmq: "postgres://mq.example.test" },
			smtp: { host: "a/b", sender: "x" },
			colour: "red",
		},
		[
			"/parameters/colour",
			"/parameters/external/rabbitmq",
			"/parameters/replicas/data",
			"/parameters/replicas/scheduler",
			"/parameters/smtp/host",
			"/parameters/smtp/sender",
			"/parameters/storage/mongodb",
		],
	],
	[
		"an external MongoDB that is none",
		{ external: { mongodb: "https://db.example.test" } },
		["/parameters/external/mongodb"],
	],
	[
		"a port that there is none of",
		{ external: { rabbitmq: "amqp://mq.example.test:99999" } },
		["/parameters/external/rabbitmq"],
	],
	[
		"a schedule that no CronJob takes",
		{ backups: { schedule: "61 * * * *", retentionDays: 400 } },
		["/parameters/backups/retentionDays", "/parameters/backups/schedule"],
	],
	[
		"a quantity that is none",
		{ resources: { data: { memory: "a lot", cpu: "-1" } } },
		["/parameters/resources/data/cpu", "/parameters/resources/data/memory"],
	],
	[
		"a contradiction",
		{ features: { audit: false }, replicas: { audit: 2 } },
		["/parameters/replicas/audit"],
	],
];

for (const [what, parameters, pointers] of wrong) {
	test(`${what} is refused at its place, and nothing is stored`, async () => {
		const answer = await order("refused", parameters);
		assert.equal(answer.status, 400);
		assert.deepEqual(readPointers(answer), pointers);
		assert.equal((await look("/v1/environments/refused")).status, 404);
		assert.deepEqual(door.installation.sent, []);
	});
}

test("a refusal does not repeat a secret", async () => {
	const answer = await order("refused", {
		external: { mongodb: "planted-no-uri" },
	});
	assert.equal(answer.status, 400);
	assert.doesNotMatch(answer.text + JSON.stringify(door.log), /planted/);
});

test("what was set is shown with the defaults around it, on the environment and its revision, and a secret as a mark", async () => {
	const ordered = await order("shown", {
		theme: "wine",
		replicas: { data: 3 },
		smtp: {
			host: "smtp.example.test",
			sender: "m@example.test",
			username: "u",
			password: "planted-1",
		},
		external: { mongodb: "mongodb://u:planted-2@db.example.test" },
	});
	assert.equal(ordered.status, 202, ordered.text);
	const environment = await look("/v1/environments/shown");
	const parameters = environment.body.parameters as Record<string, unknown>;
	assert.equal(parameters.theme, "wine");
	assert.deepEqual(parameters.replicas, { data: 3 });
	assert.deepEqual(parameters.smtp, {
		host: "smtp.example.test",
		port: 587,
		sender: "m@example.test",
		username: "u",
		password: "(secret)",
		implicitTls: false,
	});
	assert.deepEqual(parameters.external, { mongodb: "(secret)" });
	const revisions = await look("/v1/environments/shown/revisions");
	const [revision] = revisions.body.items as Record<string, unknown>[];
	assert.deepEqual(revision?.parameters, parameters);
	const list = await look("/v1/environments");
	const events = await look("/v1/environments/shown/events");
	for (const { text } of [ordered, environment, revisions, list, events])
		assert.doesNotMatch(text, /planted/);
	assert.doesNotMatch(JSON.stringify(door.log), /planted/);
});

test("the catalogue says of each parameter what it is and what it may be", async () => {
	const answer = await look("/v1/blueprints");
	const [{ inputSchema }] = answer.body.items as [
		{ inputSchema: { properties: { parameters: Schema } } },
	];
	const { properties = {} } = inputSchema.properties.parameters;
	assert.deepEqual(Object.keys(properties).sort(), [
		"backups",
		"closedSignUp",
		"external",
		"features",
		"logo",
		"replicas",
		"resources",
		"smtp",
		"storage",
		"theme",
	]);
	for (const [name, { description }] of Object.entries(properties))
		assert.ok((description ?? "").length > 10, name);
	assert.equal(properties.theme?.default, "lotus");
	assert.deepEqual(properties.replicas?.additionalProperties, {
		type: "integer",
		minimum: 1,
		maximum: 20,
	});
	assert.equal(properties.smtp?.properties?.password?.writeOnly, true);
});

interface Schema {
	readonly description?: string;
	readonly default?: unknown;
	readonly writeOnly?: boolean;
	readonly additionalProperties?: unknown;
	readonly properties?: Readonly<Record<string, Schema>>;
}
