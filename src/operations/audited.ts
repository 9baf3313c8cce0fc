// A change and its line in the audit log are one transaction: neither is there without the other.
import type { AuditedThing, NewAuditLine } from "../domain/audit.ts";
import { appendAudit } from "../store/audit.ts";
import { type Changer, lockState } from "../store/audited.ts";
import { inOne } from "./in-one.ts";
import type { VerbContext } from "./request.ts";

/** What a request changes. */
export interface AuditedChange<A> {
	/** What it names; null: it makes something new. */
	readonly thing: AuditedThing | null;
	readonly changer: Changer;
	/** The line, once it is known what is answered. */
	describe(answer: A): Omit<NewAuditLine, "before" | "denial">;
}

/** Does the work in a transaction, the caller's if there is one, and writes its line. */
export const auditChange = <A>(
	context: VerbContext,
	change: AuditedChange<A>,
	work: (inside: VerbContext) => Promise<A>,
): Promise<A> =>
	inOne(context, async (inside) => {
		const { thing, changer } = change;
		const before = thing && (await lockState(inside.db, thing, changer));
		const answer = await work(inside);
		const line = change.describe(answer);
		await appendAudit(inside.db, { ...line, before, denial: null });
		return answer;
	});
