// The backend on a port, with its timer, and what the worker needs of it.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Request, type Response } from "express";
import type { DeclaredObject } from "../domain/drift.ts";
import type { KnownState } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import type { SealKey } from "../seal.ts";
import { type Db, translateDatabaseError } from "../store/db.ts";
import type { Lease } from "../store/leases.ts";
import type { StackName } from "../store/state.ts";
import { createRunToken, deriveRunKey } from "./access.ts";
import { type Backend, type Reply, statusOf } from "./bind.ts";
import { readDeclared } from "./declared.ts";
import { endOverdue, endUpdatesOf } from "./ending.ts";
import { readKnown } from "./known.ts";
import { defaultLeaseMs } from "./leases.ts";
import { type Route, routes } from "./routes.ts";

export interface BackendOptions {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly log: Log;
	readonly host: string;
	/** 0 stands for a free one. */
	readonly port: number;
	readonly leaseMs?: number;
	readonly maxBodyBytes?: number;
	/** How often overdue updates are looked for. */
	readonly sweepMs?: number;
}

export interface OpenBackend {
	readonly url: string;
	/** For the CLI of a worker's run; good as long as the operation is under this fence. A secret. */
	issueRunToken(lease: Lease): string;
	/**
	 * Ends what still runs for the operation, under this fence or an older one, and says how many updates
	 * that were. To be called once the CLI's process is gone, and after every run: it costs nothing then.
	 */
	endUpdate(lease: Lease): Promise<number>;
	/** What the newest state of a stack knows; nothing where there is no such stack. */
	read(stack: StackName): Promise<KnownState>;
	/** The Kubernetes objects of a stack as they were last applied, secrets opened. */
	readDeclared(stack: StackName): Promise<readonly DeclaredObject[]>;
	close(): Promise<void>;
}

const defaultMaxBodyBytes = 64 * 1024 * 1024;
const defaultSweepMs = 15_000;
// A request that meets a connection just closed for idleness is not sent again if it creates or starts something.
const keepAliveMs = 10 * 60_000;
const closeWithinMs = 10_000;

/** Throws `not_set_up` if the address cannot be had. */
export async function openBackend(
	options: BackendOptions,
): Promise<OpenBackend> {
	const { log, host } = options;
	const backend: Backend = {
		db: options.db,
		log,
		sealKey: options.sealKey,
		runKey: deriveRunKey(options.sealKey),
		leaseMs: options.leaseMs ?? defaultLeaseMs,
		maxBodyBytes: options.maxBodyBytes ?? defaultMaxBodyBytes,
	};
	const server = createServer(
		{ keepAliveTimeout: keepAliveMs },
		makeApp(backend),
	);
	const port = await listen(server, { host, port: options.port });
	const sweep = setInterval(() => {
		endOverdue(backend).catch((error: unknown) =>
			log.warn({ err: error }, "overdue updates could not be ended"),
		);
	}, options.sweepMs ?? defaultSweepMs);
	sweep.unref();
	return {
		url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
		issueRunToken: (lease) => createRunToken(backend.runKey, lease),
		endUpdate: (lease) => endUpdatesOf(backend, lease),
		read: (stack) => readKnown(backend, stack),
		readDeclared: (stack) => readDeclared(backend, stack),
		async close() {
			clearInterval(sweep);
			await drain(server);
		},
	};
}

function makeApp(backend: Backend): express.Express {
	const app = express();
	app.disable("x-powered-by");
	app.disable("etag");
	app.use(dropPrefix);
	for (const one of routes) {
		app[one.method](one.path, (request, response) =>
			answer(backend, one, request, response),
		);
	}
	app.use((_: Request, response: Response) =>
		refuse(
			response,
			new Failure({ code: "not_found", message: "Not Found: no such route." }),
		),
	);
	return app;
}

/** A reverse proxy may serve us below a path; the CLI appends its own to it. */
function dropPrefix(request: Request, _: Response, next: () => void): void {
	const at = request.url.indexOf("/api/");
	if (at > 0) request.url = request.url.slice(at);
	next();
}

async function answer(
	backend: Backend,
	{ method, path, serve }: Route,
	request: Request,
	response: Response,
): Promise<void> {
	try {
		send(response, await serve(backend, request, response));
	} catch (thrown) {
		const error = translateDatabaseError(thrown);
		if (error instanceof Failure) {
			backend.log.debug(
				{ method, path, code: error.code, reason: error.message },
				"a request was refused",
			);
			refuse(response, error);
			return;
		}
		backend.log.error({ err: error, method, path }, "a request failed");
		refuse(
			response,
			new Failure({
				code: "internal",
				message: "The state backend made a mistake. It is in its log.",
			}),
		);
	}
}

function send(response: Response, reply: Reply): void {
	if (reply === undefined) response.status(204).end();
	else response.json(reply);
}

/** The CLI believes the `code` of the body, not the status. */
function refuse(response: Response, failure: Failure): void {
	const { message, untouched, advice } = failure;
	const code = statusOf[failure.code];
	response.status(code).json({
		code,
		message: [message, untouched, advice]
			.filter((text) => text !== undefined)
			.join(" "),
	});
}

function listen(
	server: Server,
	address: { readonly host: string; readonly port: number },
): Promise<number> {
	return new Promise((fulfil, reject) => {
		server.once("error", (cause) =>
			reject(
				new Failure({
					code: "not_set_up",
					message: `The state backend cannot listen on ${address.host}:${address.port}.`,
					untouched: "Nothing was started.",
					advice: "Choose another port, or end what listens there.",
					cause,
				}),
			),
		);
		server.listen({ ...address }, () =>
			fulfil((server.address() as AddressInfo).port),
		);
	});
}

async function drain(server: Server): Promise<void> {
	const closed = new Promise<void>((fulfil) => server.close(() => fulfil()));
	// A connection that is kept alive becomes idle only once its last answer is out.
	const sweep = setInterval(() => server.closeIdleConnections(), 50);
	const timer = setTimeout(() => server.closeAllConnections(), closeWithinMs);
	server.closeIdleConnections();
	await closed;
	clearInterval(sweep);
	clearTimeout(timer);
}
