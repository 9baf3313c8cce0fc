// What may be set, what contradicts itself, and what of it is secret.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	joinParameters,
	type Parameters,
	parameters,
	shownParameters,
	splitParameters,
} from "../../src/domain/parameters.ts";

const mail = { host: "smtp.example.test", sender: "maestro@example.test" };

test("what is not said has a default, so that nothing need be said", () => {
	assert.deepEqual(parameters.parse({}), {
		replicas: {},
		resources: {},
		storage: {},
		theme: "lotus",
		closedSignUp: false,
		external: {},
		features: {
			discovery: true,
			reports: true,
			analytics: true,
			audit: true,
			scheduler: true,
		},
		backups: { enabled: true, schedule: "17 3 * * *", retentionDays: 14 },
	});
});

const refused: readonly (readonly [
	what: string,
	wish: unknown,
	path: string,
])[] = [
	["a word that is no parameter", { replica: {} }, ""],
	["replicas of the scheduler", { replicas: { scheduler: 2 } }, "replicas"],
	["replicas of the websocket", { replicas: { websocket: 2 } }, "replicas"],
	["no replica", { replicas: { data: 0 } }, "replicas/data"],
	["too many replicas", { replicas: { data: 21 } }, "replicas/data"],
	["half a replica", { replicas: { data: 1.5 } }, "replicas/data"],
	[
		"memory that is no quantity",
		{ resources: { data: { memory: "lots" } } },
		"resources/data/memory",
	],
	[
		"storage in other units",
		{ storage: { mongodb: "20G" } },
		"storage/mongodb",
	],
	["no storage", { storage: { mongodb: "0Gi" } }, "storage/mongodb"],
	["an unknown theme", { theme: "pink" }, "theme"],
	["a logo without TLS", { logo: "http://example.test/a.png" }, "logo"],
	[
		"a mail host that is no host name",
		{ smtp: { ...mail, host: "a b" } },
		"smtp/host",
	],
	[
		"a sender that is no address",
		{ smtp: { ...mail, sender: "maestro" } },
		"smtp/sender",
	],
	[
		"a user's name without a password",
		{ smtp: { ...mail, username: "u" } },
		"smtp/password",
	],
	[
		"a password without a user's name",
		{ smtp: { ...mail, password: "p" } },
		"smtp/username",
	],
	[
		"an external MongoDB that is none",
		{ external: { mongodb: "https://db.example.test" } },
		"external/mongodb",
	],
	[
		"a MongoDB without a host",
		{ external: { mongodb: "mongodb://" } },
		"external/mongodb",
	],
	[
		"an external broker that is none",
		{ external: { rabbitmq: "redis://mq.example.test" } },
		"external/rabbitmq",
	],
	[
		"storage for a database that is elsewhere",
		{
			external: { mongodb: "mongodb://db.example.test" },
			storage: { mongodb: "9Gi" },
		},
		"storage/mongodb",
	],
	[
		"storage for a broker that is elsewhere",
		{
			external: { rabbitmq: "amqp://mq.example.test" },
			storage: { rabbitmq: "9Gi" },
		},
		"storage/rabbitmq",
	],
	[
		"replicas of a process that is off",
		{ features: { reports: false }, replicas: { "reports-worker": 3 } },
		"replicas/reports-worker",
	],
	[
		"resources of a process that goes with one that is off",
		{
			features: { analytics: false },
			resources: { "analytics-front": { cpu: "1" } },
		},
		"resources/analytics-front",
	],
	[
		"a broker that nobody uses",
		{
			features: {
				discovery: false,
				reports: false,
				analytics: false,
				scheduler: false,
			},
			external: { rabbitmq: "amqp://mq.example.test" },
		},
		"external/rabbitmq",
	],
	[
		"a schedule of six fields",
		{ backups: { schedule: "* * * * * *" } },
		"backups/schedule",
	],
	[
		"a schedule for an hour that there is none of",
		{ backups: { schedule: "0 25 * * *" } },
		"backups/schedule",
	],
	[
		"a MongoDB at a port that there is none of",
		{ external: { mongodb: "mongodb://a.example.test,b.example.test:70000" } },
		"external/mongodb",
	],
	[
		"a broker at port 0",
		{ external: { rabbitmq: "amqp://mq.example.test:0" } },
		"external/rabbitmq",
	],
	["no retention", { backups: { retentionDays: 0 } }, "backups/retentionDays"],
];

for (const [what, wish, path] of refused) {
	test(`${what} is refused, at its place`, () => {
		const { error } = parameters.safeParse(wish);
		assert.deepEqual(
			error?.issues.map((issue) => issue.path.join("/")),
			[path],
		);
	});
}

const uris: readonly string[] = [
	"mongodb://db.example.test",
	"mongodb://u:p%40ss@a.example.test:27017,b.example.test:27018/?replicaSet=rs&w=majority",
	"mongodb+srv://u:p@cluster0.example.test/maestro?retryWrites=true",
];
for (const mongodb of uris) {
	test(`${mongodb} is a MongoDB`, () => {
		assert.ok(parameters.safeParse({ external: { mongodb } }).success);
	});
}
for (const rabbitmq of [
	"amqp://mq.example.test",
	"amqp://u:p@mq.example.test:5672//",
	"amqps://u:p@mq.example.test:5671/vhost?heartbeat=30",
]) {
	test(`${rabbitmq} is a broker`, () => {
		assert.ok(parameters.safeParse({ external: { rabbitmq } }).success);
	});
}

const secretive = parameters.parse({
	smtp: { ...mail, username: "maestro", password: "planted-1" },
	external: {
		mongodb: "mongodb://u:planted-2@db.example.test",
		rabbitmq: "amqp://u:planted-3@mq.example.test",
	},
	theme: "wine",
});

test("secrets are taken out, each leaving a mark, and put back", () => {
	const { shown, secrets } = splitParameters(secretive);
	assert.doesNotMatch(JSON.stringify(shown), /planted/);
	assert.equal(shown.smtp?.password, "(secret)");
	assert.equal(shown.smtp?.username, "maestro");
	assert.deepEqual(shown.external, {
		mongodb: "(secret)",
		rabbitmq: "(secret)",
	});
	assert.deepEqual(
		[...secrets.keys()],
		["/smtp/password", "/external/mongodb", "/external/rabbitmq"],
	);
	const kept = shownParameters.parse(JSON.parse(JSON.stringify(shown)));
	assert.deepEqual(joinParameters(kept, secrets), secretive);
});

test("where there is no secret there is no mark", () => {
	const plain: Parameters = parameters.parse({ smtp: mail });
	const { shown, secrets } = splitParameters(plain);
	assert.deepEqual(shown, plain);
	assert.equal(secrets.size, 0);
	assert.deepEqual(joinParameters(shown, secrets), plain);
});

test("a value that is no mark cannot be shown", () => {
	assert.equal(shownParameters.safeParse(secretive).success, false);
});

test("a revision from before there were parameters has the defaults", () => {
	assert.deepEqual(shownParameters.parse({}), parameters.parse({}));
});
