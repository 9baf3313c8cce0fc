// Entries in. They are checked and stored as text, and nothing more: the reply is a promise that they are
// kept, and every step of the engine waits for it. They are replayed when the update ends.
import { z } from "zod";
import { appendJournal } from "../store/state-journal.ts";
import type { Reply, UpdateCall } from "./bind.ts";
import {
	deploymentShape,
	operationShape,
	resourceShape,
	secretsProviderShape,
	snippetsShape,
} from "./deployment.ts";
import { type Entry, kinds } from "./entries.ts";

const index = z.int().min(0).nullish();

// What replay relies on. An entry of a kind that this service does not know is refused at its first
// occurrence: to guess would be to lose a resource.
const entryShape = z.looseObject({
	version: z.literal(1),
	kind: z.literal(Object.values(kinds)),
	sequenceID: z.int().min(1),
	operationID: z.int().min(0),
	removeOld: index,
	removeNew: index,
	pendingReplacementOld: index,
	pendingReplacementNew: index,
	deleteOld: index,
	deleteNew: index,
	state: resourceShape.nullish(),
	operation: operationShape.nullish(),
	isRefresh: z.boolean().optional(),
	secretsProvider: secretsProviderShape.nullish(),
	newSnapshot: deploymentShape.nullish(),
	snippets: snippetsShape.nullish(),
	extensionRef: z.string().optional(),
	requiresByteString: z.boolean().optional(),
});

export const batchShape = z.object({ entries: z.array(entryShape).nullish() });

export interface Batch {
	readonly entries?: readonly Entry[] | null;
}

export async function storeEntries(
	{ backend, ticket }: UpdateCall,
	batch: Batch,
): Promise<Reply> {
	await appendJournal(
		backend.db,
		ticket,
		(batch.entries ?? []).map((entry) => ({
			sequence: entry.sequenceID,
			text: JSON.stringify(entry),
		})),
	);
	return undefined;
}
