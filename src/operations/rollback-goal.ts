// To which revision a rollback goes, and what forbids it: shared by the verb and by the service itself, which takes back
// an upgrade that failed.
import { type BlueprintVersion, currentVersions } from "../domain/blueprint.ts";
import type { Environment } from "../domain/environment.ts";
import type { BlueprintName, RollbackOrder } from "../domain/spec.ts";
import { Failure, type FailureCode } from "../failure.ts";
import { findDigest, hasBundle } from "../store/bundles.ts";
import {
	listRevisions,
	listSucceededRevisions,
	loadBegunRevision,
	type StoredRevision,
} from "../store/revisions.ts";
import { findLosses, openWish, type Wish, type WishContext } from "./wish.ts";

/** What the next revision repeats. Holds secrets. */
export interface RollbackGoal {
	readonly basedOn: number;
	readonly wish: Wish;
	/** Of the code that ran then; null where only the version is known, which this service has. */
	readonly digest: string | null;
}

type Choice = Pick<RollbackOrder, "to" | "data">;

/**
 * Throws `invalid_request` for a revision that does not exist, and `conflict` for one that runs, that was never brought
 * to its end, whose code is gone, or back to which Kubernetes cannot be brought.
 */
export async function findRollbackGoal(
	context: WishContext,
	environment: Environment,
	choice: Choice,
): Promise<RollbackGoal> {
	const revision = await findRevision(context, environment, choice);
	const digest = await findCode(context, environment, revision);
	const wish = await openWish(context, revision);
	const losses = await findLosses(context, environment, wish);
	if (losses.length > 0) {
		throw refuse(
			`Revision ${revision.number} cannot be gone back to, because Kubernetes cannot take back what came after it: ${losses.map(({ pointer, message }) => `its ${pointer} ${message}`).join("; ")}.`,
			"Upgrade to the older release with the sizes of now, or order another environment.",
		);
	}
	return { basedOn: revision.number, wish, digest };
}

async function findRevision(
	{ db }: WishContext,
	environment: Environment,
	{ to, data }: Choice,
): Promise<StoredRevision> {
	const begun = await loadBegunRevision(db, environment.id);
	const succeeded = await listSucceededRevisions(db, environment.id);
	const all = await listRevisions(db, environment.id);
	if (to === undefined) {
		const limit = findLimit(environment, begun, all);
		const isOlder = ({ number }: StoredRevision) =>
			number < limit || (data === "restore" && number === limit);
		const found = succeeded.find(
			(one) => isOlder(one) && one.number !== begun.number,
		);
		if (found === undefined) throw refuseOldest(environment, limit);
		return found;
	}
	const named = all.find(({ number }) => number === to);
	if (named === undefined) throw refuseUnknown(to, succeeded);
	if (!succeeded.some(({ number }) => number === to)) {
		throw refuse(
			`Revision ${to} was never brought to its end, so nobody knows whether it works.`,
			`Choose one of those that were: ${list(succeeded)}.`,
		);
	}
	if (to === begun.number) {
		throw refuse(
			`Revision ${to} is the current one.`,
			environment.lifecycle === "failed"
				? "Try the operation again that failed, with POST /v1/operations/{id}:retry, or choose an older revision."
				: "Choose an older revision.",
		);
	}
	return named;
}

/**
 * Before which revision the last one is looked for. A rollback that succeeded repeats an older one, and what it took
 * back is not gone back to by the next.
 */
function findLimit(
	{ lifecycle }: Environment,
	begun: StoredRevision,
	all: readonly StoredRevision[],
): number {
	if (lifecycle === "failed") return begun.number;
	let origin = begun;
	for (;;) {
		const next = all.find(({ number }) => number === origin.basedOn);
		if (next === undefined) return origin.number;
		origin = next;
	}
}

/** The digest of the code that the revision ran. Throws `conflict` when no worker could run it any more. */
async function findCode(
	{ db }: WishContext,
	environment: Environment,
	revision: StoredRevision,
): Promise<string | null> {
	const name = environment.blueprint as BlueprintName;
	const version = revision.blueprintVersion;
	const blueprint: BlueprintVersion = { name, version };
	const digest = revision.digest ?? (await findDigest(db, blueprint));
	if (digest === undefined && version === currentVersions[name]) return null;
	if (digest !== undefined && (await hasBundle(db, digest))) return digest;
	throw refuse(
		`The code of revision ${revision.number} (${name}@${version}) is not kept here any more, so it cannot be applied.`,
		"Upgrade to the older release, which the current code brings about, or choose another revision.",
	);
}

function refuseOldest(
	{ lifecycle, desiredRevision }: Environment,
	limit: number,
): Failure {
	return lifecycle === "rolling_back"
		? refuse(
				`It is being rolled back already, as revision ${desiredRevision}, and nothing that works is older than that.`,
				"Follow the operation that its activeOperation names.",
			)
		: refuse(
				`No revision before ${limit} was brought to its end, so there is nothing to go back to.`,
				"Look at its revisions, and upgrade to what you want.",
			);
}

const refuseUnknown = (to: number, succeeded: readonly StoredRevision[]) =>
	refuse(
		`The environment has no revision ${to}.`,
		`Choose one of those that were brought to their end: ${list(succeeded)}.`,
		"invalid_request",
	);

const list = (revisions: readonly StoredRevision[]): string =>
	revisions.map(({ number }) => number).join(", ");

const refuse = (
	message: string,
	advice: string,
	code: FailureCode = "conflict",
): Failure =>
	new Failure({
		code,
		message,
		untouched: "Nothing was ordered.",
		advice,
		errors: [{ pointer: "/to", message }],
	});
