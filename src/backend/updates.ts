// An update's life: created, started with the stack's lock, told about, completed or cancelled.
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { isSameHash } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { holdLease } from "../store/leases.ts";
import { lockStack, raiseVersion, replaceTags } from "../store/state.ts";
import { findCheckpoint } from "../store/state-checkpoints.ts";
import type { UpdateKind } from "../store/state-tables.ts";
import {
	checkTicket,
	explainRefusal,
	holdUpdate,
	recordChanges,
	type Ticket,
} from "../store/state-tickets.ts";
import {
	createUpdate,
	findRunning,
	findUpdate,
	lockUpdate,
	startUpdate,
	type Update,
} from "../store/state-updates.ts";
import {
	type Caller,
	createLeaseToken,
	mayWrite,
	nameCaller,
	refuseReader,
} from "./access.ts";
import type { Backend, Reply, StackCall, UpdateCall } from "./bind.ts";
import { endUpdate, settle } from "./ending.ts";
import { toSeconds } from "./leases.ts";

/** To the letter: the SDK makes its ConcurrentUpdateError of this text. */
const conflictMessage = "Conflict: Another update is currently in progress.";

const texts = z.record(z.string(), z.string());

/** Names as the CLI limits them; of values jsonb refuses one character. */
export const tagsBody = z.record(
	z.string().regex(/^[\w.:-]{1,40}$/),
	z.string().refine((text) => !text.includes("\0")),
);

export const programBody = z.object({
	options: z.object({ dryRun: z.boolean().optional() }).optional(),
	config: z.record(z.string(), z.unknown()).nullish(),
	metadata: z
		.object({ message: z.string().optional(), environment: texts.nullish() })
		.optional(),
});

/** Creates an update; any number may wait to be started. `dryRun` decides whether it is a preview, not the route. */
export const createOf =
	(kind: UpdateKind) =>
	async (
		call: StackCall,
		program: z.infer<typeof programBody>,
	): Promise<Reply> => {
		const { backend, caller, stack } = call;
		const isDryRun = kind === "preview" || program.options?.dryRun === true;
		if (!isDryRun) refuseReader(caller);
		const updateID = randomUUID();
		await createUpdate(backend.db, {
			id: updateID,
			stack: stack.id,
			kind,
			isDryRun,
			requestedBy: nameCaller(caller),
			lease: caller.kind === "run" ? caller.lease : undefined,
			clientVersion: call.clientVersion,
			// PostgreSQL has no text with this character in it.
			message: (program.metadata?.message ?? "").replaceAll("\0", ""),
			environment: JSON.stringify(program.metadata?.environment ?? {}),
			config: JSON.stringify(program.config ?? {}),
		});
		return { updateID };
	};

export const startBody = z.object({
	tags: tagsBody.nullish(),
	journalVersion: z.number().optional(),
});

/**
 * Takes the stack's lock, unless it is a dry run, and gives out a lease. An update whose client's time is
 * over is ended first. Throws `conflict` while another one runs.
 */
export async function start(
	call: StackCall,
	body: z.infer<typeof startBody>,
): Promise<Reply> {
	const { backend, stack, caller } = call;
	const id = call.params.update ?? "";
	const journalVersion = (body.journalVersion ?? 0) >= 1 ? 1 : 0;
	const { token, hash } = createLeaseToken();
	return backend.db.transaction().execute(async (trx) => {
		const newest = await lockStack(trx, stack.id);
		const update = await lockUpdate(trx, id);
		if (update.stack !== stack.id || update.state !== "created") {
			throw new Failure({
				code: "not_found",
				message: `There is no update ${id} that waits to be started.`,
				untouched: "Nothing was started.",
			});
		}
		await holdCallersLease(trx, caller);
		if (!update.isDryRun) {
			refuseReader(caller);
			await freeStack(trx, backend, stack.id);
		}
		if (body.tags && mayWrite(caller))
			await replaceTags(trx, stack.id, body.tags);
		const base = await findCheckpoint(trx, stack.id);
		const version = update.isDryRun ? null : await raiseVersion(trx, stack.id);
		const { expiresAt } = await startUpdate(trx, {
			update: id,
			tokenHash: hash,
			version,
			journalVersion,
			baseVersion: base?.version ?? null,
			// A worker's programs adopt what is there under their names, so nothing is lost by forgetting.
			forgetsPending: caller.kind === "run",
			leaseMs: backend.leaseMs,
		});
		return {
			version: version ?? newest,
			token,
			tokenExpiration: toSeconds(expiresAt),
			journalVersion,
		};
	});
}

