// What every answer tells browsers, and whose pages may read answers. A route whose answer is a page sets a
// `Content-Security-Policy` of its own over this one.
import cors from "cors";
import type { RequestHandler } from "express";
import helmet from "helmet";

/** Nothing may be loaded, run or embedded: answers are data. */
const contentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";

const harden = helmet({
	contentSecurityPolicy: false,
	// For this host alone: what else its domain has is not for us to decide. Browsers heed it over HTTPS only.
	strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
	xFrameOptions: { action: "deny" },
});

/** The headers of every answer, whatever comes of the request. */
export const hardenAnswers: RequestHandler = (request, response, next) => {
	response.set({
		"Cache-Control": "no-store",
		"Content-Security-Policy": contentSecurityPolicy,
	});
	harden(request, response, next);
};

/** What a page's script may send beside what any may. */
const requestHeaders = [
	"Authorization",
	"Content-Type",
	"Idempotency-Key",
	"If-Match",
	"If-None-Match",
	"Last-Event-ID",
	"traceparent",
	"X-Request-Id",
];

/** What it may read beside what any may. */
const answerHeaders = [
	"Location",
	"Operation-Location",
	"ETag",
	"Retry-After",
	"RateLimit",
	"RateLimit-Policy",
	"Idempotency-Replayed",
	"X-Request-Id",
	"traceparent",
	"WWW-Authenticate",
];

/**
 * Lets pages of these origins call the API from a browser. Without cookies: who calls is said by a token, so a page gets no
 * more than what it brings. To a page of any other origin nothing is said of it, and its browser keeps the answer from it.
 */
export function shareWith(origins: readonly string[]): RequestHandler {
	const allowed = new Set(origins);
	const share = cors({
		origin: [...origins],
		methods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
		allowedHeaders: requestHeaders,
		exposedHeaders: answerHeaders,
		maxAge: 600,
		optionsSuccessStatus: 200,
	});
	return (request, response, next) => {
		// Also where there is no origin: a cache must not give one page's answer to another.
		response.vary("Origin");
		if (allowed.has(request.headers.origin ?? ""))
			share(request, response, next);
		else next();
	};
}
