// The parameters of a revision are kept in two halves: in its row what may be shown, the secrets sealed apart.
import type { EnvironmentId } from "../domain/ids.ts";
import {
	joinParameters,
	type Parameters,
	type ShownParameters,
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

/** What a revision keeps of its parameters: what may be shown, and the secrets, sealed, by name. */
export function sealParameters(
	sealKey: SealKey,
	revision: {
		readonly environment: EnvironmentId;
		readonly number: number;
		readonly parameters: Parameters;
	},
): { readonly shown: ShownParameters; readonly sealed: Map<string, Buffer> } {
	const { shown, secrets } = splitParameters(revision.parameters);
	const sealed = [...secrets].map(([pointer, value]) => {
		const name = secretName(revision.number, pointer);
		const place = secretPlace(revision.environment, name);
		return [name, seal(sealKey, place, value)] as const;
	});
	return { shown, sealed: new Map(sealed) };
}

/** Writes a revision with its parameters, in the transaction of a verb. */
export async function recordRevision(
	{ db, sealKey }: Context,
	revision: Omit<NewRevision, "parameters"> & {
		readonly parameters: Parameters;
	},
): Promise<void> {
	const { shown, sealed } = sealParameters(sealKey, revision);
	await createRevision(db, { ...revision, parameters: shown });
	await createSealedSecrets(db, revision.environment, sealed);
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
