// Random lives of operations, by orders, claims, renewals, writes, repeats, ends, releases, crashes, sweeps and time,
// in the model and in the real store on a real PostgreSQL. After each step both must say the same, and: an environment
// has at most one effective owner, a final state never changes, events have no gap; and in the end everything ends.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import {
	isFinal,
	leaseMs,
	maxAttempts,
	type OperationKind,
	operationKinds,
} from "../../src/domain/operation.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { request } from "../../src/operations/request.ts";
import { sweep } from "../../src/operations/sweep.ts";
import {
	makeWriteLine,
	type WriteLine,
} from "../../src/operations/write-line.ts";
import type { Db } from "../../src/store/db.ts";
import { appendEvents } from "../../src/store/events.ts";
import {
	claimOperation,
	closeOperation,
	holdForWrite,
	type Lease,
	releaseLease,
	renewLease,
} from "../../src/store/leases.ts";
import { findOperation, supersedeQueued } from "../../src/store/operations.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";
import {
	advance,
	cancelIt,
	claimedBy,
	claimIt,
	createModel,
	endsAs,
	isActive,
	isEffective,
	longestLifeMs,
	type Model,
	mayBeClaimed,
	mayRenew,
	order,
	pick,
	tell,
} from "./life-model.ts";

const environmentCount = 2;

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	({ actor } = await givenActor(database.db, "acme"));
});
after(() => database?.close());

interface Handle {
	readonly lease: Lease;
	readonly line: WriteLine;
}

interface Real {
	readonly db: Db;
	readonly environments: EnvironmentId[];
	readonly operations: OperationId[];
	readonly handles: Handle[];
	/** Rows as they were when they became final. */
	readonly finals: Map<string, string>;
}

type Command = fc.AsyncCommand<Model, Real>;

let made = 0;
async function createReal(): Promise<Real> {
	const environments: EnvironmentId[] = [];
	for (let i = 0; i < environmentCount; i++) {
		const { id, environment } = await givenOrder(
			installation,
			actor,
			`life-${made++}`,
		);
		// The model begins with nothing.
		await sql`delete from events where environment_id = ${environment}`.execute(
			database.db,
		);
		await sql`delete from operations where id = ${id}`.execute(database.db);
		await sql`update environments set last_event_id = 0 where id = ${environment}`.execute(
			database.db,
		);
		environments.push(environment);
	}
	return {
		db: database.db,
		environments,
		operations: [],
		handles: [],
		finals: new Map(),
	};
}

const at = <T>(list: readonly T[], index: number): T => {
	const value = list[index];
	assert.ok(value !== undefined);
	return value;
};

/** What must hold after each step. */
async function check(model: Model, real: Real): Promise<void> {
	const { rows } = await sql<Record<string, unknown>>`
		select * from operations where environment_id in (${sql.join(real.environments)}) order by sequence`.execute(
		real.db,
	);
	assert.deepEqual(
		rows.map((row) => [row.state, row.attempt]),
		model.operations.map((one) => [one.state, one.attempt]),
	);
	for (const row of rows) {
		if (row.finished_at === null) continue;
		const now = JSON.stringify(row);
		const id = String(row.id);
		assert.equal(real.finals.get(id) ?? now, now, "a final state changed");
		real.finals.set(id, now);
	}
	for (const [i, environment] of real.environments.entries()) {
		const active = rows.filter(
			(row) =>
				row.environment_id === environment &&
				row.kind !== "preview" &&
				["running", "recovering", "cancelling"].includes(String(row.state)),
		);
		assert.ok(active.length <= 1, "two operations move one environment");
		const { rows: events } = await sql<{ id: number }>`
			select id from events where environment_id = ${environment} order by id`.execute(
			real.db,
		);
		assert.deepEqual(
			events.map(({ id }) => id),
			Array.from({ length: at(model.events, i) }, (_, n) => n + 1),
			"events have a gap, or one too many",
		);
	}
}

/** A command that is followed by the check. */
function step(
	name: string,
	run: (model: Model, real: Real) => Promise<void>,
	mayRun: (model: Model) => boolean = () => true,
): Command {
	return {
		check: mayRun,
		async run(model, real) {
			await run(model, real);
			await check(model, real);
		},
		toString: () => name,
	};
}

const isLost = { code: "lease_lost" };

