// The one wrapper around every handler: who calls → may they → what do they ask → call → present → or
// refuse. Handlers are left with what is theirs alone.
import type { Request, RequestHandler, Response } from "express";
import type {
	Endpoint,
	Input,
	Output,
	PartsOutput,
	UnneededOutput,
} from "../contract/endpoint.ts";
import { linesMediaType } from "../contract/page.ts";
import { parseInput } from "../contract/parse.ts";
import type { Actor } from "../domain/tenant.ts";
import type { TargetPolicy } from "../domain/webhook.ts";
import { Failure } from "../failure.ts";
import type { Feed } from "../feed/listen.ts";
import { countStream } from "../metrics.ts";
import type { Answers } from "../operations/answer-once.ts";
import type { Reach } from "../operations/reach.ts";
import type { VerbContext } from "../operations/request.ts";
import type { Db } from "../store/db.ts";
import { type CheckedPage, composeAnswer, sendAnswer } from "./answer.ts";
import { auditRequest } from "./audit.ts";
import { checkPermission, loadActor, mayTheSame } from "./auth.ts";
import { readBody } from "./body.ts";
import { checkAnswer } from "./checked.ts";
import { type OnDenied, tellDenied } from "./denied.ts";
import {
	readMatch,
	readTags,
	refuseExisting,
	type Tags,
	tagAnswer,
} from "./etag.ts";
import { answerKeyed, readKey } from "./idempotency.ts";
import type { Limits } from "./limits.ts";
import { isLines, type JsonLines, sendLines } from "./lines.ts";
import type { Verifier } from "./oidc.ts";
import type { Gate } from "./rate-limit.ts";
import type { CheckResult } from "./readiness.ts";
import { type DoorLog, refuse } from "./refuse.ts";
import { type EventStream, type StreamedEvent, sendStream } from "./stream.ts";
import type { StreamLimit } from "./stream-limit.ts";

/** What handlers work with. */
export interface Context {
	readonly db: Db;
	readonly feed: Feed;
	readonly verbs: VerbContext;
	/** Answers of requests that have a key. */
	readonly answers: Answers;
	/** To look at the targets themselves. */
	readonly reach: Reach;
	/** Where webhooks may lead. */
	readonly webhookTargets: TargetPolicy;
	/** Signs page tokens. */
	readonly pageKey: Buffer;
	readonly log: DoorLog;
	readonly version: string;
	/** Where the service is reached from outside, if that is known. */
	readonly publicUrl: string | undefined;
	/** Whether answers are held against their schemas before they are sent. */
	readonly checkAnswers: boolean;
	readonly limits: Limits;
	/** Knows the tokens of identity providers. */
	readonly verifier: Verifier;
	/** Hears of attempts that are refused because of who makes them. */
	readonly onDenied: OnDenied;
	/** Lets in whoever does not ask too often. */
	readonly gate: Gate;
	/** Asks all that the service needs. */
	readonly askReadiness: () => Promise<readonly CheckResult[]>;
	/** Whether `/metrics` is served here, and not on a port of its own. */
	readonly servesMetrics: boolean;
	/** Whether this process is about to stop: whoever balances load looks for another one then. */
	readonly isDraining: () => boolean;
	/** Origins whose pages may call the API from a browser. */
	readonly corsOrigins: readonly string[];
	/** The streams that go on; aborting them all ends them. */
	readonly streams: Set<AbortController>;
	readonly streamLimit: StreamLimit;
}

/** The caller wants a stream and not a page. */
export interface Live {
	/** Aborts when the caller leaves or the service stops. */
	readonly signal: AbortSignal;
	readonly lastEventId: string | undefined;
	/** Ends the stream. */
	leave(): void;
}

export interface Call<E extends Endpoint> extends Input<E> {
	readonly actor: E["permission"] extends null ? undefined : Actor;
	/** null, unless the declaration has a stream and the caller accepts it. */
	readonly live: Live | null;
	/** What the thing must be for the request to be carried out. */
	readonly match: Tags | undefined;
	/** Aborts when the caller leaves or the service stops. Asked for only by who waits. */
	watch(): AbortSignal;
	/** What the caller knows already. */
	readonly known: Tags | undefined;
	/** The declaration has lines and the caller wants these. */
	readonly wantsLines: boolean;
}

export type Handler<E extends Endpoint> = (
	context: Context,
	call: Call<E>,
) => Promise<
	| Output<E>
	| UnneededOutput<E>
	| PartsOutput<E>
	| (Output<E> extends {
			readonly items: unknown;
			readonly nextPageToken: unknown;
	  }
			? CheckedPage
			: never)
	| (E extends { readonly stream: unknown } ? EventStream : never)
	| (E extends { readonly lines: unknown } ? JsonLines : never)
>;

/** A declaration with what answers it. */
export interface Route {
	readonly endpoint: Endpoint;
	serve(context: Context): RequestHandler;
}

