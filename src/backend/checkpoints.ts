// Whole states: out to whoever asks, in from an import or from a client that keeps no journal.
import { randomUUID } from "node:crypto";
import { Failure } from "../failure.ts";
import { lockStack, raiseVersion } from "../store/state.ts";
import {
	createCheckpoint,
	findCheckpoint,
} from "../store/state-checkpoints.ts";
import { keepCheckpoint } from "../store/state-tickets.ts";
import { createImport, loadUpdate } from "../store/state-updates.ts";
import { nameCaller, organization } from "./access.ts";
import type { Reply, StackCall, UpdateCall } from "./bind.ts";
import {
	type Deployment,
	emptyState,
	placeSecrets,
	type State,
} from "./deployment.ts";
import { computeState, fromKept, toKept } from "./ending.ts";
import { freeStack, holdCallersLease } from "./updates.ts";

/** A state as clients send it. */
export interface SentState {
	readonly version: number;
	readonly features?: readonly string[] | null;
	readonly deployment?: Deployment | null;
}

const toState = (sent: SentState): State => ({
	version: sent.version,
	features: sent.features ?? [],
	deployment: sent.deployment ?? {},
});

/** The newest state, or `export/{version}`. While an update runs: what it has led to so far. */
export async function exportState(call: StackCall): Promise<Reply> {
	const { stack, params, baseUrl } = call;
	const { version } = params;
	const state =
		version === undefined
			? await findNewest(call)
			: await loadVersion(call, version);
	const deployment = placeSecrets(state.deployment, {
		url: baseUrl,
		owner: organization,
		project: stack.project,
		stack: stack.name,
	});
	return {
		version: state.version,
		...(state.features.length > 0 && { features: state.features }),
		deployment,
	};
}

async function loadVersion(call: StackCall, text: string): Promise<State> {
	const version = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : -1;
	const kept = await findCheckpoint(call.backend.db, call.stack.id, version);
	if (kept !== undefined) return fromKept(kept);
	throw new Failure({
		code: "not_found",
		message: `The stack ${call.stack.name} has no state of version ${text}.`,
	});
}

async function findNewest({ backend, stack }: StackCall): Promise<State> {
	// One snapshot of the database: an update that ends meanwhile takes its journal with it.
	return backend.db
		.transaction()
		.setIsolationLevel("repeatable read")
		.execute(async (trx) => {
			const update = stack.active && (await loadUpdate(trx, stack.active.id));
			if (update?.state === "running") {
				return (await computeState(trx, update)).state;
			}
			const kept = await findCheckpoint(trx, stack.id);
			return kept === undefined ? emptyState : fromKept(kept);
		});
}

/** An update of its own, with a number of its own, that is over at once. Throws `conflict` while another runs. */
export async function importState(
	call: StackCall,
	sent: SentState,
): Promise<Reply> {
	const { backend, stack, caller } = call;
	const id = randomUUID();
	const state = toState(sent);
	await backend.db.transaction().execute(async (trx) => {
		await lockStack(trx, stack.id);
		await holdCallersLease(trx, caller);
		await freeStack(trx, backend, stack.id);
		const version = await raiseVersion(trx, stack.id);
		await createImport(trx, {
			id,
			stack: stack.id,
			kind: "import",
			isDryRun: false,
			version,
			requestedBy: nameCaller(caller),
			lease: undefined,
			clientVersion: call.clientVersion,
			message: "",
			environment: "{}",
			config: "{}",
		});
		await createCheckpoint(trx, {
			stack: stack.id,
			version,
			resourceCount: state.deployment.resources?.length ?? 0,
			...toKept(state),
		});
	});
	return { updateId: id };
}

/** From a client that keeps no journal: the whole state at every step. */
export async function patchCheckpoint(
	{ backend, ticket }: UpdateCall,
	sent: SentState & { readonly isInvalid?: boolean },
): Promise<Reply> {
	// "Invalid" comes without a state and says only that a better one will follow.
	if (sent.isInvalid !== true) {
		await keepCheckpoint(backend.db, ticket, {
			text: JSON.stringify(toState(sent)),
			sequence: 0,
		});
	}
	return undefined;
}

/** The same with a number, so that one that arrives late replaces nothing. */
export async function patchVerbatim(
	{ backend, ticket }: UpdateCall,
	sent: {
		readonly sequenceNumber: number;
		readonly untypedDeployment: SentState;
	},
): Promise<Reply> {
	await keepCheckpoint(backend.db, ticket, {
		text: JSON.stringify(toState(sent.untypedDeployment)),
		sequence: sent.sequenceNumber,
	});
	return undefined;
}
