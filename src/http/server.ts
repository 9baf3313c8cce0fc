// The API's door on a port, with a way to close it without losing anyone.
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { publicTargets, type TargetPolicy } from "../domain/webhook.ts";
import { Failure } from "../failure.ts";
import { makeAnswers } from "../operations/answer-once.ts";
import { checkDatabase, type ReadinessCheck } from "../operations/readiness.ts";
import { makeApp } from "./app.ts";
import type { Context } from "./bind.ts";
import { refuseConnection, refuseTunnel } from "./broken.ts";
import { ignoreDenials, type OnDenied } from "./denied.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { makeVerifier, type Verifier } from "./oidc.ts";
import { type Gate, openGate } from "./rate-limit.ts";
import { makeReadiness } from "./readiness.ts";
import { comeBack } from "./stream.ts";
import { makeStreamLimit } from "./stream-limit.ts";

type Optional =
	| "answers"
	| "checkAnswers"
	| "limits"
	| "streams"
	| "streamLimit"
	| "publicUrl"
	| "onDenied"
	| "gate"
	| "verifier"
	| "servesMetrics"
	| "webhookTargets"
	| "askReadiness"
	| "isDraining"
	| "corsOrigins";

export interface ServerOptions extends Omit<Context, Optional> {
	/** Hold every answer against its schema, and send an error in place of one that does not match. On by default. */
	readonly checkAnswers?: boolean;
	readonly limits?: Partial<Limits>;
	readonly publicUrl?: string | undefined;
	/** By default, nobody hears of denials. */
	readonly onDenied?: OnDenied;
	/** Lets everyone in without counting by default. */
	readonly gate?: Gate;
	/** Knows the tokens of identity providers. Of none by default. */
	readonly verifier?: Verifier;
	/** On by default. */
	readonly servesMetrics?: boolean;
	/** Public addresses over https by default. */
	readonly webhookTargets?: TargetPolicy;
	/** What must be there for `/readyz` to say so. The database by default. */
	readonly readinessChecks?: readonly ReadinessCheck[];
	/** Nobody's by default. */
	readonly corsOrigins?: readonly string[];
	/** Networks (CIDR) of proxies that are believed in where a request comes from. Nobody by default. */
	readonly trustedProxies?: readonly string[];
}

export interface HttpServer {
	/** Port 0 stands for a free one. Throws `not_set_up` if the address cannot be had. */
	listen(address: Address): Promise<{ readonly port: number }>;
	/** Says that it is not ready any more, and keeps no connection alive; all else is served as before. */
	drain(): void;
	/** Takes no more requests, tells the streams to come back, and waits up to 10 seconds for what is on its way. */
	close(): Promise<void>;
}

export interface Address {
	readonly host: string;
	readonly port: number;
}

export function makeServer(options: ServerOptions): HttpServer {
	const limits: Limits = { ...defaultLimits, ...options.limits };
	const streams = new Set<AbortController>();
	let isClosing = false;
	const context = {
		corsOrigins: [],
		checkAnswers: true,
		publicUrl: undefined,
		onDenied: ignoreDenials,
		gate: openGate,
		verifier: makeVerifier([]),
		servesMetrics: true,
		webhookTargets: publicTargets,
		...options,
		answers: makeAnswers(options.verbs),
		limits,
		streams,
		streamLimit: makeStreamLimit(limits.maxStreams),
		askReadiness: makeReadiness({
			checks: options.readinessChecks ?? [checkDatabase(options.db)],
			log: options.log,
			withinMs: limits.readyWithinMs,
		}),
		isDraining: () => isClosing,
	};
	const app = makeApp(context, () => isClosing);
	app.set("trust proxy", [...(options.trustedProxies ?? [])]);
	const server = createServer(
		{
			headersTimeout: limits.headersTimeoutMs,
			requestTimeout: limits.requestTimeoutMs,
			connectionsCheckingInterval: limits.checkEveryMs,
			keepAliveTimeout: limits.keepAliveTimeoutMs,
			maxHeaderSize: limits.maxHeaderBytes,
			// The application does, with a problem.
			requireHostHeader: false,
		},
		app,
	);
	server.maxHeadersCount = limits.maxHeaders + 1;
	server.on("clientError", (error, socket) =>
		refuseConnection(context, error, socket as Socket),
	);
	server.on("connect", (_request, socket) =>
		refuseTunnel(context, socket as Socket),
	);
	// An expectation that nobody knows is left aside (RFC 9110 §10.1.1 allows it).
	server.on("checkExpectation", app);
	return {
		async listen(address) {
			const port = await startListening(server, address);
			server.on("error", (err) =>
				options.log.error({ err }, "the listening socket failed"),
			);
			return { port };
		},
		drain() {
			isClosing = true;
		},
		async close() {
			isClosing = true;
			for (const stream of streams) stream.abort(comeBack);
			await drain(server, limits.closeWithinMs);
		},
	};
}

function startListening(server: Server, address: Address): Promise<number> {
	return new Promise((fulfil, reject) => {
		const refuseAddress = (cause: Error) =>
			reject(
				new Failure({
					code: "not_set_up",
					message: `The service cannot listen on ${address.host}:${address.port}.`,
					untouched: "Nothing was started.",
					advice: "Choose another HOST or PORT, or end what listens there.",
					cause,
				}),
			);
		server.once("error", refuseAddress);
		server.listen({ ...address }, () => {
			server.off("error", refuseAddress);
			fulfil((server.address() as AddressInfo).port);
		});
	});
}

async function drain(server: Server, withinMs: number): Promise<void> {
	const closed = new Promise<void>((fulfil) => server.close(() => fulfil()));
	// A connection that is kept alive becomes idle only once its last answer is out.
	const sweep = setInterval(() => server.closeIdleConnections(), 50);
	const timer = setTimeout(() => server.closeAllConnections(), withinMs);
	await closed;
	clearInterval(sweep);
	clearTimeout(timer);
}
