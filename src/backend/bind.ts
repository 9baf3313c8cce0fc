// The one wrapper around every route: who calls, for which stack or update, with which body; and what is
// answered, or how it is refused.
import express, { type Request, type Response } from "express";
import type { z } from "zod";
import { describeActor } from "../domain/audit.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import { Failure, type FailureCode } from "../failure.ts";
import type { Log } from "../log.ts";
import type { SealKey } from "../seal.ts";
import { appendAudit } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { findStack, type Stack } from "../store/state.ts";
import { refuseUpdate, type Ticket } from "../store/state-tickets.ts";
import {
	type Caller,
	decideScope,
	loadCaller,
	organization,
	parseLeaseToken,
	refuseReader,
} from "./access.ts";

/** What the routes work with. */
export interface Backend {
	readonly db: Db;
	readonly log: Log;
	readonly sealKey: SealKey;
	readonly runKey: Buffer;
	/** How long an update's lease lasts without a renewal. The CLI takes five minutes for granted. */
	readonly leaseMs: number;
	/** Counted after inflation. */
	readonly maxBodyBytes: number;
}

export interface Call {
	readonly backend: Backend;
	readonly params: Readonly<Record<string, string>>;
	readonly query: URLSearchParams;
	/** Where the caller reaches this server: scheme, host and path prefix. */
	readonly baseUrl: string;
	/** Of the CLI, such as `v3.259.0`; "" if it does not say. */
	readonly clientVersion: string;
}

export interface CallerCall extends Call {
	readonly caller: Caller;
}

export interface StackCall extends CallerCall {
	readonly stack: Stack;
}

export interface UpdateCall extends Call {
	readonly ticket: Ticket;
	/** The lease token as it was sent. */
	readonly token: string;
}

/** Answered as JSON; nothing is 204. */
export type Reply = object | undefined;
type Handler<C, B> = (call: C, body: B) => Promise<Reply> | Reply;
type Parse<B> = (body: unknown) => B;

export type Serve = (
	backend: Backend,
	request: Request,
	response: Response,
) => Promise<Reply>;

/** A body as zod makes it of what was sent. */
export const parsed =
	<T>(schema: z.ZodType<T>): Parse<T> =>
	(body) => {
		const result = schema.safeParse(body ?? {});
		if (result.success) return result.data;
		throw refuseBody(result.error);
	};

/** A body as it was sent, after a check: states may hold keys that a copy would lose or take for its prototype. */
export const checked =
	<T>(schema: z.ZodType): Parse<T> =>
	(body) => {
		const result = schema.safeParse(body);
		if (result.success) return body as T;
		throw refuseBody(result.error);
	};

export const noBody: Parse<undefined> = () => undefined;

/** Says where and what, never what stood there: it may be a secret. */
function refuseBody(error: z.ZodError): Failure {
	const [issue] = error.issues;
	return new Failure({
		code: "invalid_request",
		message: `The body is not as expected at "${issue?.path.join(".") ?? ""}": ${issue?.code ?? "invalid"}.`,
		untouched: "Nothing of this request was kept.",
	});
}

export const forAnyone =
	(handle: Handler<Call, undefined>): Serve =>
	async (backend, request) =>
		handle(describeCall(backend, request), undefined);

export const forCaller =
	<B>(parse: Parse<B>, handle: Handler<CallerCall, B>): Serve =>
	async (backend, request, response) => {
		const call = describeCall(backend, request);
		const caller = await authenticate(backend, request);
		if (!isReading(request)) refuseReader(caller);
		checkOrganization(call);
		const body = parse(await readBody(backend, request, response));
		await auditOperator(backend, request, { caller, environment: null });
		return handle({ ...call, caller }, body);
	};

/** For who may change the stack. Who may only look at it is let in where nothing but reading is asked for. */
export const forStack = <B>(
	parse: Parse<B>,
	handle: Handler<StackCall, B>,
): Serve => serveStack(parse, handle, isReading);

/** Open to a preview, too. What it may not do, the handler refuses. */
export const forReader = <B>(
	parse: Parse<B>,
	handle: Handler<StackCall, B>,
): Serve => serveStack(parse, handle, () => true);

const isReading = ({ method }: Request): boolean =>
	method === "GET" || method === "HEAD";

const serveStack =
	<B>(
		parse: Parse<B>,
		handle: Handler<StackCall, B>,
		mayRead: (request: Request) => boolean,
	): Serve =>
	async (backend, request, response) => {
		const call = describeCall(backend, request);
		const caller = await authenticate(backend, request);
		if (!mayRead(request)) refuseReader(caller);
		checkOrganization(call);
		const { project = "", stack: name = "" } = call.params;
		const stack = await findStack(backend.db, decideScope(caller), {
			project,
			name,
		});
		if (stack === undefined) {
			throw new Failure({
				code: "not_found",
				message: `There is no stack ${project}/${name}.`,
			});
		}
		const body = parse(await readBody(backend, request, response));
		const { environment } = stack;
		await auditOperator(backend, request, { caller, environment });
		return handle({ ...call, caller, stack }, body);
	};

/** For the client of a running update, which shows its lease token. */
export const forUpdate =
	<B>(parse: Parse<B>, handle: Handler<UpdateCall, B>): Serve =>
	async (backend, request, response) => {
		const call = describeCall(backend, request);
		const { token, hash } = parseLeaseToken(request.headers.authorization);
		const ticket = { update: call.params.update ?? "", tokenHash: hash };
		const body = parse(await readBody(backend, request, response));
		return handle({ ...call, ticket, token }, body);
	};

