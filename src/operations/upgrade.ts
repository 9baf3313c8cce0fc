// Orders that an environment be brought to another release, size or other parameters: the next revision, and
// the operation that rolls it out.
import { isDeepStrictEqual } from "node:util";
import { currentVersions } from "../domain/blueprint.ts";
import { dataKinds, findForbiddenChanges } from "../domain/change.ts";
import {
	type Environment,
	movingKinds,
	refusal,
} from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { Parameters } from "../domain/parameters.ts";
import { changeParameters } from "../domain/parameters-change.ts";
import type { Release } from "../domain/release.ts";
import type { BlueprintName, EnvironmentChange, Size } from "../domain/spec.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure, type FieldError } from "../failure.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { supersedeQueued } from "../store/operations.ts";
import { findRelease } from "../store/releases.ts";
import {
	loadBegunRevision,
	loadReachedRevision,
	loadRevision,
	type StoredRevision,
} from "../store/revisions.ts";
import { requireUnmoved } from "./bound.ts";
import { loadParameters, recordRevision } from "./parameters.ts";
import {
	nudge,
	reportSuperseded,
	request,
	type VerbContext,
} from "./request.ts";

const untouched = "Nothing was ordered.";

/** All that one revision wishes for. Holds secrets. */
export interface Wish {
	readonly blueprintVersion: string;
	readonly release: Release;
	readonly size: Size;
	readonly parameters: Parameters;
}

/**
 * Waits its turn behind a running operation; an upgrade that has not begun is superseded. Throws `conflict` when the
 * state of the environment forbids it or there is nothing to change, and `invalid_request` when the release does not
 * exist or the change cannot be carried out.
 */
export async function upgradeEnvironment(
	context: VerbContext,
	actor: Actor,
	order: {
		readonly environment: Environment;
		readonly change: EnvironmentChange;
		readonly previewId?: string | undefined;
	},
): Promise<Operation> {
	const operation = await context.db.transaction().execute(async (trx) => {
		const inside = { ...context, db: trx };
		const current = await lockEnvironment(trx, order.environment.id);
		const wish = await planUpgrade(inside, current, order.change);
		const bound = await requireUnmoved(inside, current, {
			verb: "upgrade",
			body: order.change,
			previewId: order.previewId,
			blueprintVersion: wish.blueprintVersion,
		});

		const superseded = await supersedeQueued(trx, current.id, movingKinds);
		const number = current.desiredRevision + 1;
		await recordRevision(inside, {
			environment: current.id,
			number,
			...wish,
		});
		const ordered = await request(trx, {
			environment: current.id,
			kind: "upgrade",
			revisionFrom: current.revision,
			revisionTo: number,
			actor,
			options: bound,
		});
		await reportSuperseded(trx, superseded, ordered.id);
		await updateEnvironment(trx, current.id, {
			lifecycle: "upgrading",
			desiredRevision: number,
		});
		return ordered;
	});
	nudge(context, operation);
	return operation;
}

/** What an upgrade would bring the environment, which the transaction holds, to. Writes nothing. Throws what the verb does. */
export async function planUpgrade(
	inside: VerbContext,
	current: Environment,
	change: EnvironmentChange,
): Promise<Wish> {
	const reason = refusal("upgrade", current);
	if (reason !== undefined) throw refuse(reason);
	const begun = await openWish(
		inside,
		await loadBegunRevision(inside.db, current.id),
	);
	const before = await findBase(inside, current, begun);
	const wish = await applyChange(inside, before, {
		...change,
		blueprint: current.blueprint as BlueprintName,
	});
	refuseNothing(current, before, wish);
	await refuseLoss(inside, current, wish);
	return wish;
}

/** What a change builds on: the last that was asked for, unless it was taken back before anybody began it. */
async function findBase(
	context: VerbContext,
	{ id, lifecycle, desiredRevision }: Environment,
	begun: Wish,
): Promise<Wish> {
	if (lifecycle !== "upgrading") return begun;
	return openWish(context, await loadRevision(context.db, id, desiredRevision));
}

/** A revision with its parameters opened. */
export async function openWish(
	context: VerbContext,
	revision: StoredRevision,
): Promise<Wish> {
	const { environment, blueprintVersion, release, size } = revision;
	const parameters = await loadParameters(context, environment, revision);
	return { blueprintVersion, release, size, parameters };
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

/** After a failure there is always something to do: nobody knows how far it came. */
function refuseNothing(
	{ lifecycle, revision, desiredRevision }: Environment,
	before: Wish,
	wish: Wish,
): void {
	if (lifecycle === "failed" || !isDeepStrictEqual(before, wish)) return;
	throw lifecycle === "ready"
		? refuse(
				`There is nothing to change: it runs exactly that already, as revision ${revision}.`,
				"Look at its revisions for what it runs, and order what differs.",
			)
		: refuse(
				`There is nothing to change: exactly that is on its way already, as revision ${desiredRevision}.`,
				"Follow the operation that its activeOperation names.",
			);
}

/** A failed upgrade may have made claims larger or a replica set of three: then its revision counts, not the one that runs. */
async function refuseLoss(
	context: VerbContext,
	{ id, revision }: Environment,
	wish: Wish,
): Promise<void> {
	const reached = await loadReachedRevision(context.db, id, {
		running: revision ?? 1,
		kinds: dataKinds,
	});
	const before = await openWish(context, reached);
	const errors = findForbiddenChanges(before, wish);
	if (errors.length > 0) throw refuseFields(errors);
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
