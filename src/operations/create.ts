// Orders a new environment: revision 1, its secrets, and the operation that brings it up.
import { currentVersions } from "../domain/blueprint.ts";
import { createEnvironmentId, createSuffix } from "../domain/ids.ts";
import { namespaceName, namespaceSuffixLength } from "../domain/names.ts";
import type { Operation } from "../domain/operation.ts";
import { createSecrets } from "../domain/secret.ts";
import type { EnvironmentSpec } from "../domain/spec.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { seal } from "../seal.ts";
import { createEnvironment as insertEnvironment } from "../store/environments.ts";
import { findRelease } from "../store/releases.ts";
import { createSealedSecrets } from "../store/secrets.ts";
import { findTarget } from "../store/targets.ts";
import { recordRevision, secretPlace } from "./parameters.ts";
import { nudge, request, type VerbContext } from "./request.ts";

const untouched = "Nothing was ordered.";

/**
 * Throws `conflict` when the tenant has a living environment of that name, and `invalid_request` when the
 * release or the target does not exist.
 */
export async function createEnvironment(
	context: VerbContext,
	actor: Actor,
	spec: EnvironmentSpec,
): Promise<Operation> {
	const id = createEnvironmentId();
	const operation = await context.db.transaction().execute(async (trx) => {
		const release = await findRelease(trx, spec.release);
		if (release === undefined) throw unknown("release", spec.release);
		const target = await findTarget(trx, spec.target);
		if (target === undefined) throw unknown("target", spec.target);

		await insertEnvironment(trx, {
			id,
			tenant: actor.tenant.id,
			target: target.id,
			name: spec.name,
			blueprint: spec.blueprint,
			description: spec.description,
			labels: spec.labels,
			namespace: namespaceName(
				actor.tenant.name,
				spec.name,
				createSuffix(namespaceSuffixLength),
			),
		});
		await recordRevision(
			{ db: trx, sealKey: context.sealKey },
			{
				environment: id,
				number: 1,
				blueprintVersion: currentVersions[spec.blueprint],
				release,
				size: spec.size,
				parameters: spec.parameters,
			},
		);
		await createSealedSecrets(trx, id, sealAll(context, id));
		return request(trx, {
			environment: id,
			kind: "create",
			revisionFrom: null,
			revisionTo: 1,
			actor,
		});
	});
	nudge(context, operation);
	return operation;
}

function sealAll(context: VerbContext, environment: string) {
	return new Map(
		Object.entries(createSecrets()).map(([name, value]) => [
			name,
			seal(context.sealKey, secretPlace(environment, name), value),
		]),
	);
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
