// Where an environment comes from that was not ordered by itself.
import type { BackupId, EnvironmentId } from "./ids.ts";
import type { SecretName } from "./secret.ts";

/** A secret that is the same in both, and why. */
export interface KeptSecret {
	readonly name: SecretName;
	readonly reason: string;
}

/** What an environment was made of, as that was then. */
export interface Origin {
	readonly environment: EnvironmentId;
	readonly name: string;
	/** Whose content it repeats. */
	readonly revision: number;
	/** Whose data it began with; null: with none. */
	readonly backup: BackupId | null;
	/** All others are fresh. */
	readonly keptSecrets: readonly KeptSecret[];
	/** What whoever uses both has to know. */
	readonly warnings: readonly string[];
}
