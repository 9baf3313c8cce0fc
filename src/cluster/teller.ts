import type { ClusterHooks } from "../domain/cluster.ts";
import type { NewEvent } from "../domain/event.ts";

export interface Teller {
	/** Queues events for the reader. Throws what the reader threw at an earlier one. */
	tell(events: readonly NewEvent[]): void;
	/** Fulfils when all is told. Throws what the reader threw. */
	finish(): Promise<void>;
}

/** Tells events one after the other, each when the one before was taken, while the watching goes on. */
export function makeTeller(onEvent: ClusterHooks["onEvent"]): Teller {
	let told: Promise<void> = Promise.resolve();
	let refusal: { readonly error: unknown } | undefined;
	return {
		tell(events) {
			if (refusal !== undefined) throw refusal.error;
			for (const event of events) {
				told = told.then(() => onEvent(event));
			}
			told.catch((error: unknown) => {
				refusal = { error };
			});
		},
		finish: () => told,
	};
}
