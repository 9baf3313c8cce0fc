// The Express application: every declaration with its handler, and an answer to all that is none of them.
import express, {
	type ErrorRequestHandler,
	type Express,
	type Request,
	type RequestHandler,
	type Response,
} from "express";
import { api } from "../contract/api.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { refuseInput } from "../contract/parse.ts";
import { createSuffix } from "../domain/ids.ts";
import {
	formatTraceparent,
	parseTraceparent,
	type Trace,
	withTrace,
} from "../domain/trace.ts";
import { Failure } from "../failure.ts";
import { countRequest, unknownRoute } from "../metrics.ts";
import {
	beginSpan,
	type Span,
	startClock,
	tellSpan,
} from "../tracing/spans.ts";
import { auditRoutes } from "./audit-log.ts";
import { backupRoutes } from "./backups.ts";
import type { Context, Route } from "./bind.ts";
import { catalogueRoutes } from "./catalogue.ts";
import { cloneRoutes } from "./clones.ts";
import { docs } from "./docs.ts";
import { documentRoutes } from "./document.ts";
import { environmentRoutes } from "./environments.ts";
import { eventRoutes } from "./events.ts";
import { hardenAnswers, shareWith } from "./headers.ts";
import { healthRoutes } from "./health.ts";
import { identityRuleRoutes } from "./identity-rules.ts";
import { leftoverRoutes } from "./leftovers.ts";
import { makeMetrics, metricsPath, metricsRoute } from "./metrics.ts";
import { operationRoutes } from "./operations.ts";
import { previewRoutes } from "./previews.ts";
import { problemRoutes } from "./problem-pages.ts";
import { readPath, refuse } from "./refuse.ts";
import { rolloutRoutes } from "./rollouts.ts";
import { secretRoutes } from "./secrets.ts";
import { tenantEventRoutes } from "./tenant-events.ts";
import { tenantRoutes } from "./tenants.ts";
import { tokenRoutes } from "./tokens.ts";
import { webhookRoutes } from "./webhooks.ts";

const routes: readonly Route[] = [
	...environmentRoutes,
	...backupRoutes,
	...cloneRoutes,
	...secretRoutes,
	...operationRoutes,
	...previewRoutes,
	...eventRoutes,
	...tenantEventRoutes,
	...catalogueRoutes,
	...leftoverRoutes,
	...rolloutRoutes,
	...tenantRoutes,
	...tokenRoutes,
	...identityRuleRoutes,
	...documentRoutes,
	...webhookRoutes,
	...auditRoutes,
	...problemRoutes,
	...healthRoutes,
];

/** `isClosing` is asked at each request: connections are not kept alive any more once it is true. */
export function makeApp(context: Context, isClosing: () => boolean): Express {
	const app = express();
	app.disable("x-powered-by");
	app.disable("etag");
	app.enable("case sensitive routing");
	app.enable("strict routing");
	// What is thrown past our own answers is told by Express, which would show where it was thrown.
	app.set("env", "production");
	app.use(hardenAnswers);
	app.use(openRequest(context, isClosing));
	app.use(refuseManyHeaders(context));
	if (context.corsOrigins.length > 0) app.use(shareWith(context.corsOrigins));
	// To Express a verb is part of what `{id}` takes, so paths with one are asked first.
	const groups = [...groupByPath(routes)].sort(
		([a], [b]) => Number(b.includes("}:")) - Number(a.includes("}:")),
	);
	for (const [path, group] of groups) {
		const route = app.route(toExpressPath(path));
		for (const { endpoint, serve } of group) {
			route[lowerMethods[endpoint.method]](serve(context));
		}
		route.all(refuseMethod(context, group));
	}
	if (context.servesMetrics) {
		app
			.route(metricsPath)
			.get(serveMetrics(context))
			.all(refuseMethod(context, [{ endpoint: { method: "GET" } }]));
	}
	for (const [path, serve] of Object.entries(docs)) {
		app
			.route(path)
			.get(serve)
			.all(refuseMethod(context, [{ endpoint: { method: "GET" } }]));
	}
	app.use(refusePath(context));
	app.use(refuseBroken(context));
	return app;
}

const lowerMethods = {
	GET: "get",
	POST: "post",
	PATCH: "patch",
	DELETE: "delete",
} as const;

/** Throws unless every declaration has exactly one handler. */
function groupByPath(all: readonly Route[]): Map<string, Route[]> {
	const bound = all.map((route) => route.endpoint);
	const wrong = api.filter(
		(endpoint) => bound.filter((one) => one === endpoint).length !== 1,
	);
	if (wrong.length > 0 || bound.length !== api.length) {
		throw new Error(
			`declarations and handlers differ: ${wrong.map((one) => one.name).join(", ")}`,
		);
	}
	return Map.groupBy(all, (route) => route.endpoint.path);
}

/** `/v1/things/{id}:verb` in the grammar of path-to-regexp 8, where a colon begins a parameter. */
const toExpressPath = (path: string): string =>
	path.replaceAll(/\{(\w+)\}|[:*?+!()[\]]/g, (text, name?: string) =>
		name === undefined ? `\\${text}` : `:${name}`,
	);

