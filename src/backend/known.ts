// What the service itself asks of a stack's state: which resources it knows, and which creates were cut off.
import type { KnownState } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import { findStack, lockStack, type StackName } from "../store/state.ts";
import { findCheckpoint } from "../store/state-checkpoints.ts";
import type { Backend } from "./bind.ts";
import type { Deployment } from "./deployment.ts";
import { freeStack } from "./updates.ts";

/** Of the newest state. An update whose client's time is over is ended first, so that what it did counts. */
export async function readKnown(
	backend: Backend,
	name: StackName,
): Promise<KnownState> {
	const stack = await findStack(backend.db, { of: "all" }, name);
	if (stack === undefined) return { resources: [], pending: [] };
	await endGone(backend, stack.id);
	const kept = await findCheckpoint(backend.db, stack.id);
	const deployment: Deployment =
		kept === undefined ? {} : JSON.parse(kept.deployment);
	return {
		resources: (deployment.resources ?? []).map(({ type, id }) => ({
			type,
			id: id ?? null,
		})),
		pending: (deployment.pending_operations ?? [])
			.filter(({ type }) => type === "creating")
			.map(({ resource }) => ({ type: resource.type })),
	};
}

export async function endGone(backend: Backend, stack: number): Promise<void> {
	try {
		await backend.db.transaction().execute(async (trx) => {
			await lockStack(trx, stack);
			await freeStack(trx, backend, stack);
		});
	} catch (error) {
		// An operator's own run goes on: its state is not ours to end, and the one before it is what is known.
		if (!(error instanceof Failure && error.code === "conflict")) throw error;
	}
}
