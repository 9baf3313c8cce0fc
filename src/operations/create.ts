// Orders a new environment: revision 1, its secrets, and the operation that brings it up.
import { currentVersions } from "../domain/blueprint.ts";
import { findTtlError, planExpiry } from "../domain/expiry.ts";
import {
	createEnvironmentId,
	createOperationId,
	createSuffix,
} from "../domain/ids.ts";
import { namespaceName, namespaceSuffixLength } from "../domain/names.ts";
import type { Operation } from "../domain/operation.ts";
import type { QueuePlace } from "../domain/queue.ts";
import { hasLimits } from "../domain/quota.ts";
import type { EnvironmentSpec } from "../domain/spec.ts";
import type { Actor, Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { readClock } from "../store/operations.ts";
import { createOrder, type NewEnvironment } from "../store/orders.ts";
import { findRelease } from "../store/releases.ts";
import { sealParameters } from "./parameters.ts";
import { heedQuota } from "./quota.ts";
import { nudge, type VerbContext } from "./request.ts";
import { planSchedule } from "./schedules.ts";
import { sealNewSecrets } from "./secrets.ts";

const untouched = "Nothing was ordered.";

/** What was ordered, with its place in the queue. */
export interface Ordered extends Operation {
	readonly place: QueuePlace;
}

/**
 * Throws `conflict` when the tenant has a living environment of that name, and `invalid_request` when the
 * release or the target does not exist, or the time to live is beyond the tenant's maximum. Throws `quota_exceeded` when
 * the tenant may not have one more of it.
 */
export async function createEnvironment(
	context: VerbContext,
	actor: Actor,
	spec: EnvironmentSpec,
): Promise<Ordered> {
	const { settings } = actor.tenant;
	refuseTtl(spec.ttl, settings);
	const id = createEnvironmentId();
	const { shown, sealed } = sealParameters(context.sealKey, {
		environment: id,
		number: 1,
		parameters: spec.parameters,
	});
	const order: NewEnvironment = {
		...spec,
		id,
		tenant: actor.tenant.id,
		parameters: shown,
		blueprintVersion: currentVersions[spec.blueprint],
		namespace: namespaceName(
			actor.tenant.name,
			spec.name,
			createSuffix(namespaceSuffixLength),
		),
		secrets: new Map([...sealNewSecrets(context.sealKey, id), ...sealed]),
		expiry: planExpiry(spec, settings),
		operation: createOperationId(),
		schedule:
			spec.schedule === undefined
				? null
				: planSchedule(spec.schedule, await readClock(context.db)),
		requestedBy: actor.name,
	};
	const ordered = hasLimits(settings.quota)
		? await transact(context.db, (trx) => orderWithin(trx, actor, order))
		: // One statement, which is a transaction of its own.
			await createOrder(context.db, order);
	if (ordered === undefined) throw await explainMissing(context.db, spec);
	nudge(context, ordered.operation);
	return { ...ordered.operation, place: ordered.place };
}

/** Throws `quota_exceeded` when the tenant may not have one more of it. */
export function orderWithin(
	trx: Db,
	orderer: Orderer,
	order: NewEnvironment,
): ReturnType<typeof createOrder> {
	const whose = { tenant: order.tenant };
	return heedQuota(trx, { environment: order.id, whose, orderer }, () =>
		createOrder(trx, order),
	);
}

/** Throws `invalid_request` when the tenant may not have an environment for so long. */
export function refuseTtl(
	ttl: EnvironmentSpec["ttl"],
	settings: Actor["tenant"]["settings"],
): void {
	const error = ttl === undefined ? undefined : findTtlError(ttl, settings);
	if (error === undefined) return;
	throw new Failure({
		code: "invalid_request",
		message: `It cannot live so long: /ttl ${error}.`,
		untouched,
		advice:
			"Ask for less; it can be extended later. The platform admin may raise the tenant's `ttlMax`.",
		errors: [{ pointer: "/ttl", message: error }],
	});
}

async function explainMissing(
	db: Db,
	{ release, target }: EnvironmentSpec,
): Promise<Failure> {
	return (await findRelease(db, release)) === undefined
		? unknown("release", release)
		: unknown("target", target);
}

function unknown(
	what: "release" | "target",
	name: string | undefined,
): Failure {
	const message =
		name === undefined
			? `There is no default ${what}.`
			: `There is no ${what} named "${name}".`;
	return new Failure({
		code: "invalid_request",
		message,
		untouched,
		advice: `GET /v1/${what}s lists those that exist.`,
		errors: [{ pointer: `/${what}`, message: "does not exist" }],
	});
}
