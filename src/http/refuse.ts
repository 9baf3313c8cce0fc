// The other way out of the door: whatever was thrown becomes a problem document, and the log learns of what
// is not the caller's fault.
import type { Request, Response } from "express";
import { problemMediaType } from "../contract/problem.ts";
import { Failure } from "../failure.ts";
import { countProblem } from "../metrics.ts";
import { translateDatabaseError } from "../store/db.ts";
import { presentProblem } from "./problem.ts";

/** What the door needs of a log; pino's loggers fit. */
export interface DoorLog {
	info(fields: object, message: string): void;
	warn(fields: object, message: string): void;
	error(fields: object, message: string): void;
}

const retryAfterSeconds = "5";

export const readRequestId = (response: Response): string =>
	String(response.getHeader("x-request-id"));

/** The path without the query, which may hold what is nobody's business. */
export const readPath = (request: Request): string =>
	request.originalUrl.split("?", 1).join();

/** Answers with a problem. After the head was sent there is nothing left to say: the connection ends. */
export function refuse(
	log: DoorLog,
	request: Request,
	response: Response,
	thrown: unknown,
): void {
	const error = translateDatabaseError(thrown);
	const requestId = readRequestId(response);
	const problem = presentProblem(error, {
		instance: readPath(request),
		requestId,
		publicUrl: response.locals.publicUrl,
	});
	countProblem(problem.code);
	try {
		report(log, error, {
			err: error,
			requestId,
			method: request.method,
			path: problem.instance,
		});
	} catch {
		// A log that fails has nobody to be told of it; the caller is answered all the same.
	}
	if (response.headersSent) {
		response.end();
		return;
	}
	if (problem.status === 401) {
		response.set(
			"WWW-Authenticate",
			// RFC 6750 §3.1: no error code for a request that brought nothing.
			request.headers.authorization === undefined
				? 'Bearer realm="impresario"'
				: 'Bearer realm="impresario", error="invalid_token"',
		);
	}
	if (problem.code === "idempotency_key_in_use")
		response.set("Retry-After", "1");
	if (problem.status === 503) response.set("Retry-After", retryAfterSeconds);
	response.status(problem.status).type(problemMediaType).json(problem);
}

function report(log: DoorLog, error: unknown, fields: object): void {
	if (!(error instanceof Failure) || error.code === "internal") {
		log.error(fields, "a request failed by our own mistake");
	} else if (error.code === "unavailable" || error.code === "not_set_up") {
		log.warn(fields, "a request could not be served");
	}
}
