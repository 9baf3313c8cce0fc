// The parameters of a revision are kept in two halves: in its row what may be shown, the secrets sealed apart.
import type { EnvironmentId } from "../domain/ids.ts";
import {
	joinParameters,
	type Parameters,
	secretParameters,
	splitParameters,
} from "../domain/parameters.ts";
import { open, type SealKey, seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import {
	createRevision,
	type NewRevision,
	type StoredRevision,
} from "../store/revisions.ts";
import { createSealedSecrets, listSealedSecrets } from "../store/secrets.ts";

interface Context {
	readonly db: Db;
	readonly sealKey: SealKey;
}

/** Where a secret of an environment is kept; it opens only there. */
export const secretPlace = (environment: string, name: string) =>
	`secrets/${environment}/${name}`;

const secretName = (revision: number, pointer: string) =>
	`revision/${revision}${pointer}`;

/** Writes a revision with its parameters, in the transaction of a verb. */
export async function recordRevision(
	{ db, sealKey }: Context,
	revision: Omit<NewRevision, "parameters"> & {
		readonly parameters: Parameters;
	},
): Promise<void> {
	const { environment, number } = revision;
	const { shown, secrets } = splitParameters(revision.parameters);
	await createRevision(db, { ...revision, parameters: shown });
	const sealed = [...secrets].map(([pointer, value]) => {
		const name = secretName(number, pointer);
		return [
			name,
			seal(sealKey, secretPlace(environment, name), value),
		] as const;
	});
	await createSealedSecrets(db, environment, new Map(sealed));
}

/** The parameters of a revision as they were asked for. Secrets: not to be logged, shown or sent anywhere. */
export async function loadParameters(
	{ db, sealKey }: Context,
	environment: EnvironmentId,
	revision: Pick<StoredRevision, "number" | "parameters">,
): Promise<Parameters> {
	const sealed = await listSealedSecrets(db, environment);
	const secrets = new Map<string, string>();
	for (const pointer of secretParameters) {
		const name = secretName(revision.number, pointer);
		const value = sealed.get(name);
		if (value === undefined) continue;
		secrets.set(pointer, open(sealKey, secretPlace(environment, name), value));
	}
	return joinParameters(revision.parameters, secrets);
}
