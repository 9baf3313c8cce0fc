// Orders that an environment be put to sleep or woken: the next revision, with the content of the one before and the
// other power, and the operation that applies it.
import {
	type Environment,
	type Lifecycle,
	lifecycleDuring,
	refusal,
} from "../domain/environment.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";
import { knowsPower } from "../domain/power.ts";
import type { Power } from "../domain/spec.ts";
import type { Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { hasExpired } from "../store/expiries.ts";
import { findOpenOperation } from "../store/operations.ts";
import {
	loadBegunRevision,
	loadRevision,
	type StoredRevision,
} from "../store/revisions.ts";
import { findLastBegun } from "../store/wishes.ts";
import { loadParameters, recordRevision } from "./parameters.ts";
import { heedQuota, within } from "./quota.ts";
import {
	isUnneeded,
	nudge,
	request,
	type Unneeded,
	type VerbContext,
} from "./request.ts";

export type PowerKind = "hibernate" | "wake";

const powerAfter: Readonly<Record<PowerKind, Power>> = {
	hibernate: "hibernated",
	wake: "on",
};

/** States in which it is as asked for, or will be by what is on its way. Being changed, an environment is on. */
const unneededIn: Readonly<
	Record<PowerKind, Partial<Record<Lifecycle, string>>>
> = {
	hibernate: { hibernated: "It is hibernated already." },
	wake: {
		creating: "It is being created, and does not hibernate.",
		ready: "It does not hibernate.",
		upgrading: "It is being upgraded, and does not hibernate.",
		rolling_back: "It is being rolled back, and does not hibernate.",
		restoring: "It is being restored, and does not hibernate.",
		rotating: "Its secrets are being rotated, and it does not hibernate.",
	},
};

/**
 * Waits its turn behind a running operation. Asked again while it is on its way, the same operation is returned. Throws
 * `conflict` when the state of the environment forbids it, and `quota_exceeded` when its tenant may not have one more awake.
 */
export async function changePower(
	context: VerbContext,
	actor: Orderer,
	order: {
		readonly environment: Pick<Environment, "id">;
		readonly kind: PowerKind;
	},
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, (trx) =>
		changeLocked({ ...context, db: trx }, actor, order),
	);
	if (!isUnneeded(answer)) nudge(context, answer);
	return answer;
}

/** In a transaction of the caller's, who nudges after it. */
export async function changeLocked(
	context: VerbContext,
	actor: Orderer,
	{
		environment: { id },
		kind,
		options = {},
	}: {
		readonly environment: Pick<Environment, "id">;
		readonly kind: PowerKind;
		readonly options?: OperationOptions;
	},
): Promise<Operation | Unneeded> {
	const { db } = context;
	const current = await lockEnvironment(db, id);
	const { lifecycle } = current;
	const nothingToDo = unneededIn[kind][lifecycle];
	if (nothingToDo !== undefined)
		return { environment: id, nothingToDo, revision: current.desiredRevision };
	if (lifecycle === lifecycleDuring[kind]) {
		const underway = await findOpenOperation(db, id, kind);
		if (underway !== undefined) return underway;
	}
	const lastBegun = await findLastBegun(db, id);
	const reason = refusal(kind, current, lastBegun?.kind);
	if (reason !== undefined) throw refuse(reason);
	if (kind === "wake" && (await hasExpired(db, id))) throw refuseExpired();

	const before = await findBefore(db, current);
	if (!knowsPower(before.blueprintVersion))
		throw refuseVersion(current.blueprint, before.blueprintVersion);
	const order = { current, before, kind, options };
	return heedQuota(db, within(current, actor), () =>
		writeOrder(context, actor, order),
	);
}

async function writeOrder(
	context: VerbContext,
	actor: Orderer,
	order: {
		readonly current: Environment;
		readonly before: StoredRevision;
		readonly kind: PowerKind;
		readonly options: OperationOptions;
	},
): Promise<Operation> {
	const { db } = context;
	const { current, before, kind, options } = order;
	const { id, lifecycle } = current;
	const number = current.desiredRevision + 1;
	const { blueprintVersion, release, size } = before;
	await recordRevision(context, {
		environment: id,
		number,
		blueprintVersion,
		release,
		size,
		parameters: await loadParameters(context, id, before),
		power: powerAfter[kind],
		// What sleeps repeats what ran, and so does what wakes.
		basedOn:
			before.power === "on" ? before.number : (before.basedOn ?? before.number),
	});
	const ordered = await request(db, {
		environment: id,
		kind,
		revisionFrom: current.revision,
		revisionTo: number,
		actor,
		options,
	});
	await updateEnvironment(db, id, {
		lifecycle: lifecycleDuring[kind] ?? lifecycle,
		desiredRevision: number,
	});
	return ordered;
}

/** What it will have been brought to when the order's turn comes. */
const findBefore = (
	db: Db,
	{ id, lifecycle, desiredRevision }: Environment,
): Promise<StoredRevision> =>
	lifecycle === "hibernating" || lifecycle === "waking"
		? loadRevision(db, id, desiredRevision)
		: loadBegunRevision(db, id);

const untouched = "Nothing was ordered.";

const refuse = (message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched,
		advice: "Wait for the end of what goes on, or do first what is said.",
	});

/** It would be put to sleep again at once. */
const refuseExpired = (): Failure =>
	new Failure({
		code: "conflict",
		message: "Its time is over.",
		untouched,
		advice:
			'Extend it first: POST /v1/environments/{id}:extend with {"ttl": "8h"}, or as long as is needed.',
	});

const refuseVersion = (blueprint: string, version: string): Failure =>
	new Failure({
		code: "conflict",
		message: `It runs the blueprint ${blueprint}@${version}, which cannot hibernate.`,
		untouched,
		advice:
			'Upgrade it first, which brings it to the current version: POST /v1/environments/{id}:upgrade with {"parameters": {}} changes nothing else.',
	});
