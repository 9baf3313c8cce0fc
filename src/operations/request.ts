// The common tail of all verbs: one transaction with the operation and its first event, then a nudge.
import { describeService } from "../domain/audit.ts";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import { createOperationId } from "../domain/ids.ts";
import type {
	Operation,
	OperationKind,
	OperationOptions,
} from "../domain/operation.ts";
import { isCaller, type Orderer } from "../domain/tenant.ts";
import type { Sender } from "../queue/enqueue.ts";
import type { SealKey } from "../seal.ts";
import { appendAudit } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { appendEvents } from "../store/events.ts";
import { createOperation } from "../store/operations.ts";
import { heedPace } from "./quota.ts";

/** What a verb works with. */
export interface VerbContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly sender: Pick<Sender, "enqueue">;
}

/** What a verb answers where there is nothing to do, and nothing was ordered. */
export interface Unneeded {
	readonly environment: EnvironmentId;
	/** Says what is as wished already, or will be. */
	readonly nothingToDo: string;
	/** The revision that is meant. */
	readonly revision: number;
}

export const isUnneeded = (answer: Operation | Unneeded): answer is Unneeded =>
	"nothingToDo" in answer;

/** The operation of a verb that always has something to do. */
export function requireNeeded(answer: Operation | Unneeded): Operation {
	if (isUnneeded(answer)) throw new Error(answer.nothingToDo);
	return answer;
}

/**
 * Writes the operation and its first event, in the transaction of the verb. Throws `quota_exceeded` when its tenant has had
 * all that it may have within an hour.
 */
export async function request(
	transaction: Db,
	order: {
		readonly environment: EnvironmentId;
		readonly kind: OperationKind;
		readonly revisionFrom: number | null;
		readonly revisionTo: number | null;
		readonly actor: Orderer;
		/** Undefined: a new one. */
		readonly id?: OperationId | undefined;
		/** The operation that this one tries again. */
		readonly retryOf?: OperationId;
		readonly keepsBackups?: boolean;
		readonly options?: OperationOptions;
		/** The operation whose end made the service order this one. */
		readonly causedBy?: OperationId;
	},
): Promise<Operation> {
	const operation = await createOperation(transaction, {
		id: order.id ?? createOperationId(),
		environment: order.environment,
		kind: order.kind,
		revisionFrom: order.revisionFrom,
		revisionTo: order.revisionTo,
		requestedBy: order.actor.name,
		retryOf: order.retryOf,
		keepsBackups: order.keepsBackups,
		options: order.options,
		causedBy: order.causedBy,
	});
	await heedPace(transaction, { ...order, orderer: order.actor });
	await appendEvents(
		transaction,
		{ environment: order.environment, operation: operation.id },
		[
			{
				type: "operation.queued",
				data: {
					kind: order.kind,
					...(order.retryOf && { retryOf: order.retryOf }),
					...(order.causedBy && { causedBy: order.causedBy }),
				},
			},
		],
	);
	await auditOwn(transaction, order, operation);
	return operation;
}

/**
 * What a caller orders is told by his request. A look at what differs changes nothing, and comes to every environment every
 * half hour.
 */
async function auditOwn(
	transaction: Db,
	{ actor }: { readonly actor: Orderer },
	{ id, environment, kind, options }: Operation,
): Promise<void> {
	if (isCaller(actor)) return;
	if (kind === "refresh" && !options.repair) return;
	await appendAudit(transaction, {
		actor: describeService(actor.name),
		action: `service.${kind}`,
		request: null,
		thing: { kind: "environment", id: environment },
		before: null,
		operation: id,
		denial: null,
	});
}

/** After the commit: durable first, nudge second. Not waited for, since a caller gains nothing from it. */
export function nudge(context: VerbContext, operation: Operation): void {
	void context.sender.enqueue(operation.id, 0);
}

/** Writes into the log of each operation that never began which one was ordered in its place. */
export async function reportSuperseded(
	transaction: Db,
	superseded: readonly Operation[],
	by: OperationId,
): Promise<void> {
	for (const { id, environment, kind } of superseded) {
		await appendEvents(transaction, { environment, operation: id }, [
			{ type: "operation.superseded", data: { kind, by } },
		]);
	}
}
