// Which trace a request belongs to (W3C Trace Context): what the caller says is taken up, and passed on to whatever is
// done for him, so that one id finds it in the logs of all of them.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

export interface Trace {
	/** 32 hexadecimal digits: of the whole. */
	readonly traceId: string;
	/** 16 hexadecimal digits: of this part. */
	readonly spanId: string;
	/** Of the part that led to this one; null: the trace begins here. */
	readonly parentId: string | null;
	/** Whether whoever began it records it. */
	readonly isSampled: boolean;
}

/**
 * What a `traceparent` header names; undefined for one that is not valid, which is then as if there were none (§2.2.2
 * and §4.2 of the recommendation). A later version's is read as far as this one knows it.
 */
export function parseTraceparent(text: string | undefined): Trace | undefined {
	const [, version, traceId, spanId, flags, rest] =
		/^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(
			text ?? "",
		) ?? [];
	if (traceId === undefined || spanId === undefined) return undefined;
	if (version === "ff" || (version === "00" && rest !== undefined))
		return undefined;
	if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
	const isSampled = (Number.parseInt(flags ?? "", 16) & 1) === 1;
	return { traceId, spanId, parentId: null, isSampled };
}

/** A new part of the trace, or of a new one. */
export const createSpan = (parent: Trace | undefined): Trace => ({
	traceId: parent?.traceId ?? createId(16),
	spanId: createId(8),
	parentId: parent?.spanId ?? null,
	isSampled: parent?.isSampled ?? false,
});

/** A `traceparent` header. */
export const formatTraceparent = (trace: Trace): string =>
	`00-${trace.traceId}-${trace.spanId}-${trace.isSampled ? "01" : "00"}`;

/** A `traceparent` of the part of a trace that is being done. */
export function findTraceparent(): string | null {
	const trace = findTrace();
	return trace === undefined ? null : formatTraceparent(trace);
}

// All zeros would name nothing; that many random bits are never that.
const createId = (bytes: number) => randomBytes(bytes).toString("hex");

const current = new AsyncLocalStorage<Trace>();

/** Does the work as this part of a trace: `findTrace` knows it in all that the work calls and awaits. */
export const withTrace = <T>(trace: Trace, work: () => T): T =>
	current.run(trace, work);

/** The part of a trace that is being done; undefined outside of any. */
export const findTrace = (): Trace | undefined => current.getStore();
