// The process that answers a request with a key is killed at its worst moments. Whoever sends the request again gets what
// was ordered, once.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import pg from "pg";
import { registerTarget } from "../../src/operations/target.ts";
import { answered } from "../support/answers.ts";
import {
	type CuttingProxy,
	startCuttingProxy,
} from "../support/cutting-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { givenActor, testSealKey } from "../support/given.ts";
import {
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
/** Between the processes and their database. */
let proxy: CuttingProxy;
let service: Service;
let token: string;
const apis: Role[] = [];

before(async () => {
	database = await createTestDatabase();
	proxy = await startCuttingProxy(database.url);
	service = await installService({
		databaseUrl: proxy.url,
		kubeconfig: "",
		// It commits, too, and is not to be cut off in place of an order.
		queueUrl: database.url,
	});
	// Nobody works on what is ordered here, so nobody has to unseal it.
	await registerTarget(
		{ db: database.db, sealKey: testSealKey },
		{
			name: "nowhere",
			kubeconfig: "",
			clusterIdentifier: "none",
			domain: "maestro.localhost",
			ingressClass: null,
			storageClass: null,
		},
	);
	({ token } = await givenActor(database.db, "acme"));
});
after(async () => {
	for (const api of apis) await api.kill();
	service?.remove();
	await proxy?.close();
	await database?.close();
});

async function startApi(): Promise<Role> {
	const api = await startRole("api", service.environment);
	apis.push(api);
	return api;
}

interface Ordered {
	readonly status: number;
	readonly operation: string;
	readonly isReplayed: boolean;
}

async function order(api: Role, key: string, name: string): Promise<Ordered> {
	const { client } = makeCaller(() => api.url, token);
	const { status, body, headers } = await answered(
		client.createEnvironment({ body: { name } }, { idempotencyKey: key }),
	);
	return {
		status,
		operation: String(body.id),
		isReplayed: headers.get("idempotency-replayed") === "true",
	};
}

const orderOften = (api: Role, key: string, name: string) =>
	Promise.all(Array.from({ length: 100 }, () => order(api, key, name)));

async function listOrdered(name: string): Promise<string[]> {
	const rows = await database.db
		.selectFrom("operations as o")
		.innerJoin("environments as e", "e.id", "o.environment_id")
		.select("o.id")
		.where("e.name", "=", name)
		.execute();
	return rows.map(({ id }) => id);
}

/** All of them were answered with the one operation that there is. */
async function assertOne(
	name: string,
	answers: readonly Ordered[],
): Promise<void> {
	const ordered = await listOrdered(name);
	assert.equal(ordered.length, 1);
	assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
	assert.deepEqual(
		[...new Set(answers.map(({ operation }) => operation))],
		ordered,
	);
}

test("killed in the middle of an order, nothing of it is there, and its repeats are one order", async () => {
	const key = randomUUID();
	const api = await startApi();
	const holder = new pg.Client({ connectionString: database.url });
	await holder.connect();
	await holder.query("begin; lock table revisions in exclusive mode");
	const cutOff = order(api, key, "middle").catch((error: Error) => error);
	await until("the order is being written", async () => {
		const { rows } = await holder.query(
			"select from pg_locks where not granted and relation = 'revisions'::regclass",
		);
		return rows.length === 1;
	});
	await api.kill();
	assert.ok((await cutOff) instanceof Error);
	await holder.query("rollback");
	await holder.end();

	const answers = await orderOften(await startApi(), key, "middle");
	await assertOne("middle", answers);
	assert.equal(answers.filter((one) => !one.isReplayed).length, 1);
});

test("killed between the commit of an order and its answer, its repeats are answered with it", async () => {
	const key = randomUUID();
	const api = await startApi();
	const cut = proxy.cutNextCommit();
	const cutOff = order(api, key, "committed").catch((error: Error) => error);
	await cut;
	await api.kill();
	await cutOff;
	assert.equal((await listOrdered("committed")).length, 1);

	const answers = await orderOften(await startApi(), key, "committed");
	await assertOne("committed", answers);
	assert.ok(answers.every(({ isReplayed }) => isReplayed));
});

test("killed while 100 identical orders are being answered, they and their repeats are one order", async () => {
	const key = randomUUID();
	const [api, other] = [await startApi(), await startApi()];
	const sent = Array.from({ length: 100 }, (_, i) =>
		order(i % 2 ? api : other, key, "many"),
	);
	await Promise.any(sent);
	await api.kill();
	const told = (await Promise.allSettled(sent)).flatMap((one) =>
		one.status === "fulfilled" ? [one.value] : [],
	);
	const repeated = await orderOften(other, key, "many");
	await assertOne("many", [...told, ...repeated]);
	assert.ok(repeated.every(({ isReplayed }) => isReplayed));
});
