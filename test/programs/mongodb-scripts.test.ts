// The scripts for MongoDB's shell, run against a small model of a replica set: only what the scripts ask of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import {
	completeReplicaSet,
	expectMigration,
	formReplicaSet,
	noteMigration,
	signIn,
} from "../../programs/maestro/mongodb-scripts.ts";
import { databases } from "../../programs/maestro/processes.ts";

interface User {
	readonly pwd: string;
	readonly roles: readonly { readonly role: string; readonly db: string }[];
}

interface Config {
	version: number;
	members: { _id: number; host: string }[];
}

/** What a test may set and look at. */
function makeModel() {
	return {
		config: undefined as Config | undefined,
		isPrimary: false,
		users: new Map<string, User>(),
		/** Whether the server of somebody else has a primary. */
		isServed: false,
		roles: new Set<string>(),
		granted: new Set<string>(),
		peersInASet: new Set<string>(),
		states: new Map<string, string>(),
		notes: new Set<string>(),
		refusal: undefined as string | undefined,
	};
}
type Model = ReturnType<typeof makeModel>;

class Quit extends Error {}

/** Runs a script in a shell of its own. Fulfils the script's promise or throws, as the shell's exit code would tell. */
function run(script: string, model: Model): void {
	const admin = {
		auth: (user: string, pwd: string) =>
			model.users.get(user)?.pwd === pwd ? 1 : 0,
		isMaster: () => ({
			ismaster: model.isPrimary,
			...(model.config === undefined ? {} : { setName: "maestro" }),
		}),
		getUser: (user: string) => model.users.get(user) ?? null,
		createUser: (user: User & { user: string }) => {
			assert.ok(model.isPrimary, "only a primary makes users");
			assert.ok(!model.users.has(user.user), "a user is made once");
			model.users.set(user.user, user);
		},
		updateUser: (user: string, changes: User) => {
			model.users.set(user, changes);
		},
		getRole: (role: string) => (model.roles.has(role) ? { role } : null),
		createRole: ({ role }: { role: string }) => {
			assert.ok(!model.roles.has(role), "a role is made once");
			model.roles.add(role);
		},
		grantRolesToUser: (user: string, roles: string[]) => {
			assert.ok(model.users.has(user), "a right is given to someone");
			for (const role of roles) assert.ok(model.roles.has(role));
			model.granted.add(user);
		},
		adminCommand: (command: Record<string, unknown>) => answer(command, model),
	};
	const impresario_migrations = {
		updateOne: (filter: { _id: string }) => model.notes.add(filter._id),
		findOne: (filter?: { _id: string }) =>
			filter !== undefined && model.notes.has(filter._id) ? filter : null,
	};
	const getSiblingDB = (name: string) =>
		name === "admin"
			? { ...admin, getSiblingDB }
			: { impresario_migrations, getSiblingDB };
	const context = createContext({
		db: { getSiblingDB },
		cat: (path: string) => `content of ${path}`,
		quit: () => {
			throw new Quit();
		},
		Mongo: function Mongo(host: string) {
			const isMaster = () => ({
				ismaster: model.isServed,
				...(model.peersInASet.has(host) ? { setName: "maestro" } : {}),
			});
			return {
				getDB: (name: string) => ({ ...getSiblingDB(name), isMaster }),
			};
		},
	});
	try {
		runInContext(script, context);
	} catch (error) {
		if (!(error instanceof Quit)) throw error;
	}
}

function answer(command: Record<string, unknown>, model: Model) {
	if ("replSetInitiate" in command) {
		if (model.config !== undefined)
			return { ok: 0, codeName: "AlreadyInitialized" };
		const { members } = command.replSetInitiate as Config;
		model.config = { version: 1, members: [...members] };
		return { ok: 1 };
	}
	if ("replSetGetConfig" in command)
		return { ok: 1, config: structuredClone(model.config) };
	if ("replSetReconfig" in command) {
		if (model.refusal !== undefined) return { ok: 0, errmsg: model.refusal };
		const next = command.replSetReconfig as Config;
		const known = model.config?.members.length ?? 0;
		assert.equal(next.members.length, known + 1, "one member at a time");
		assert.equal(next.version, (model.config?.version ?? 0) + 1);
		model.config = structuredClone(next);
		return { ok: 1 };
	}
	return {
		ok: 1,
		members: (model.config?.members ?? []).map(({ host }) => ({
			name: host,
			stateStr: model.states.get(host) ?? "SECONDARY",
		})),
	};
}

/** Repeats a script as its caller does, and tells how often it failed before it succeeded. */
function repeat(script: string, model: Model): number {
	for (let failures = 0; failures < 10; failures += 1)
		try {
			run(script, model);
			return failures;
		} catch (error) {
			if (error instanceof assert.AssertionError) throw error;
		}
	throw new Error("it never succeeded");
}

test("member 0 forms a set of itself, and makes the root user once it is the primary", () => {
	const model = makeModel();
	assert.throws(() => run(formReplicaSet(3), model), /not the primary yet/);
	assert.equal(model.config?.members.length, 1);
	assert.equal(model.users.size, 0);
	model.isPrimary = true;
	run(formReplicaSet(3), model);
	assert.equal(
		model.users.get("root")?.pwd,
		"content of /etc/impresario/mongodb/MONGODB_ROOT_PASSWORD",
	);
});

