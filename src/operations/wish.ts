// What a revision wishes for, and what it is compared with.
import { isDeepStrictEqual } from "node:util";
import { dataKinds, findForbiddenChanges } from "../domain/change.ts";
import { type Environment, isOnItsWay } from "../domain/environment.ts";
import type { Parameters } from "../domain/parameters.ts";
import type { Release } from "../domain/release.ts";
import type { Size } from "../domain/spec.ts";
import type { FieldError } from "../failure.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import {
	loadBegunRevision,
	loadReachedRevision,
	loadRevision,
	type StoredRevision,
} from "../store/revisions.ts";
import { isBeingCancelled } from "../store/wishes.ts";
import { loadParameters } from "./parameters.ts";
import type { Unneeded } from "./request.ts";

export interface WishContext {
	readonly db: Db;
	readonly sealKey: SealKey;
}

/** All that one revision wishes for. Holds secrets. */
export interface Wish {
	readonly blueprintVersion: string;
	readonly release: Release;
	readonly size: Size;
	readonly parameters: Parameters;
}

export async function openWish(
	context: WishContext,
	revision: StoredRevision,
): Promise<Wish> {
	const { environment, blueprintVersion, release, size } = revision;
	const parameters = await loadParameters(context, environment, revision);
	return { blueprintVersion, release, size, parameters };
}

/** The last wish that was asked for, unless it was taken back before anybody began it. */
export async function openLastWish(
	context: WishContext,
	{ id, lifecycle, desiredRevision }: Environment,
): Promise<Wish> {
	const revision = isOnItsWay(lifecycle)
		? await loadRevision(context.db, id, desiredRevision)
		: await loadBegunRevision(context.db, id);
	return openWish(context, revision);
}

/**
 * Says so if the wish is that of before. After a failure there is always something to do, because nobody knows how far it
 * came, and so there is while the one before is being cancelled.
 */
export async function findNothing(
	{ db }: Pick<WishContext, "db">,
	{ id, lifecycle, revision, desiredRevision }: Environment,
	{ before, wish }: { readonly before: Wish; readonly wish: Wish },
): Promise<Unneeded | undefined> {
	if (lifecycle === "failed" || !isDeepStrictEqual(before, wish)) return;
	if (await isBeingCancelled(db, id, desiredRevision)) return;
	return lifecycle === "ready"
		? {
				environment: id,
				nothingToDo: `There is nothing to change: it runs exactly that already, as revision ${revision}.`,
				revision: revision ?? desiredRevision,
			}
		: {
				environment: id,
				nothingToDo: `There is nothing to change: exactly that is on its way already, as revision ${desiredRevision}.`,
				revision: desiredRevision,
			};
}

/**
 * The places of a wish that could not be carried out without loss. A failed upgrade may have made claims larger or a
 * replica set of three: then its revision counts, not the one that runs.
 */
export async function findLosses(
	context: WishContext,
	{ id, revision }: Environment,
	wish: Wish,
): Promise<FieldError[]> {
	const reached = await loadReachedRevision(context.db, id, {
		running: revision ?? 1,
		kinds: dataKinds,
	});
	return findForbiddenChanges(await openWish(context, reached), wish);
}
