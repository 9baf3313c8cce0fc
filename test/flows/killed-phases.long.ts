// The worker is killed in each phase of an upgrade, of a rollback with its data, of a hibernate and of a wake. Each time
// the next worker brings the operation to its end, and the environment to what was ordered, with the documents it had.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { sql } from "kysely";
import type { Document } from "mongodb";
import {
	listPhases,
	type OperationOptions,
} from "../../src/domain/operation.ts";
import {
	type House,
	openHouse,
	order,
	succeed,
} from "../support/killed-house.ts";
import { listWorkloads } from "../support/kubectl.ts";
import { readAll } from "../support/mongodb.ts";
import type { Moment, PhasePoint } from "../support/phase-points.ts";
import { isThorough } from "../support/sample.ts";
import type { Caller } from "../support/service.ts";

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";
const release = "0.6.1";

const verbs = ["upgrade", "rollback", "hibernate", "wake"] as const;
type Verb = (typeof verbs)[number];
type Point = PhasePoint & { readonly kind: Verb };
type Body = Record<string, unknown>;

const orders: Readonly<Record<Verb, OperationOptions>> = {
	upgrade: { backup: "required" },
	rollback: { backup: "required", data: "restore" },
	hibernate: {},
	wake: {},
};

const points = verbs.flatMap((kind): Point[] =>
	listPhases({ kind, options: orders[kind], restore: null }).flatMap((phase) =>
		(phase === "restoring"
			? (["first", "restored", "last"] as const)
			: (["first", "last"] as const)
		).map((moment: Moment) => ({ kind, phase, moment })),
	),
);

// All of them take two processors about twenty minutes.
const lives = isThorough
	? [
			points.filter(({ moment }) => moment === "first"),
			points.filter(({ moment }) => moment !== "first"),
		]
	: [points.filter(isOrdinary)];

/** The hardest of each verb. */
function isOrdinary({ kind, phase, moment }: Point): boolean {
	return kind === "rollback"
		? phase === "restoring" && moment === "restored"
		: phase === "applying" && moment === "first" && kind !== "wake";
}

/** A life has one kill after the other: longer than other tests may take, in milliseconds. */
const timeout = 60 * 60_000;

const findServers = ({ documents }: House) =>
	documents.db("maestro-client").collection<{ _id: string }>("servers");

const makeOrder = (verb: Verb): Parameters<Caller["call"]> => [
	"POST",
	`/v1/environments/qa:${verb}`,
	{ ...orders[verb], ...(verb === "upgrade" && { release }) },
];