test("a member 0 that starts again changes nothing", () => {
	const model = makeModel();
	model.isPrimary = true;
	run(formReplicaSet(3), model);
	const before = structuredClone(model);
	run(formReplicaSet(3), model);
	assert.deepEqual(structuredClone(model), before);
});

test("a member 0 that lost its volume never forms a second set beside its peers'", () => {
	const model = makeModel();
	model.isPrimary = true;
	model.peersInASet.add("mongodb-2.mongodb:27017");
	assert.throws(
		() => run(formReplicaSet(3), model),
		/in a replica set already/,
	);
	assert.equal(model.config, undefined);
});

/** A set of member 0 with its root user, as `formReplicaSet` leaves it. */
function givenFormedSet(): Model {
	const model = makeModel();
	model.isPrimary = true;
	run(formReplicaSet(1), model);
	return model;
}

test("the set is completed one member at a time", () => {
	const model = givenFormedSet();
	assert.equal(repeat(completeReplicaSet(3), model), 2);
	assert.deepEqual(
		model.config?.members.map(({ _id, host }) => [_id, host]),
		[
			[0, "mongodb-0.mongodb:27017"],
			[1, "mongodb-1.mongodb:27017"],
			[2, "mongodb-2.mongodb:27017"],
		],
	);
});

test("a set of one is complete at once, with the users that Maestro signs in as", () => {
	const model = givenFormedSet();
	assert.equal(repeat(completeReplicaSet(1), model), 0);
	for (const database of databases) run(signIn("own", database), model);
});

test("each database has a user of its own, who has no right on another", () => {
	const model = givenFormedSet();
	repeat(completeReplicaSet(1), model);
	for (const database of databases) {
		const user = model.users.get(database);
		assert.deepEqual(structuredClone(user?.roles), [
			{ role: "readWrite", db: database },
		]);
		assert.equal(
			user?.pwd,
			`content of /etc/impresario/mongodb/mongodb-password.${database}`,
		);
	}
});

test("who fetches metrics may look at the cluster and at no data", () => {
	const model = givenFormedSet();
	repeat(completeReplicaSet(1), model);
	assert.deepEqual(structuredClone(model.users.get("exporter")?.roles), [
		{ role: "clusterMonitor", db: "admin" },
		{ role: "read", db: "local" },
	]);
});

test("an external server is waited for until it has a primary", () => {
	const model = makeModel();
	const script = signIn("external", "maestro-reports");
	assert.throws(() => run(script, model), /no primary/);
	model.isServed = true;
	run(script, model);
	assert.match(
		script,
		/new Mongo\(cat\("\/etc\/impresario\/mongodb\/mongodb-uri\.maestro-reports"\)\)/,
	);
});

test("migrations are noted in an external server as well", () => {
	const model = makeModel();
	model.isServed = true;
	run(noteMigration("external", "server:0.6.0"), model);
	run(expectMigration("external", "server:0.6.0"), model);
	assert.throws(
		() => run(expectMigration("external", "server:0.6.1"), model),
		/not ended yet/,
	);
});

test("root gets the right to replay an oplog, which a restore needs", () => {
	const model = givenFormedSet();
	repeat(completeReplicaSet(1), model);
	assert.deepEqual([...model.granted], ["root"]);
});

test("completing a complete set changes nothing", () => {
	const model = givenFormedSet();
	repeat(completeReplicaSet(3), model);
	const before = structuredClone(model.config);
	assert.equal(repeat(completeReplicaSet(3), model), 0);
	assert.deepEqual(structuredClone(model.config), before);
});

test("a set that must not be changed yet is asked again", () => {
	const model = givenFormedSet();
	model.refusal = "the current configuration is not committed yet";
	assert.throws(() => run(completeReplicaSet(3), model), /not committed yet/);
	model.refusal = undefined;
	repeat(completeReplicaSet(3), model);
	assert.equal(model.config?.members.length, 3);
});

test("a set is not complete before its members have caught up", () => {
	const model = givenFormedSet();
	model.states.set("mongodb-1.mongodb:27017", "STARTUP2");
	assert.throws(() => repeat(completeReplicaSet(2), model), /never succeeded/);
	assert.throws(
		() => run(completeReplicaSet(2), model),
		/mongodb-1\.mongodb:27017 is STARTUP2/,
	);
	model.states.clear();
	assert.equal(repeat(completeReplicaSet(2), model), 0);
});

test("nothing is done before there is a root user", () => {
	const model = makeModel();
	assert.throws(
		() => run(completeReplicaSet(1), model),
		/root user is not there/,
	);
	assert.throws(
		() => run(signIn("own", "maestro-client"), model),
		/user is not there/,
	);
});

test("a server waits for the migrations of its own image", () => {
	const model = givenFormedSet();
	repeat(completeReplicaSet(1), model);
	run(noteMigration("own", "server:0.6.0"), model);
	run(expectMigration("own", "server:0.6.0"), model);
	assert.throws(
		() => run(expectMigration("own", "server:0.6.1"), model),
		/not ended yet/,
	);
});
