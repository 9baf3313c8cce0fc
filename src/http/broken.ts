// What is no request, or does not become one in time: it never reaches Express, and is answered on the socket itself.
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { problemMediaType } from "../contract/problem.ts";
import { createSuffix } from "../domain/ids.ts";
import { createSpan, formatTraceparent } from "../domain/trace.ts";
import { Failure } from "../failure.ts";
import { countRefusedConnection } from "../metrics.ts";
import { presentProblem } from "./problem.ts";
import type { DoorLog } from "./refuse.ts";

/** Cut off at once, a caller that still sends would not see the answer. */
const lingerMs = 1_000;

const untouched = "Nothing was changed.";

function explain(code: string | undefined): Failure {
	switch (code) {
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return new Failure({
				code: "request_timeout",
				message: "The request was not complete within its time.",
				untouched,
				advice: "Send it again, on a connection that is fast enough.",
				retryable: true,
			});
		case "HPE_HEADER_OVERFLOW":
			return new Failure({
				code: "header_fields_too_large",
				message: "The headers have more bytes than the service reads.",
				untouched,
				advice: "Send fewer or shorter headers.",
			});
		case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
			return new Failure({
				code: "payload_too_large",
				message: "The body's chunks say more of themselves than they may.",
				untouched,
				advice: "Send chunks without extensions.",
			});
		default:
			return new Failure({
				code: "invalid_request",
				message: "What came is not an HTTP/1.1 request.",
				untouched,
				advice: "Look at what sends it, and at proxies in between.",
			});
	}
}

interface Door {
	readonly log: DoorLog;
	readonly publicUrl: string | undefined;
}

/** For node's `clientError`. Answers, unless an answer has begun or nobody is there any more, and closes the connection. */
export function refuseConnection(
	door: Door,
	error: NodeJS.ErrnoException,
	socket: Socket,
): void {
	if (!socket.writable || error.code === "ECONNRESET" || hasBegun(socket)) {
		socket.destroy();
		return;
	}
	answerOn(socket, door, explain(error.code), error.code);
}

/** For node's `connect`: whoever takes us for a proxy is told that we are none. */
export function refuseTunnel(door: Door, socket: Socket): void {
	socket.on("error", () => socket.destroy());
	const failure = new Failure({
		code: "invalid_request",
		message: "CONNECT asks for a tunnel, and this service is no proxy.",
		untouched,
		advice: "Look at the settings for proxies of what sends it.",
	});
	answerOn(socket, door, failure, "CONNECT");
}

function answerOn(
	socket: Socket,
	{ log, publicUrl }: Door,
	failure: Failure,
	reason: string | undefined,
): void {
	const requestId = `req_${createSuffix(20)}`;
	const trace = createSpan(undefined);
	const problem = presentProblem(failure, {
		instance: "/",
		requestId,
		publicUrl,
	});
	const body = JSON.stringify(problem);
	const { status, code } = problem;
	countRefusedConnection(code, status);
	log.info(
		{ requestId, traceId: trace.traceId, status, reason },
		"a connection was refused",
	);
	// Whoever does not hang up when he was answered keeps the connection no longer than that.
	const timer = setTimeout(() => socket.destroy(), lingerMs);
	socket.once("close", () => clearTimeout(timer));
	socket.end(
		[
			`HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
			`Content-Type: ${problemMediaType}`,
			`Content-Length: ${Buffer.byteLength(body)}`,
			`X-Request-Id: ${requestId}`,
			`traceparent: ${formatTraceparent(trace)}`,
			"Cache-Control: no-store",
			"X-Content-Type-Options: nosniff",
			"Connection: close",
			"",
			body,
		].join("\r\n"),
	);
}

/** Node keeps the answer that is under way with its socket. */
const hasBegun = (
	socket: Socket & {
		readonly _httpMessage?: { readonly headersSent: boolean };
	},
): boolean => socket._httpMessage?.headersSent === true;
