// The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a mutation that brings one is carried out once.
import type { Request } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import { refuseInput } from "../contract/parse.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { Answered, Answers } from "../operations/answer-once.ts";
import type { VerbContext } from "../operations/request.ts";
import type { Db } from "../store/db.ts";

const pointer = "/header/idempotency-key";

/**
 * The key that the request brings: a structured-field string, or the same without its quotes. Throws `invalid_request`
 * for what is neither, and `idempotency_key_missing`.
 */
export function readKey(
	endpoint: Endpoint,
	actor: Actor,
	request: Request,
): string | undefined {
	if (endpoint.method === "GET") return undefined;
	const text = request.get("idempotency-key");
	if (text !== undefined) return parseKey(text);
	if (endpoint.machinesNeedKey && actor.kind === "machine") {
		throw new Failure({
			code: "idempotency_key_missing",
			message:
				"A machine's request of this kind needs the header Idempotency-Key.",
			untouched: "Nothing was changed.",
			advice:
				'Send "Idempotency-Key" with a random UUID, the same one each time that you try the same request again.',
			errors: [{ pointer, message: "is required" }],
		});
	}
	return undefined;
}

/** RFC 8941 §3.3.3 without escapes, which no key needs. */
function parseKey(text: string): string {
	const [, quoted, bare] =
		/^(?:"([ !#-[\]-~]{1,255})"|([!#-[\]-~]{1,255}))$/.exec(text.trim()) ?? [];
	const key = quoted ?? bare;
	if (key !== undefined) return key;
	throw refuseInput([
		{
			pointer,
			message:
				'must be a text in quotes such as "8e03978e-40d5-43dd-bc93-6894a57f9324", of 1 to 255 printable ASCII characters without quotes and backslashes',
		},
	]);
}

interface Inside {
	readonly db: Db;
	readonly verbs: VerbContext;
	readonly answers: Answers;
}

/** Carries it out, in a transaction that keeps the answer where there is a key. */
export async function answerKeyed<C extends Inside, A>(
	context: C,
	keyed: {
		readonly endpoint: Endpoint;
		readonly actor: Actor | undefined;
		readonly key: string | undefined;
		/** All that was asked for, as a JSON value. */
		readonly content: unknown;
	},
	work: (context: C) => Promise<A>,
): Promise<Answered<A>> {
	const { endpoint, actor, key, content } = keyed;
	if (key === undefined || actor === undefined)
		return { answer: await work(context), isReplayed: false };
	return context.answers.answerOnce(
		{
			tenant: actor.tenant.id,
			endpoint: endpoint.name,
			key,
			caller: actor.token,
			content,
		},
		(verbs) => work({ ...context, db: verbs.db, verbs }),
	);
}
