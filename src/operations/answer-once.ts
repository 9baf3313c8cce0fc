// A request that its caller gave a key is carried out once and answered with the same as often as it comes, by whichever
// process, whatever is killed in between: key, answer and what was ordered are written by one transaction, and whoever
// brings the key meanwhile waits for its end at the key's row. A refusal is kept nowhere: it changed nothing, and takes
// the key back with it.
import { createHmac, hkdfSync } from "node:crypto";
import { writeCanonically } from "../domain/canonical.ts";
import type { CallerId } from "../domain/ids.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import {
	claimKey,
	findAnswer,
	type KeptAnswer,
	type KeyPlace,
	keepAnswer,
} from "../store/idempotency-keys.ts";
import { inOne } from "./in-one.ts";
import type { VerbContext } from "./request.ts";

/** How long an answer is kept. */
const keptForSeconds = 24 * 3_600;
/** How long a request waits for the one with the same key that is being answered. */
const defaultWaitMs = 5_000;

/** A request with a key. */
export interface KeyedRequest extends KeyPlace {
	readonly caller: CallerId;
	/** All that was asked for, as a JSON value. */
	readonly content: unknown;
}

export interface Answered<A> {
	readonly answer: A;
	/** It is the answer to an earlier request. */
	readonly isReplayed: boolean;
}

export interface Answers {
	/**
	 * Does the work in a transaction that also keeps its answer, a JSON value; or brings back the one that is kept. Throws
	 * what `work` throws; `idempotency_key_reused` when the key belongs to another request or caller of the tenant; and
	 * `idempotency_key_in_use` when one with the same key has been going on for too long.
	 */
	answerOnce<A>(
		request: KeyedRequest,
		work: (inside: VerbContext) => Promise<A>,
	): Promise<Answered<A>>;
}

export function makeAnswers(
	context: VerbContext,
	{ waitMs = defaultWaitMs } = {},
): Answers {
	// A twin of a request that this process answers at the moment gets the answer, or the refusal, from there and holds no
	// connection meanwhile.
	const underWay = new Map<string, Attempt>();

	const readKept = async <A>(
		request: SealedRequest,
	): Promise<Answered<A> | undefined> => {
		const kept = await findAnswer(context.db, request);
		if (kept === undefined) return undefined;
		refuseOther(request, kept);
		const text = open(context.sealKey, placeOf(request), kept.answer);
		return { answer: JSON.parse(text) as A, isReplayed: true };
	};

	const answerFirst = async <A>(
		request: SealedRequest,
		work: (inside: VerbContext) => Promise<A>,
	): Promise<Answered<A>> => {
		const done = await inOne(context, async (inside) => {
			const claim = { ...request, keptForSeconds, waitMs };
			const state = await claimKey(inside.db, request, claim);
			if (state === "in use") throw refuseInUse();
			if (state === "kept") return undefined;
			const answer = await work(inside);
			const text = JSON.stringify(answer);
			const sealed = seal(context.sealKey, placeOf(request), text);
			await keepAnswer(inside.db, request, sealed);
			return { answer, isReplayed: false };
		});
		if (done !== undefined) return done;
		const kept = await readKept<A>(request);
		// It was there a moment ago: it has just been thrown away, and the key is free.
		return kept ?? answerFirst(request, work);
	};

	return {
		async answerOnce({ content, ...rest }, work) {
			const request = { ...rest, digest: digest(context.sealKey, content) };
			const place = placeOf(request);
			const other = underWay.get(place);
			if (other !== undefined) {
				refuseOther(request, other);
				const { answer } = await endWithin(waitMs, other.answering);
				return {
					answer: answer as Awaited<ReturnType<typeof work>>,
					isReplayed: true,
				};
			}
			const answering = answerFirst(request, work);
			underWay.set(place, { ...request, answering });
			try {
				return await answering;
			} finally {
				underWay.delete(place);
			}
		},
	};
}

type SealedRequest = Omit<KeyedRequest, "content"> & {
	readonly digest: Buffer;
};

interface Attempt extends Pick<SealedRequest, "caller" | "digest"> {
	readonly answering: Promise<Answered<unknown>>;
}

const placeOf = ({ tenant, endpoint, key }: KeyPlace): string =>
	`idempotency-keys/${tenant}/${endpoint}/${key}`;

/** Throws `idempotency_key_reused` unless it is the very same request of the same caller. */
function refuseOther(
	request: SealedRequest,
	{ caller, digest }: Pick<KeptAnswer, "caller" | "digest">,
): void {
	if (caller !== request.caller) {
		// He may be for less than the one whose answer it is, and the answer may hold a token.
		throw refuseReused("Another caller of your tenant has used this key.");
	}
	if (!digest.equals(request.digest)) {
		throw refuseReused(
			"This key came with another request, whose path, query or body differs.",
		);
	}
}

/** The same for the same content, in whatever order its keys come. Tells nothing of what is in it. */
function digest(sealKey: SealKey, content: unknown): Buffer {
	const key = hkdfSync("sha256", sealKey.key, "", "keyed requests", 32);
	return createHmac("sha256", Buffer.from(key))
		.update(writeCanonically(content))
		.digest();
}

/** Throws `idempotency_key_in_use` when that takes longer. */
async function endWithin<T>(ms: number, work: Promise<T>): Promise<T> {
	const late = Promise.withResolvers<never>();
	const timer = setTimeout(() => late.reject(refuseInUse()), ms);
	try {
		return await Promise.race([work, late.promise]);
	} finally {
		clearTimeout(timer);
	}
}

const refuseReused = (message: string): Failure =>
	new Failure({
		code: "idempotency_key_reused",
		message,
		untouched: "Nothing was changed by this request.",
		advice:
			"Make a new key for each new request, such as a random UUID; a key is kept for 24 hours.",
		errors: [
			{
				pointer: "/header/idempotency-key",
				message: "belongs to another request",
			},
		],
	});

const refuseInUse = (): Failure =>
	new Failure({
		code: "idempotency_key_in_use",
		message: "A request with this key is still being answered.",
		untouched: "This request has changed nothing; the other one goes on.",
		advice:
			"Send it again with the same key in a few seconds: it is answered as the other one was.",
		retryable: true,
	});