/** A transaction of the owner, or its refusal. With `repeat` it comes again, as if its answer had been lost. */
async function write(
	{ db, handles }: Real,
	claim: { readonly number: number; readonly isEffective: boolean },
	options: {
		readonly repeat: boolean;
		readonly work: (trx: Db) => Promise<void>;
	},
): Promise<void> {
	const { lease, line } = at(handles, claim.number);
	const result = line(async (number) => {
		for (const expected of options.repeat ? ["held", "written"] : ["held"]) {
			await db.transaction().execute(async (trx) => {
				const held = await holdForWrite(trx, lease, number);
				assert.equal(held, expected);
				if (held === "held") await options.work(trx);
			});
		}
	});
	if (claim.isEffective) await result;
	else await assert.rejects(result, isLost);
}

const event = { type: "engine.warned", data: { message: "told" } } as const;

async function tellEvent(
	real: Real,
	model: Model,
	trx: Db,
	claim: number,
): Promise<void> {
	const index = at(model.claims, claim);
	await appendEvents(
		trx,
		{
			environment: at(real.environments, claimedBy(model, claim).environment),
			operation: at(real.operations, index),
		},
		[event],
	);
}

const ofSome = (
	list: (model: Model) => readonly unknown[],
	pickOne: number,
) => ({
	may: (model: Model) => list(model).length > 0,
	find: (model: Model) => pickOne % list(model).length,
});
const anOperation = (n: number) => ofSome((model) => model.operations, n);
/** A worker that is not gone: it may have lost its lease long ago. */
const aWorker = (n: number) => {
	const living = (model: Model) =>
		model.claims.map((_, i) => i).filter((i) => !model.crashed.has(i));
	return {
		may: (model: Model) => living(model).length > 0,
		find: (model: Model) => at(living(model), n % living(model).length),
	};
};

const orderIt = (environment: number, kind: OperationKind) =>
	step(`order ${kind} in ${environment}`, async (model, real) => {
		const place = at(real.environments, environment);
		const { id } = await real.db.transaction().execute((trx) =>
			request(trx, {
				environment: place,
				kind,
				revisionFrom: null,
				revisionTo: 1,
				actor,
			}),
		);
		real.operations.push(id);
		order(model, environment, kind);
	});

const supersede = (environment: number) =>
	step(`supersede in ${environment}`, async (model, real) => {
		await supersedeQueued(real.db, at(real.environments, environment));
		for (const one of model.operations) {
			if (one.environment === environment && one.state === "queued") {
				one.state = "superseded";
			}
		}
	});

/** Asked of what has ended it is refused, or was done before, and changes nothing. */
const cancel = (n: number) => {
	const operation = anOperation(n);
	return step(
		`cancel ${n}`,
		async (model, real) => {
			const index = operation.find(model);
			const id = at(real.operations, index);
			const found = await findOperation(real.db, id, undefined);
			assert.ok(found);
			await cancelOperation(installation, actor, found).catch(
				(error: unknown) => {
					assert.ok(isFinal(pick(model, index).state), String(error));
				},
			);
			cancelIt(model, index);
		},
		operation.may,
	);
};

async function claimInBoth(model: Model, real: Real, index: number) {
	const expected = mayBeClaimed(model, pick(model, index));
	const claimed = await claimOperation(real.db, {
		id: at(real.operations, index),
		owner: `worker-${model.claims.length}`,
		maxAttempts,
	});
	assert.equal(claimed !== undefined, expected, "who may claim");
	if (claimed === undefined) return;
	const isFirst = pick(model, index).timeLeftMs === undefined;
	assert.equal(claimed.isFirstClaim, isFirst);
	const before = real.handles
		.filter(({ lease }) => lease.operation === claimed.lease.operation)
		.map(({ lease }) => lease.fence);
	assert.ok(before.every((fence) => fence < claimed.lease.fence));
	claimIt(model, index);
	real.handles.push({ lease: claimed.lease, line: makeWriteLine() });
}

const claim = (n: number) => {
	const operation = anOperation(n);
	return step(
		`claim ${n}`,
		(model, real) => claimInBoth(model, real, operation.find(model)),
		operation.may,
	);
};

/** A worker that takes an operation and dies, noticed only when its lease is over. */
const abandon = (n: number) => {
	const operation = anOperation(n);
	return step(
		`abandon ${n}`,
		async (model, real) => {
			const claims = model.claims.length;
			await claimInBoth(model, real, operation.find(model));
			if (model.claims.length === claims) return;
			model.crashed.add(claims);
			await advanceBoth(model, real, leaseMs);
		},
		operation.may,
	);
};

