// The whole service in a few figures, as its database tells them.
import type { OperationKind, OperationState } from "./operation.ts";

export interface Figures {
	/** Operations that have not ended. */
	readonly open: readonly {
		readonly kind: OperationKind;
		readonly state: OperationState;
		readonly count: number;
	}[];
	/** Of what waits for a worker, the oldest has waited so long; 0 if there is none. */
	readonly queue: { readonly depth: number; readonly oldestSeconds: number };
	/** How many operations the living workers can run at a time. */
	readonly workerSlots: number;
	readonly webhooks: {
		/** Pairs of an active webhook and an environment with something left to tell. */
		readonly lanes: number;
		/** How long the active webhook that is furthest behind has failed; 0 if none fails. */
		readonly failingSeconds: number;
	};
}
