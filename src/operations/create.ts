// Orders a new environment: revision 1, its secrets, and the operation that brings it up.
import { currentVersions } from "../domain/blueprint.ts";
import {
	createEnvironmentId,
	createOperationId,
	createSuffix,
} from "../domain/ids.ts";
import { namespaceName, namespaceSuffixLength } from "../domain/names.ts";
import type { Operation } from "../domain/operation.ts";
import { createSecrets } from "../domain/secret.ts";
import type { EnvironmentSpec } from "../domain/spec.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { type QueuePlace, readClock } from "../store/operations.ts";
import { createOrder } from "../store/orders.ts";
import { findRelease } from "../store/releases.ts";
import { sealParameters, secretPlace } from "./parameters.ts";
import { nudge, type VerbContext } from "./request.ts";
import { planSchedule } from "./schedules.ts";

const untouched = "Nothing was ordered.";

/** What was ordered, with its place in the queue. */
export interface Ordered extends Operation {
	readonly place: QueuePlace;
}

/**
 * Throws `conflict` when the tenant has a living environment of that name, and `invalid_request` when the
 * release or the target does not exist.
 */
export async function createEnvironment(
	context: VerbContext,
	actor: Actor,
	spec: EnvironmentSpec,
): Promise<Ordered> {
	const id = createEnvironmentId();
	const { shown, sealed } = sealParameters(context.sealKey, {
		environment: id,
		number: 1,
		parameters: spec.parameters,
	});
	const ordered = await createOrder(context.db, {
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
		secrets: new Map([...sealSecrets(context, id), ...sealed]),
		operation: createOperationId(),
		schedule:
			spec.schedule === undefined
				? null
				: planSchedule(spec.schedule, await readClock(context.db)),
		requestedBy: actor.name,
	});
	if (ordered === undefined) throw await explainMissing(context.db, spec);
	nudge(context, ordered.operation);
	return { ...ordered.operation, place: ordered.place };
}

function sealSecrets(context: VerbContext, environment: string) {
	return new Map(
		Object.entries(createSecrets()).map(([name, value]) => [
			name,
			seal(context.sealKey, secretPlace(environment, name), value),
		]),
	);
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