/** A run's rights are checked where it writes, not only at the door. Throws `lease_lost`. */
export async function holdCallersLease(trx: Db, caller: Caller): Promise<void> {
	if (caller.kind === "run") await holdLease(trx, caller.lease);
}

/** Sees to it that nothing moves the stack, which the transaction holds. Throws `conflict`. */
export async function freeStack(
	trx: Db,
	backend: Backend,
	stack: number,
): Promise<void> {
	const running = await findRunning(trx, stack);
	if (running === undefined) return;
	if (!running.isOver) {
		throw new Failure({ code: "conflict", message: conflictMessage });
	}
	await settle(trx, backend, {
		update: await lockUpdate(trx, running.id),
		end: { state: "failed", ending: "overtaken" },
	});
	backend.log.warn(
		{ update: running.id },
		"an update whose client is gone was ended for another one",
	);
}

export const completeBody = z.object({ status: z.string() });

/**
 * The client's last word. Sent again after a lost reply it is answered again. Throws `conflict` when the
 * update cannot count as succeeded; it has ended all the same.
 */
export async function complete(
	{ backend, ticket }: UpdateCall,
	{ status }: z.infer<typeof completeBody>,
): Promise<Reply> {
	const state = status === "succeeded" ? "succeeded" : "failed";
	const found = await findUpdate(backend.db, ticket.update);
	if (found === undefined) throw await explainRefusal(backend.db, ticket);
	const problems = await backend.db.transaction().execute(async (trx) => {
		await lockStack(trx, found.stack);
		const update = await lockUpdate(trx, ticket.update);
		if (isRepeated(update, ticket)) {
			return update.state === state ? [] : ["it has ended as failed"];
		}
		await holdUpdate(trx, ticket);
		if (!update.isRefused) {
			return settle(trx, backend, {
				update,
				end: { state, ending: "completed" },
			});
		}
		await settle(trx, backend, {
			update,
			end: { state: "failed", ending: "completed" },
		});
		return ["a part of its journal was refused"];
	});
	if (problems.length === 0 || state === "failed") return undefined;
	throw new Failure({
		code: "conflict",
		message: `This update cannot count as succeeded: ${problems.join("; ")}.`,
		untouched:
			"What arrived of it was kept as a state, and the stack is free again.",
		advice:
			"Run it again: `refresh` brings the state in line with what is there.",
	});
}

/** Its client has said so before, and was not answered. */
const isRepeated = (update: Update, ticket: Ticket): boolean =>
	update.ending === "completed" &&
	update.tokenHash !== null &&
	isSameHash(update.tokenHash, ticket.tokenHash);

/** `pulumi cancel`: the client is not told, its next write is refused. An update that has ended stays as it is. */
export async function cancel(call: StackCall): Promise<Reply> {
	const { backend, stack, caller } = call;
	const id = call.params.update ?? "";
	const found = await findUpdate(backend.db, id);
	if (found?.stack !== stack.id) {
		throw new Failure({
			code: "not_found",
			message: `There is no update ${id}.`,
		});
	}
	const end = { state: "failed", ending: "cancelled" } as const;
	if (await endUpdate(backend, id, end)) {
		backend.log.warn(
			{ update: id, by: nameCaller(caller) },
			"an update was cancelled",
		);
	}
	return undefined;
}

const changes = z.record(z.string(), z.number());

export const eventsBody = z.object({
	events: z
		.array(
			z.object({
				summaryEvent: z
					.object({ resourceChanges: changes.nullish() })
					.optional(),
			}),
		)
		.nullish(),
});

/**
 * Of the engine's events only the counts of the summary are kept, for the history: a worker's run tells its
 * events to the environment's log, an operator's run to his terminal, and no one else reads them.
 */
export async function receiveEvents(
	{ backend, ticket }: UpdateCall,
	{ events }: z.infer<typeof eventsBody>,
): Promise<Reply> {
	const summary = events?.find((event) => event.summaryEvent !== undefined);
	const counts = summary?.summaryEvent?.resourceChanges;
	if (counts) await recordChanges(backend.db, ticket, JSON.stringify(counts));
	else await checkTicket(backend.db, ticket);
	return undefined;
}
