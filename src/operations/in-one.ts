// Several things that a verb, or who calls it, does in one transaction.
import type { VerbContext } from "./request.ts";

/**
 * Does the work in a transaction; what it sends goes out after the commit, since before it nobody would find what a
 * message is about. Within a transaction of the caller's it is a part of that.
 */
export async function inOne<T>(
	context: VerbContext,
	work: (inside: VerbContext) => Promise<T>,
): Promise<T> {
	if (context.db.isTransaction) return work(context);
	const messages: Parameters<VerbContext["sender"]["enqueue"]>[] = [];
	const sender: VerbContext["sender"] = {
		enqueue: async (...message) => void messages.push(message),
	};
	const done = await context.db
		.transaction()
		.execute((trx) => work({ ...context, db: trx, sender }));
	for (const message of messages) void context.sender.enqueue(...message);
	return done;
}
