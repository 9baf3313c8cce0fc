// The secrets of an environment: made when it is ordered, opened for the program, replaced by a rotation.
//
// A new value waits beside the old one from the moment before it is first applied. From then on every run uses it,
// whatever the run is for, since pods may have it already; the first operation that comes to its end with it makes the
// old one vanish. So an attempt that is repeated, or comes after a failure, never draws a third value.
import type { BlueprintInput } from "../domain/blueprint.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import {
	isTouching,
	type Operation,
	type PhaseName,
} from "../domain/operation.ts";
import {
	createSecrets,
	type SecretName,
	type Secrets,
	secretNames,
} from "../domain/secret.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import {
	createNextSecrets,
	listGenerations,
	listSealedSecrets,
	nextName,
	replaceSecrets,
} from "../store/secrets.ts";
import { secretPlace } from "./parameters.ts";
import { refuseIfCancelling } from "./watch-cancel.ts";
import { take, type Work } from "./work.ts";

interface Context {
	readonly db: Db;
	readonly sealKey: SealKey;
}

/** Fresh values for a new environment, sealed, by name; but for those that are given. */
export function sealNewSecrets(
	sealKey: SealKey,
	environment: EnvironmentId,
	given: Partial<Secrets> = {},
): Map<string, Buffer> {
	return new Map(
		Object.entries({ ...createSecrets(), ...given }).map(([name, value]) => [
			name,
			seal(sealKey, secretPlace(environment, name), value),
		]),
	);
}

/** The values that a run uses. Not to be logged, shown or sent anywhere else. */
export async function openSecrets(
	{ db, sealKey }: Context,
	environment: EnvironmentId,
): Promise<Secrets> {
	const sealed = await listSealedSecrets(db, environment);
	const entries = secretNames.map((name) => {
		const value = sealed.get(nextName(name)) ?? sealed.get(name);
		if (value === undefined) {
			throw new Failure({
				code: "internal",
				message: `The environment has no secret ${name}.`,
				untouched: "Nothing in the cluster was touched.",
			});
		}
		return [name, open(sealKey, secretPlace(environment, name), value)];
	});
	return Object.fromEntries(entries) as Secrets;
}

/** What a program is told of secrets. */
export async function loadSecretInput(
	context: Context,
	environment: EnvironmentId,
): Promise<Pick<BlueprintInput, "secrets" | "generations">> {
	const generations = await listGenerations(context.db, environment);
	return {
		secrets: await openSecrets(context, environment),
		...(generations.size > 0 && {
			generations: Object.fromEntries(generations) as Partial<
				Record<SecretName, number>
			>,
		}),
	};
}

/** Draws the new values that a rotation was ordered for, if no attempt before has, and has the run use them. */
export async function beginRotation(work: Work): Promise<void> {
	const { tools, operation, lease, findings } = work;
	const { environment } = operation;
	const fresh = sealNewSecrets(tools.sealKey, environment);
	const wanted: readonly string[] = operation.options.secrets ?? [];
	await work.write(async (trx) => {
		await refuseIfCancelling(trx, lease);
		await createNextSecrets(
			trx,
			environment,
			new Map([...fresh].filter(([name]) => wanted.includes(name))),
		);
	});
	const run = take(work, "run");
	findings.run = {
		...run,
		input: { ...run.input, ...(await loadSecretInput(tools, environment)) },
	};
}

/** Once all of it runs with the new values: the old ones are gone. Returns the names, in their usual order. */
export async function endRotation(
	trx: Db,
	environment: EnvironmentId,
): Promise<readonly SecretName[]> {
	const replaced = await replaceSecrets(trx, environment);
	return secretNames.filter((name) => replaced.includes(name));
}

/** The same failure, which says besides which values are in use, for a rotation that had begun. */
export function explainRotation(
	{ kind, options }: Operation,
	phase: PhaseName | undefined,
	error: unknown,
): unknown {
	if (kind !== "rotate" || !(error instanceof Failure)) return error;
	if (phase === undefined || !isTouching(phase)) return error;
	const next =
		"POST /v1/operations/{id}:retry goes on with the same values, and so does an upgrade.";
	return new Failure({
		code: error.code,
		message: error.message,
		untouched: `Some processes may use the new values of ${options.secrets?.join(", ")} and others the old ones. Both are kept, and whatever is applied next uses the new ones.`,
		advice: error.advice === undefined ? next : `${error.advice} ${next}`,
		retryable: error.retryable,
		errors: error.errors,
		cause: error,
	});
}