export function bind<E extends Endpoint>(
	endpoint: E,
	handler: Handler<E>,
	/** The answer as HTML. */
	render?: (answer: Output<E>) => string,
): Route {
	return {
		endpoint,
		serve: (context) => async (request, response) => {
			response.locals.route = endpoint.name;
			const live = watchCaller(context, endpoint, request, response);
			let actor: Actor | undefined;
			try {
				actor = await identify(context, endpoint, request, response);
				checkPermission(actor, endpoint.permission);
				requireAcceptable(endpoint, request);
				if (live && actor) context.streamLimit.admit(actor.token, response);
				const body = endpoint.body && (await readBody(request));
				const input = parseInput(endpoint, {
					params: request.params,
					query: readSearch(request.originalUrl),
					body,
				});
				const key = actor && readKey(endpoint, actor, request);
				const match = readMatch(endpoint, request);
				const known = readTags(request, "if-none-match");
				const wantsLines = wants(linesMediaType, endpoint, request);
				const watch = () => watchLeaving(context, response).signal;
				const form = { live, match, known, wantsLines, watch };
				const call = { actor, ...form, ...input } as Call<E>;
				const keyed = { endpoint, actor, key, content: { ...input, body } };
				const asked = { endpoint, params: input.params, actor };
				const { answer, isReplayed } = await answerKeyed(
					context,
					keyed,
					(outer) =>
						auditRequest(
							outer,
							{ ...asked, request, response },
							async (inside) => {
								const answer: unknown = await handler(inside, call).catch(
									(error) => {
										throw refuseExisting(request, error);
									},
								);
								return isStream(answer) || isLines(answer)
									? answer
									: composeAnswer(inside, endpoint, answer);
							},
						),
				);
				if (isLines(answer)) {
					await sendLines(response, answer.lines);
				} else if (!isStream(answer)) {
					if (render && wants("text/html", endpoint, request)) {
						response.type("html").send(render(answer.body as Output<E>));
						return;
					}
					if (isReplayed) response.set("Idempotency-Replayed", "true");
					if (tagAnswer(endpoint, request, response, answer.body))
						response.status(304).end();
					else sendAnswer(response, answer);
				} else if (live !== null) {
					const events = checkEach(context, endpoint, answer.stream);
					await sendStream(response, events, {
						...context.limits,
						signal: live.signal,
						begin: answer.begin,
						onPing: () => leaveRevoked(context, request, { live, actor }),
					});
				}
			} catch (error) {
				const attempt = { endpoint, actor, error, request, response };
				await tellDenied(context, attempt);
				refuse(context.log, request, response, error);
			}
		},
	};
}

async function identify(
	context: Context,
	endpoint: Endpoint,
	request: Request,
	response: Response,
): Promise<Actor | undefined> {
	if (endpoint.permission === null) return undefined;
	const actor = await context.gate.admit(request, response, () =>
		loadActor(context, request.headers.authorization),
	);
	response.locals.actor = actor.token;
	return actor;
}

const listForms = ({ stream, page, lines }: Endpoint): string[] => [
	"application/json",
	...(stream === undefined ? [] : ["text/event-stream"]),
	...(page === undefined ? [] : ["text/html"]),
	...(lines === undefined ? [] : [linesMediaType]),
];

const wants = (form: string, endpoint: Endpoint, request: Request): boolean =>
	request.accepts(listForms(endpoint)) === form;

/** Throws `not_acceptable` where the caller takes none of the forms that there are. */
function requireAcceptable(endpoint: Endpoint, request: Request): void {
	if (endpoint.response === null) return;
	const forms = listForms(endpoint);
	if (request.accepts(forms) !== false) return;
	throw new Failure({
		code: "not_acceptable",
		message: `This is answered as ${forms.join(" or ")}, which the Accept header excludes.`,
		untouched: "Nothing was changed.",
		advice: 'Send "Accept: application/json", or no Accept header.',
		errors: [
			{
				pointer: "/header/accept",
				message: `must allow ${forms.join(" or ")}`,
			},
		],
	});
}

function readSearch(url: string): URLSearchParams {
	const at = url.indexOf("?");
	return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
}

function watchCaller(
	context: Context,
	endpoint: Endpoint,
	request: Request,
	response: Response,
): Live | null {
	if (endpoint.stream === undefined || request.method !== "GET") return null;
	const wanted = request.accepts(["application/json", "text/event-stream"]);
	if (wanted !== "text/event-stream") return null;
	const controller = watchLeaving(context, response);
	countStream("opened");
	response.once("close", () => countStream("closed"));
	return {
		signal: controller.signal,
		lastEventId: request.get("last-event-id"),
		leave: () => controller.abort(),
	};
}

function watchLeaving(context: Context, response: Response): AbortController {
	const controller = new AbortController();
	// Who has left already does not leave again.
	if (response.destroyed) {
		controller.abort();
		return controller;
	}
	context.streams.add(controller);
	response.once("close", () => {
		context.streams.delete(controller);
		controller.abort();
	});
	return controller;
}

/**
 * A stream outlives the check at its beginning, so its token is looked at again with each ping: it may have expired or been
 * revoked, and for whom a provider vouches, other rules may hold by now.
 */
function leaveRevoked(
	context: Context,
	request: Request,
	{ live, actor }: { readonly live: Live; readonly actor: Actor | undefined },
): void {
	loadActor(context, request.headers.authorization).then(
		(now) => {
			if (actor === undefined || !mayTheSame(now, actor)) live.leave();
		},
		(error) => {
			if (
				error instanceof Failure &&
				(error.code === "unauthenticated" || error.code === "forbidden")
			) {
				live.leave();
			}
		},
	);
}

const isStream = (answer: unknown): answer is EventStream =>
	typeof answer === "object" && answer !== null && "stream" in answer;

async function* checkEach(
	context: Context,
	endpoint: Endpoint,
	events: AsyncIterable<StreamedEvent>,
): AsyncGenerator<StreamedEvent, void, void> {
	for await (const event of events) {
		if (endpoint.stream) checkAnswer(context, endpoint.stream, event);
		yield event;
	}
}