/** Orders, kills at the point, and returns how it ended. `whenDead` runs while nobody works. */
async function die(
	house: House,
	point: Point,
	whenDead: (id: string) => Promise<void>,
): Promise<Body> {
	const { tenant, points } = house;
	await points.arm(point);
	const id = await order(tenant, ...makeOrder(point.kind));
	assert.equal(await points.hold(), id);
	await house.replaceWorker(async () => {
		await points.letGo(id);
		await whenDead(id);
	});
	const operation = await tenant.end(id, 300_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.equal(operation.attempt, 2);
	return operation;
}

const countEvents = async ({ tenant }: House, id: string, type: string) =>
	(await tenant.follow(id)).filter((event) => event.type === type).length;

async function assertEnd(
	house: House,
	verb: Verb,
	operation: Body,
): Promise<void> {
	const isAsleep = verb === "hibernate";
	const { body } = await house.tenant.call("GET", "/v1/environments/qa");
	const { lifecycle, health, revision } = body;
	assert.deepEqual(
		[lifecycle, health, revision],
		[
			isAsleep ? "hibernated" : "ready",
			isAsleep ? "unknown" : "healthy",
			(operation.revision as { to: number }).to,
		],
	);
	const runs = verb === "upgrade" ? release : "0.6.0";
	assert.equal(body.release, runs);
	const { server, audit } = body.versions as Record<string, string>;
	assert.deepEqual([server, audit], [runs, "0.6.0"]);
	const { deployments, statefulSets } = await listWorkloads(
		kubeconfig,
		house.namespace,
	);
	assert.equal(deployments.length, 14);
	const wanted = isAsleep ? " 0/0" : " 1/1";
	assert.deepEqual(
		[...deployments, ...statefulSets].filter((one) => !one.endsWith(wanted)),
		[],
	);
	const id = String(operation.id);
	const count = (type: string) => countEvents(house, id, type);
	assert.equal(await count("operation.succeeded"), 1);
	const isRollback = verb === "rollback";
	assert.equal(await count("backup.restored"), isRollback ? 1 : 0);
	const backsUp = isRollback || verb === "upgrade";
	assert.equal(await count("backup.completed"), backsUp ? 1 : 0);
}

/** What a rollback must bring back: all documents as they were before the upgrade. */
type Documents = Record<string, Document[]>;

/** An upgrade that begins with a document, and after which it is another one. */
async function upgrade(
	house: House,
	point: Point | undefined,
): Promise<Documents> {
	await findServers(house).updateOne(
		{ _id: "one" },
		{ $set: { hostname: `before ${performance.now()}` } },
		{ upsert: true },
	);
	const then = await readAll(house.documents);
	const ended =
		point === undefined
			? await succeed(house.tenant, ...makeOrder("upgrade"))
			: await die(house, point, async () => {});
	await assertEnd(house, "upgrade", ended);
	assert.deepEqual(await readAll(house.documents), then);
	await findServers(house).updateOne(
		{ _id: "one" },
		{ $set: { hostname: "after" } },
	);
	return then;
}

/** What is written after the restore stays: nobody restores a second time. */
async function rollBack(
	house: House,
	point: Point | undefined,
	then: Documents,
): Promise<void> {
	const servers = findServers(house);
	let isRestored = false;
	const ended =
		point === undefined
			? await succeed(house.tenant, ...makeOrder("rollback"))
			: await die(house, point, async (id) => {
					const { rows } =
						await sql`select from operations where id = ${id} and restored_at is not null`.execute(
							house.database.db,
						);
					isRestored = rows.length === 1;
					if (isRestored) await servers.insertOne({ _id: "written since" });
				});
	await assertEnd(house, "rollback", ended);
	const { deletedCount } = await servers.deleteOne({ _id: "written since" });
	assert.equal(deletedCount, isRestored ? 1 : 0);
	assert.deepEqual(await readAll(house.documents), then);
}

async function changePower(
	house: House,
	verb: "hibernate" | "wake",
	point: Point | undefined,
): Promise<void> {
	const then = await readAll(house.documents);
	const ended =
		point === undefined
			? await succeed(house.tenant, ...makeOrder(verb))
			: await die(house, point, async () => {});
	await assertEnd(house, verb, ended);
	assert.deepEqual(await readAll(house.documents), then);
}

/** The verbs in turn, as often as one of them has points; it is ready at 0.6.0 after each round. */
async function live(
	t: TestContext,
	house: House,
	chosen: readonly Point[],
): Promise<void> {
	const find = (verb: Verb, round: number) =>
		chosen.filter(({ kind }) => kind === verb)[round];
	const tell = async (point: Point | undefined, work: () => Promise<void>) => {
		if (point === undefined) return work();
		const { kind, phase, moment } = point;
		await t.test(`${kind}, killed in ${phase}: ${moment}`, work);
	};
	for (const round of chosen.keys()) {
		const [up, back, sleep, wake] = verbs.map((verb) => find(verb, round));
		if (up ?? back) {
			let then: Documents = {};
			await tell(up, async () => {
				then = await upgrade(house, up);
			});
			await tell(back, () => rollBack(house, back, then));
		}
		if (sleep ?? wake) {
			await tell(sleep, () => changePower(house, "hibernate", sleep));
			await tell(wake, () => changePower(house, "wake", wake));
		}
	}
}

test("whatever phase the worker dies in, the next one ends it as ordered", {
	concurrency: 2,
	timeout,
}, async (t) => {
	assert.equal(points.length, 51);
	await Promise.all(
		lives.map((chosen, index) =>
			t.test(`life ${index + 1}`, { timeout }, async (t) =>
				live(t, await openHouse(t, release), chosen),
			),
		),
	);
});
