// Parts of traces as they are told, once they have ended. Without somebody who takes them, telling is nothing: what
// exports them is another file, which is loaded only where they are wanted.
import { createSpan, type Trace } from "../domain/trace.ts";

export interface Span {
	/** Which part of which trace it is. */
	readonly trace: Trace;
	readonly name: string;
	/** Who caused it: a caller, a message of the queue, or the part that it belongs to. */
	readonly kind: "server" | "consumer" | "internal";
	/** Milliseconds since 1970. */
	readonly startedAt: number;
	readonly endedAt: number;
	/** Ids, names and counts. Never what somebody sent, and never a message: both might hold a secret. */
	readonly attributes: Readonly<Record<string, string | number>>;
	/** A word that says how it failed: a code or a state. */
	readonly error?: string | undefined;
}

export interface SpanTaker {
	take(span: Span): void;
	/** Of the traces that begin here, so many are recorded: 0 to 1. */
	readonly share: number;
}

let taker: SpanTaker | undefined;

/** From now on spans go there; undefined: nowhere. */
export function setSpanTaker(next: SpanTaker | undefined): void {
	taker = next;
}

/** A part of the trace, or of a new one, of which it is decided here whether it is recorded. */
export function beginSpan(parent: Trace | undefined): Trace {
	const span = createSpan(parent);
	return parent !== undefined || taker === undefined
		? span
		: { ...span, isSampled: isInShare(span.traceId, taker.share) };
}

/** By the trace's id alone, so that every process would decide alike. */
const isInShare = (traceId: string, share: number): boolean =>
	Number.parseInt(traceId.slice(-8), 16) < share * 2 ** 32;

export const isRecorded = (trace: Trace): boolean =>
	taker !== undefined && trace.isSampled;

export function tellSpan(span: Span): void {
	if (isRecorded(span.trace)) taker?.take(span);
}

/** Begins now. The end is measured by a clock that nobody sets. */
export function startClock(): { readonly startedAt: number; end(): number } {
	const startedAt = Date.now();
	const begun = performance.now();
	return { startedAt, end: () => startedAt + (performance.now() - begun) };
}
