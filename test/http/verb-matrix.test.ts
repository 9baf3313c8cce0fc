// Every verb on an environment in every state that it can be in: at rest after each end, while an operation of each kind
// waits, runs, recovers or is being cancelled, and with another one in line behind it. The answers are those of the table
// in domain/environment.ts, and none is a mistake of the service.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { refuseClone } from "../../src/domain/clone.ts";
import {
	type Environment,
	isOnItsWay,
	lifecycleDuring,
	lifecycles,
	movesLifecycle,
	refusal,
	type Verb,
} from "../../src/domain/environment.ts";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import {
	cancelAnswers,
	mayBeRetried,
	type Operation,
	type OperationKind,
	operationKinds,
} from "../../src/domain/operation.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findOperation } from "../../src/store/operations.ts";
import { findLastBegun } from "../../src/store/wishes.ts";
import {
	begin,
	expire,
	learnCells,
	lose,
	putBack,
	type Rows,
	readInvariants,
	saveRows,
	succeed,
} from "./cells.ts";
import {
	type Door,
	givenBackup,
	givenEnvironment,
	givenUpgradedEnvironment,
	openDoor,
} from "./door.ts";
import { askVerb, verbs } from "./verbs.ts";

let door: Door;
before(async () => {
	door = await openDoor();
	await learnCells(door.db);
});
after(() => door?.close());

/** A state: its rows, and the operation that led to it or is on its way. */
interface Cell {
	readonly name: string;
	readonly environment: EnvironmentId;
	readonly operation: OperationId;
	readonly rows: Rows;
}

const ask = (verb: string, cell: Pick<Cell, "environment" | "operation">) =>
	askVerb(door, verb, { ...cell, backup });
let backup = "";

async function save(
	name: string,
	environment: EnvironmentId,
	operation: OperationId,
): Promise<Cell> {
	const rows = await saveRows(door.db, environment);
	return { name, environment, operation, rows };
}

/** Orders it of the cell's environment, whose rows are there. */
async function order(cell: Cell, kind: OperationKind): Promise<OperationId> {
	await putBack(door.db, cell.environment, cell.rows);
	const verb = kind === "preview" ? "preview upgrade" : kind;
	const { status, body } = await ask(verb, cell);
	assert.equal(status, 202, `${kind}: ${JSON.stringify(body)}`);
	return body.id as OperationId;
}

/** Of one kind: what waits, runs, recovers, is being cancelled, and how it may have ended. */
async function listCellsOf(kind: OperationKind, from: Cell): Promise<Cell[]> {
	const { db } = door;
	const { environment } = from;
	const id = kind === "create" ? from.operation : await order(from, kind);
	if (kind === "create") await putBack(db, environment, from.rows);
	const keep = (name: string) => save(`${kind} ${name}`, environment, id);
	const queued = await keep("queued");
	await begin(door, id, kind);
	const running = await keep("running");
	await lose(db, id);
	const recovering = await keep("recovering");
	await expire(door, id);
	const timedOut = await keep("timed out");
	await putBack(db, environment, running.rows);
	assert.equal((await ask("cancel", running)).status, 202);
	const cancelling = await keep("cancelling");
	await expire(door, id);
	const cancelled = await keep("cancelled");
	await putBack(db, environment, running.rows);
	await succeed(db, id, kind);
	const succeeded = await keep("succeeded");
	return [
		queued,
		running,
		recovering,
		cancelling,
		timedOut,
		cancelled,
		succeeded,
	];
}

async function listCells(): Promise<Cell[]> {
	const created = await givenEnvironment(door, "new");
	const fresh = await save("", created.environment.id, created.operation.id);
	const { id } = await givenUpgradedEnvironment(door, "qa");
	backup = (await givenBackup(door, id)).id;
	const ready = await save("ready", id, await findNewest(id));
	const cells = [ready, ...(await listCellsOf("create", fresh))];
	for (const kind of operationKinds) {
		if (kind === "create" || kind === "wake") continue;
		const own = await listCellsOf(kind, ready);
		cells.push(...own);
		if (kind === "hibernate")
			cells.push(...(await listCellsOf("wake", own.at(-1) ?? ready)));
	}
	return cells;
}

async function findNewest(environment: EnvironmentId): Promise<OperationId> {
	const { id } = await door.db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", environment)
		.orderBy("sequence", "desc")
		.limit(1)
		.executeTakeFirstOrThrow();
	return id;
}

/** What the table is asked of, the same for all verbs in a cell. */
interface Known {
	readonly environment: Environment;
	readonly lastBegun: OperationKind | undefined;
	readonly operation: Operation;
}

async function learn({ environment, operation }: Cell): Promise<Known> {
	const { db } = door;
	const [last, own] = [
		await findLastBegun(db, environment),
		await findOperation(db, operation, undefined),
	];
	assert.ok(own);
	return {
		environment: await loadEnvironment(db, environment),
		lastBegun: last?.kind,
		operation: own,
	};
}