function openRequest(
	{ log, publicUrl }: Context,
	isClosing: () => boolean,
): RequestHandler {
	return (request, response, next) => {
		const given = request.get("x-request-id") ?? "";
		const requestId = /^[\w.-]{1,128}$/.test(given)
			? given
			: `req_${createSuffix(20)}`;
		const trace = beginSpan(parseTraceparent(request.get("traceparent")));
		response.set({
			"X-Request-Id": requestId,
			traceparent: formatTraceparent(trace),
		});
		if (isClosing()) response.set("Connection", "close");
		response.locals.publicUrl = publicUrl;
		const clock = startClock();
		response.once("close", () => {
			const { startedAt } = clock;
			const times = { startedAt, endedAt: clock.end() };
			const durationMs = times.endedAt - startedAt;
			const route = noteRequest(request, response, { trace, times });
			log.info(
				{
					requestId,
					traceId: trace.traceId,
					spanId: trace.spanId,
					parentId: trace.parentId,
					route,
					method: request.method,
					path: readPath(request),
					status: response.statusCode,
					isComplete: response.writableFinished,
					durationMs: Math.round(durationMs),
					actor: response.locals.actor,
				},
				"request",
			);
		});
		if (request.headers.host === undefined && request.httpVersion !== "1.0") {
			refuse(
				log,
				request,
				response,
				refuseInput([{ pointer: "/header/host", message: "is required" }]),
			);
			return;
		}
		withTrace(trace, next);
	};
}

/** The server reads one more than these, and drops the rest: what it dropped could have said who calls. */
function refuseManyHeaders({ log, limits }: Context): RequestHandler {
	return (request, response, next) => {
		const count = request.rawHeaders.length / 2;
		if (count <= limits.maxHeaders) {
			next();
			return;
		}
		const failure = new Failure({
			code: "header_fields_too_large",
			message: `The request has more than ${limits.maxHeaders} headers.`,
			untouched: "Nothing was changed.",
			advice: "Send fewer; look at proxies in between.",
		});
		refuse(log, request, response, failure);
	};
}

/** Counts it, tells of it as a part of its trace, and says by which name. */
function noteRequest(
	{ method, query }: Request,
	response: Response,
	{
		trace,
		times,
	}: {
		readonly trace: Trace;
		readonly times: Pick<Span, "startedAt" | "endedAt">;
	},
): string {
	const route: string = response.locals.route ?? unknownRoute;
	const status = response.statusCode;
	const type = String(response.getHeader("content-type") ?? "");
	countRequest({
		route,
		method,
		status,
		durationMs: times.endedAt - times.startedAt,
		// Whoever waits for news is answered when there is some: no fault of ours, and no speed.
		waitsForNews:
			type.startsWith("text/event-stream") || query.wait !== undefined,
	});
	tellSpan({
		...times,
		trace,
		name: route,
		kind: "server",
		attributes: {
			"http.request.method": method,
			"http.response.status_code": status,
			"impresario.endpoint": route,
		},
		...(status >= 500 && { error: String(status) }),
	});
	return route;
}

function serveMetrics(context: Context): RequestHandler {
	const serve = makeMetrics(context);
	return (request, response) => {
		response.locals.route = metricsRoute;
		serve(request, response);
	};
}

function refuseMethod(
	context: Context,
	group: readonly { readonly endpoint: Pick<Endpoint, "method"> }[],
): RequestHandler {
	const methods = group.flatMap(({ endpoint }) =>
		endpoint.method === "GET" ? ["GET", "HEAD"] : [endpoint.method],
	);
	const refuseVerb = refusePath(context);
	return (request, response, next) => {
		// No id and no name has a colon: it is a verb that there is not.
		if (Object.values(request.params).some((value) => value.includes(":"))) {
			refuseVerb(request, response, next);
			return;
		}
		response.set("Allow", methods.join(", "));
		const failure = new Failure({
			code: "method_not_allowed",
			message: `${request.method} is not done at ${readPath(request)}.`,
			untouched: "Nothing was changed.",
			advice: `Possible here: ${methods.join(", ")}.`,
		});
		refuse(context.log, request, response, failure);
	};
}

function refusePath({ log }: Context): RequestHandler {
	return (request, response) => {
		const failure = new Failure({
			code: "not_found",
			message: `There is nothing at ${readPath(request)}.`,
			untouched: "Nothing was changed.",
			advice: "Check the path; it begins with /v1 and ends without a slash.",
		});
		refuse(log, request, response, failure);
	};
}

/** What Express throws by itself: a path whose percent-encoding is broken. All else is our bug. */
function refuseBroken({ log }: Context): ErrorRequestHandler {
	return (error, request, response, _next) => {
		const failure =
			error instanceof URIError
				? refuseInput([
						{ pointer: "/path", message: "is not percent-encoded UTF-8" },
					])
				: error;
		refuse(log, request, response, failure);
	};
}