/** One on which worker after worker dies. */
const exhaust = (n: number) => {
	const operation = anOperation(n);
	return step(
		`exhaust ${n}`,
		async (model, real) => {
			const index = operation.find(model);
			for (let attempt = 0; attempt < maxAttempts; attempt++) {
				const claims = model.claims.length;
				await claimInBoth(model, real, index);
				if (model.claims.length === claims) return;
				model.crashed.add(claims);
				await advanceBoth(model, real, leaseMs);
			}
		},
		operation.may,
	);
};

const renew = (n: number) => {
	const worker = aWorker(n);
	return step(
		`renew ${n}`,
		async (model, real) => {
			const number = worker.find(model);
			const result = renewLease(real.db, at(real.handles, number).lease);
			if (!mayRenew(model, number)) {
				await assert.rejects(result, isLost);
				return;
			}
			await result;
			claimedBy(model, number).leaseLeftMs = leaseMs;
		},
		worker.may,
	);
};

const writeEvent = (n: number, repeat: boolean) => {
	const worker = aWorker(n);
	return step(
		`write ${n}${repeat ? " twice" : ""}`,
		async (model, real) => {
			const number = worker.find(model);
			const effective = isEffective(model, number);
			const work = (trx: Db) => tellEvent(real, model, trx, number);
			await write(real, { number, isEffective: effective }, { repeat, work });
			if (effective) tell(model, claimedBy(model, number).environment, 1);
		},
		worker.may,
	);
};

async function finishInBoth(
	model: Model,
	real: Real,
	number: number,
	repeat: boolean,
) {
	const effective = isEffective(model, number);
	const work = async (trx: Db) => {
		await closeOperation(trx, at(real.handles, number).lease, {
			state: "succeeded",
			error: null,
		});
		await tellEvent(real, model, trx, number);
	};
	await write(real, { number, isEffective: effective }, { repeat, work });
	if (!effective) return;
	const one = claimedBy(model, number);
	one.state = "succeeded";
	tell(model, one.environment, 1);
}

const finish = (n: number, repeat: boolean) => {
	const worker = aWorker(n);
	return step(
		`finish ${n}${repeat ? " twice" : ""}`,
		(model, real) => finishInBoth(model, real, worker.find(model), repeat),
		worker.may,
	);
};

interface Pause {
	readonly delayMs: number;
	readonly countsAsAttempt: boolean;
}

async function releaseInBoth(
	model: Model,
	real: Real,
	number: number,
	pause: Pause,
): Promise<void> {
	const effective = isEffective(model, number);
	const { lease } = at(real.handles, number);
	const work = (trx: Db) => releaseLease(trx, lease, pause);
	await write(
		real,
		{ number, isEffective: effective },
		{ repeat: false, work },
	);
	if (!effective) return;
	const one = claimedBy(model, number);
	if (one.state !== "cancelling") one.state = "recovering";
	one.leaseLeftMs = 0;
	one.pauseLeftMs = pause.delayMs;
	if (!pause.countsAsAttempt) one.attempt -= 1;
}

const release = (n: number, pause: Pause) => {
	const worker = aWorker(n);
	return step(
		`release ${n} ${JSON.stringify(pause)}`,
		(model, real) => releaseInBoth(model, real, worker.find(model), pause),
		worker.may,
	);
};

/** A worker that takes an operation and gives it back at once, and another that wants it right then. */
const postpone = (n: number, pause: Pause) => {
	const operation = anOperation(n);
	return step(
		`postpone ${n} ${JSON.stringify(pause)}`,
		async (model, real) => {
			const index = operation.find(model);
			const claims = model.claims.length;
			await claimInBoth(model, real, index);
			if (model.claims.length > claims) {
				await releaseInBoth(model, real, claims, pause);
			}
			await claimInBoth(model, real, index);
		},
		operation.may,
	);
};

const crash = (n: number) => {
	const worker = aWorker(n);
	return step(
		`crash ${n}`,
		async (model) => {
			model.crashed.add(worker.find(model));
		},
		worker.may,
	);
};

