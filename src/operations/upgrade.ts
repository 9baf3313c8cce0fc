// Orders that an environment be brought to another release, size or other parameters: the next revision, and
// the operation that rolls it out.
import { currentVersions } from "../domain/blueprint.ts";
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";
import { changeParameters } from "../domain/parameters-change.ts";
import type { Release } from "../domain/release.ts";
import type { BlueprintName, EnvironmentChange } from "../domain/spec.ts";
import type { Orderer } from "../domain/tenant.ts";
import { Failure, type FieldError } from "../failure.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { supersedeQueued } from "../store/operations.ts";
import { findRelease } from "../store/releases.ts";
import { recordRevision } from "./parameters.ts";
import { heedQuota, within } from "./quota.ts";
import {
	isUnneeded,
	nudge,
	reportSuperseded,
	request,
	type Unneeded,
	type VerbContext,
} from "./request.ts";
import { findLosses, findNothing, openLastWish, type Wish } from "./wish.ts";

const untouched = "Nothing was ordered.";

/**
 * In the caller's transaction, if the context's connection is one. Waits its turn behind a running operation; an upgrade
 * that has not begun is superseded. Throws `conflict` when the state of the environment forbids it, and
 * `invalid_request` when the release does not exist or the change cannot be carried out; and `quota_exceeded` when it takes
 * more than its tenant has left.
 */
export async function upgradeEnvironment(
	context: VerbContext,
	actor: Orderer,
	order: {
		readonly environment: Environment;
		readonly change: EnvironmentChange;
		/** Without them nothing is done before it or follows from it. */
		readonly options?: OperationOptions;
	},
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, async (trx) => {
		const inside = { ...context, db: trx };
		const current = await lockEnvironment(trx, order.environment.id);
		const reason = refusal("upgrade", current);
		if (reason !== undefined) throw refuse(reason);
		const before = await openLastWish(inside, current);
		const wish = await applyChange(inside, before, {
			...order.change,
			blueprint: current.blueprint as BlueprintName,
		});
		const nothing = await findNothing(inside, current, { before, wish });
		if (nothing !== undefined) return nothing;
		const losses = await findLosses(inside, current, wish);
		if (losses.length > 0) throw refuseFields(losses);

		return heedQuota(trx, within(current, actor), () =>
			writeOrder(inside, actor, {
				current,
				wish,
				options: order.options ?? {},
			}),
		);
	});
	if (!isUnneeded(answer)) nudge(context, answer);
	return answer;
}

async function writeOrder(
	inside: VerbContext,
	actor: Orderer,
	order: {
		readonly current: Environment;
		readonly wish: Wish;
		readonly options: OperationOptions;
	},
): Promise<Operation> {
	const { db } = inside;
	const { current, wish, options } = order;
	const { id, revision, desiredRevision } = current;
	const superseded = await supersedeQueued(db, id, ["upgrade", "rollback"]);
	const number = desiredRevision + 1;
	await recordRevision(inside, { environment: id, number, ...wish });
	const ordered = await request(db, {
		environment: id,
		kind: "upgrade",
		revisionFrom: revision,
		revisionTo: number,
		actor,
		options,
	});
	await reportSuperseded(db, superseded, ordered.id);
	await updateEnvironment(db, id, {
		lifecycle: "upgrading",
		desiredRevision: number,
	});
	return ordered;
}

async function applyChange(
	{ db }: VerbContext,
	before: Wish,
	change: EnvironmentChange & { readonly blueprint: BlueprintName },
): Promise<Wish> {
	const { parameters, errors } = changeParameters(
		before.parameters,
		change.parameters ?? {},
	);
	if (errors.length > 0) {
		throw refuseFields(
			errors.map(({ pointer, message }) => ({
				pointer: `/parameters${pointer}`,
				message,
			})),
		);
	}
	return {
		// The newest program: what an upgrade leaves alone is what it is given, not the code that carries it out.
		blueprintVersion: currentVersions[change.blueprint],
		release:
			change.release === undefined
				? before.release
				: await findOrderedRelease(db, change.release),
		size: change.size ?? before.size,
		parameters,
	};
}

async function findOrderedRelease(
	db: VerbContext["db"],
	name: string,
): Promise<Release> {
	const release = await findRelease(db, name);
	if (release === undefined) {
		throw refuseFields(
			[{ pointer: "/release", message: `names no release: ${name}` }],
			"GET /v1/releases lists those that exist.",
		);
	}
	return { name: release.name, images: release.images };
}

const refuse = (
	message: string,
	advice = "Wait for the end of what goes on, or order another environment.",
): Failure => new Failure({ code: "conflict", message, untouched, advice });

const refuseFields = (
	errors: readonly FieldError[],
	advice = "Correct what `errors` points at and order again.",
): Failure =>
	new Failure({
		code: "invalid_request",
		message: `The environment cannot be changed so: ${errors.map(({ pointer, message }) => `${pointer} ${message}`).join("; ")}.`,
		untouched,
		advice,
		errors,
	});