/** Why the tables say no; undefined: they do not. */
function readTable(verb: string, known: Known): string | RegExp | undefined {
	const { environment, lastBegun, operation } = known;
	const [first, previewed] = verb.split(" ");
	switch (first) {
		case "patch":
			return undefined;
		case "clone":
			return refuseClone(environment);
		case "cancel":
			return cancelAnswers[operation.state] === "late"
				? /has ended already/
				: undefined;
		case "retry":
			return mayBeRetried(operation.state)
				? undefined
				: /can be tried again|is a preview/;
	}
	const ofPreview = previewed && refusal("preview", environment);
	return (
		ofPreview ?? refusal((previewed ?? verb) as Verb, environment, lastBegun)
	);
}

/** What is refused although the table allows it, for what else there is, or is not, when it is asked. */
const besides: Readonly<Record<string, RegExp>> = {
	rollback:
		/^No revision before \d+ was brought to its end|^It is being rolled back already/,
	restore:
		/^The backup \w+ is of the environment|^The operation \w+ waits to change it/,
	retry: /is not the newest of its environment|is wished for now|is a preview/,
};

async function check(
	verb: string,
	cell: Cell,
	known: Known,
): Promise<{ readonly isChanged: boolean; readonly ordered?: OperationId }> {
	const { environment, rows } = cell;
	const { status, body, text } = await ask(verb, cell);
	const said = `${verb}, when it is "${cell.name}", is answered ${status}: ${text.slice(0, 700)}`;
	const reason = readTable(verb, known);
	if (reason !== undefined) {
		assert.equal(status, 409, `${said}, but the table says: ${reason}`);
		if (typeof reason === "string") assert.equal(body.detail, reason, said);
		else assert.match(String(body.detail), reason, said);
	}
	assert.ok([200, 202, 400, 409].includes(status), said);
	if (status >= 400) {
		if (reason === undefined)
			assert.match(
				String(body.detail),
				besides[verb.split(" ").at(-1) ?? ""] ?? /^$/,
				said,
			);
		assert.ok(body.untouched, said);
		assert.ok(body.advice, said);
	}
	const isKnown = rows.includes(`"${body.id}"`);
	const isChanged = !(
		status >= 400 ||
		"nothingToDo" in body ||
		(isKnown && status === 202 && verb !== "cancel")
	);
	if (!isChanged) {
		assert.equal(await saveRows(door.db, environment), rows, said);
		// What is being cancelled is not on its way any more.
		if (status === 200) await assertNotCancelling(body.activeOperation, said);
		if (status === 202) assert.notEqual(body.state, "cancelling", said);
		return { isChanged };
	}
	await assertSound(environment, said);
	const isOrdered =
		status === 202 && !isKnown && body.environment === environment;
	return { isChanged, ...(isOrdered && { ordered: body.id as OperationId }) };
}

async function assertNotCancelling(id: unknown, said: string): Promise<void> {
	if (id === null || / does not hibernate|hibernated already/.test(said))
		return;
	const operation = await findOperation(door.db, String(id), undefined);
	assert.notEqual(operation?.state, "cancelling", said);
}

async function assertSound(id: EnvironmentId, said: string): Promise<void> {
	const now = await readInvariants(door.db, id);
	assert.ok(lifecycles.includes(now.lifecycle), said);
	assert.ok(now.active <= 1, said);
	assert.equal(now.untold, 0, said);
	const { events, lastEvent, counter } = now;
	assert.deepEqual([events, lastEvent], [counter, counter], said);
	assert.ok(now.hasDesired, said);
	const moving = now.open.findLast(movesLifecycle);
	if (moving === undefined) assert.ok(!isOnItsWay(now.lifecycle), said);
	else assert.equal(now.lifecycle, lifecycleDuring[moving], said);
}

test("every verb in every state has the answer that the table gives, and leaves sound rows", async (t) => {
	const started = process.cpuUsage();
	const cells = await listCells();
	const seen = new Set<string>();
	const faults: string[] = [];
	let answers = 0;
	for (const cell of cells) {
		await putBack(door.db, cell.environment, cell.rows);
		const known = await learn(cell);
		seen.add(known.environment.lifecycle);
		for (const verb of verbs) {
			answers++;
			const result = await check(verb, cell, known).catch((error: Error) => {
				faults.push(error.message);
				return { isChanged: true, ordered: undefined };
			});
			// What stands in line behind one that runs is a state as well.
			if (result.ordered && isFirst(cell) && !verb.startsWith("preview"))
				cells.push(
					await save(
						`${cell.name}, then ${verb}`,
						cell.environment,
						result.ordered,
					),
				);
			if (result.isChanged) await putBack(door.db, cell.environment, cell.rows);
		}
	}
	const { user, system } = process.cpuUsage(started);
	t.diagnostic(
		`${cells.length} states, ${answers} answers, ${((user + system) / 1e6).toFixed(1)} s of CPU`,
	);
	assert.deepEqual([...seen].sort(), [...lifecycles].sort());
	assert.deepEqual(faults, []);
	assert.deepEqual(
		door.log.filter(({ level }) => level === "error"),
		[],
	);
});

const isFirst = ({ name }: Cell): boolean => name.endsWith(" running");