async function sweepBoth(model: Model, real: Real): Promise<void> {
	const sent = new Set<OperationId>();
	await sweep({
		db: real.db,
		sealKey: installation.sealKey,
		sender: {
			async enqueue(id) {
				sent.add(id);
			},
		},
		log: silentLog,
	});
	for (const one of model.operations) {
		const end = endsAs(one);
		if (end === undefined) continue;
		one.state = end;
		tell(model, one.environment, 1);
	}
	for (const [i, one] of model.operations.entries()) {
		const wasSent = sent.has(at(real.operations, i));
		if (wasSent) assert.ok(mayBeClaimed(model, one), "sent for nothing");
		else {
			assert.ok(
				!mayBeClaimed(model, one) || one.sinceSentMs < 60_000,
				"forgotten for a minute",
			);
		}
		if (wasSent) one.sinceSentMs = 0;
	}
}
const sweepIt = () => step("sweep", sweepBoth);

/** The clock that matters is the database's: instead of turning it on, all times of what is open are set back. */
async function advanceBoth(model: Model, real: Real, ms: number) {
	const by = sql`make_interval(secs => ${ms / 1000})`;
	await sql`update operations set created_at = created_at - ${by}, enqueued_at = enqueued_at - ${by},
		started_at = started_at - ${by}, lease_expires_at = lease_expires_at - ${by},
		not_before = not_before - ${by}, deadline_at = deadline_at - ${by} where finished_at is null`.execute(
		real.db,
	);
	advance(model, ms);
}
const wait = (ms: number) =>
	step(`wait ${ms}`, (model, real) => advanceBoth(model, real, ms));

/** From here on nothing is ordered. Either one honest worker works off the line, or no worker ever comes again. */
async function endAll(model: Model, real: Real, hasWorker: boolean) {
	let passedMs = 0;
	while (model.operations.some(({ state }) => !isFinal(state))) {
		assert.ok(passedMs <= 2 * longestLifeMs, "an operation lives for ever");
		const stepMs = hasWorker ? 60_000 : longestLifeMs / 4;
		await advanceBoth(model, real, stepMs);
		passedMs += stepMs;
		await sweepBoth(model, real);
		if (!hasWorker) continue;
		for (const [i, one] of model.operations.entries()) {
			if (!mayBeClaimed(model, one)) continue;
			await claimInBoth(model, real, i);
			await finishInBoth(model, real, model.claims.length - 1, false);
		}
	}
	await check(model, real);
}

// Multiples of five seconds: what the steps themselves take is less, so it decides nothing.
const times = fc.constantFrom(
	5_000,
	10_000,
	15_000,
	60_000,
	30 * 60_000,
	86_400_000,
);
const n = fc.nat({ max: 1_000 });
const environments = fc.nat({ max: environmentCount - 1 });
const pauses = fc.record({
	delayMs: fc.constantFrom(0, 5_000, 20_000),
	countsAsAttempt: fc.boolean(),
});
const commands = fc.commands<Model, Real, false>(
	[
		fc
			.tuple(environments, fc.constantFrom(...operationKinds))
			.map((a) => orderIt(...a)),
		environments.map(supersede),
		n.map(claim),
		n.map(claim),
		n.map(abandon),
		n.map(abandon),
		n.map(exhaust),
		n.map(renew),
		n.map(cancel),
		fc.tuple(n, fc.boolean()).map((a) => writeEvent(...a)),
		fc.tuple(n, fc.boolean()).map((a) => finish(...a)),
		fc.tuple(n, pauses).map((a) => release(...a)),
		fc.tuple(n, pauses).map((a) => postpone(...a)),
		n.map(crash),
		fc.constant(sweepIt()),
		times.map(wait),
		times.map(wait),
	],
	{ maxCommands: 60, size: "max" },
);

test("whatever happens to operations, the store does what the model says, and all of them end", async () => {
	const seen = new Set<string>();
	let steps = 0;
	await fc.assert(
		fc.asyncProperty(commands, fc.boolean(), async (list, hasWorker) => {
			const model = createModel(environmentCount);
			const real = await createReal();
			await fc.asyncModelRun(() => ({ model, real }), list);
			steps += [...list].length;
			await endAll(model, real, hasWorker);
			for (const { state } of model.operations) seen.add(state);
			assert.ok(!model.operations.some(isActive));
		}),
		{ numRuns: 60, endOnFailure: true },
	);
	// A model that hardly moves proves nothing.
	assert.ok(steps > 400, `${steps} steps`);
	assert.deepEqual([...seen].sort(), [
		"cancelled",
		"stalled",
		"succeeded",
		"superseded",
		"timed_out",
	]);
});
