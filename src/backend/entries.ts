// Journal entries as the Pulumi CLI sends them (sdk/go/common/apitype/journal.go). Names ending in "Old"
// count in the base's resources; names ending in "New" are operation ids of the same journal.
import type {
	Deployment,
	PendingOperation,
	Resource,
	SecretsProvider,
	Snippet,
} from "./deployment.ts";

export const kinds = {
	begin: 0,
	success: 1,
	failure: 2,
	refreshSuccess: 3,
	outputs: 4,
	write: 5,
	secretsManager: 6,
	rebuiltBase: 7,
	extension: 8,
	snippets: 9,
} as const;

/** Absent more often than not. */
export type Index = number | null | undefined;

export interface Entry {
	readonly kind: number;
	readonly sequenceID: number;
	readonly operationID: number;
	readonly removeOld?: Index;
	readonly removeNew?: Index;
	readonly pendingReplacementOld?: Index;
	readonly pendingReplacementNew?: Index;
	readonly deleteOld?: Index;
	readonly deleteNew?: Index;
	readonly state?: Resource | null | undefined;
	readonly operation?: PendingOperation | null | undefined;
	readonly isRefresh?: boolean | undefined;
	readonly secretsProvider?: SecretsProvider | null | undefined;
	readonly newSnapshot?: Deployment | null | undefined;
	readonly snippets?: readonly Snippet[] | null | undefined;
	readonly extensionRef?: string | undefined;
	readonly extension?: unknown;
	readonly requiresByteString?: boolean | undefined;
}