/**
 * As `forUpdate`, and a refusal is final. The CLI swallows the refusal of an entry that nobody waits for
 * and sends the next batch: a state with a hole in it would be the result, and nobody would be told.
 */
export const forJournal = <B>(
	parse: Parse<B>,
	handle: Handler<UpdateCall, B>,
): Serve => {
	const serve = forUpdate(parse, handle);
	return async (backend, request, response) => {
		try {
			return await serve(backend, request, response);
		} catch (error) {
			if (isFinal(error)) {
				const { hash } = parseLeaseToken(request.headers.authorization);
				const update = String(request.params.update);
				await refuseUpdate(backend.db, { update, tokenHash: hash });
			}
			throw error;
		}
	};
};

/** A batch that is too large is halved and sent again; what may pass is sent again as it is. */
const isFinal = (error: unknown): boolean =>
	error instanceof Failure &&
	error.code !== "payload_too_large" &&
	statusOf[error.code] < 500;

/**
 * What an operator does with a state, a look at its secrets included: before it is done, because these changes have
 * transactions of their own. What a run does is an operation's, and told as that.
 */
async function auditOperator(
	{ db }: Backend,
	request: Request,
	{
		caller,
		environment,
	}: {
		readonly caller: Caller;
		readonly environment: EnvironmentId | null;
	},
): Promise<void> {
	if (caller.kind !== "operator" || isReading(request)) return;
	const [path = ""] = request.originalUrl.split("?", 1);
	await appendAudit(db, {
		actor: describeActor(caller.actor),
		action: "engine-state",
		request: {
			address: request.socket.remoteAddress ?? "unknown",
			method: request.method,
			path: path.slice(0, 500),
			status: null,
			requestId: null,
		},
		thing: environment && { kind: "environment", id: environment },
		before: null,
		operation: null,
		denial: null,
	});
}

const authenticate = (backend: Backend, request: Request) =>
	loadCaller(backend.db, backend.runKey, request.headers.authorization);

function checkOrganization({ params }: Call): void {
	const { organization: named } = params;
	if (named === undefined || named === organization) return;
	throw new Failure({
		code: "not_found",
		message: `There is no organization ${named}; all stacks belong to "${organization}".`,
	});
}

function describeCall(backend: Backend, request: Request): Call {
	const { originalUrl, headers } = request;
	const [path = "", query = ""] = originalUrl.split("?", 2);
	const [, version = ""] =
		/^pulumi-cli\/1 \(([^;)]+)/.exec(headers["user-agent"] ?? "") ?? [];
	return {
		backend,
		params: Object.fromEntries(
			Object.entries(request.params).map(([name, value]) => [
				name,
				String(value),
			]),
		),
		query: new URLSearchParams(query),
		baseUrl: `http://${headers.host ?? ""}${path.slice(0, path.indexOf("/api/"))}`,
		clientVersion: version,
	};
}

/** Read only once the caller is known: nobody else makes us take in megabytes. */
async function readBody(
	backend: Backend,
	request: Request,
	response: Response,
): Promise<unknown> {
	const parse = express.json({
		limit: backend.maxBodyBytes,
		type: () => true,
		strict: false,
	});
	await new Promise<void>((fulfil, reject) =>
		parse(request, response, (error: unknown) =>
			error === undefined ? fulfil() : reject(translateBodyError(error)),
		),
	);
	return request.body;
}

/** The parser's own messages quote the text, which may hold secrets. */
function translateBodyError(error: unknown): unknown {
	const type =
		typeof error === "object" && error !== null && "type" in error
			? String(error.type)
			: "";
	const untouched = "Nothing of this request was kept.";
	if (type === "entity.too.large") {
		return new Failure({
			code: "payload_too_large",
			message: "The body is too large.",
			untouched,
		});
	}
	// A connection that broke off is no mistake of the client's: it sends the same again.
	if (type === "request.aborted" || type === "request.size.invalid") {
		return new Failure({
			code: "unavailable",
			message: "The body did not arrive whole.",
			untouched,
			retryable: true,
		});
	}
	return new Failure({
		code: "invalid_request",
		message: `The body cannot be read as JSON (${type || "broken"}).`,
		untouched,
	});
}

/** How each failure is answered. The CLI acts on the status: 403 ends a run, 5xx is tried again (bounded). */
export const statusOf: Record<FailureCode, number> = {
	invalid_request: 400,
	unauthenticated: 401,
	forbidden: 403,
	lease_lost: 403,
	not_found: 404,
	method_not_allowed: 405,
	not_acceptable: 406,
	request_timeout: 408,
	conflict: 409,
	precondition_failed: 412,
	precondition_required: 428,
	payload_too_large: 413,
	header_fields_too_large: 431,
	idempotency_key_missing: 400,
	idempotency_key_reused: 422,
	idempotency_key_in_use: 409,
	quota_exceeded: 403,
	rate_limited: 429,
	unsupported_media_type: 415,
	unavailable: 503,
	not_set_up: 500,
	timed_out: 500,
	engine_failed: 500,
	workload_stuck: 500,
	verification_failed: 500,
	leftovers: 500,
	backup_failed: 500,
	cancelled: 500,
	internal: 500,
};
