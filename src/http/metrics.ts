// `/metrics`, for a Prometheus: as a part of the API, or on a port of its own in any role. No token is asked for, and
// nothing is told of tenants.
import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { Failure } from "../failure.ts";
import {
	metricsMediaType,
	printMetrics,
	setServiceFigures,
} from "../metrics.ts";
import type { Db } from "../store/db.ts";
import { readFigures } from "../store/figures.ts";

/** However often somebody asks, the database is asked that seldom. */
const keptForMs = 5_000;
const readWithinMs = 2_000;

export const metricsPath = "/metrics";
/** By this name it counts itself. */
export const metricsRoute = "readMetrics";

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers with all metrics, the figures of the database among them. A database that is away is no reason for no answer. */
export function makeMetrics({ db }: { readonly db: Db }): Serve {
	let kept:
		| { readonly at: number; readonly figures: Promise<void> }
		| undefined;
	const refresh = (): Promise<void> => {
		const now = performance.now();
		if (kept === undefined || now - kept.at > keptForMs) {
			kept = { at: now, figures: takeFigures(db) };
		}
		return kept.figures;
	};
	return async (_request, response) => {
		await refresh();
		const text = await printMetrics();
		response.writeHead(200, { "content-type": metricsMediaType });
		response.end(text);
	};
}

async function takeFigures(db: Db): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		// A pool without a free connection does not know of a statement's time.
		timer = setTimeout(reject, 2 * readWithinMs, new Error("it took too long"));
	});
	try {
		setServiceFigures(
			await Promise.race([readFigures(db, readWithinMs), late]),
		);
	} catch {
		setServiceFigures(undefined);
	} finally {
		clearTimeout(timer);
	}
}

export interface MetricsServer {
	readonly port: number;
	close(): Promise<void>;
}

/** Serves `/metrics` and nothing else. Throws `not_set_up` if the address cannot be had. */
export async function openMetricsServer(options: {
	readonly db: Db;
	readonly host: string;
	readonly port: number;
}): Promise<MetricsServer> {
	const { host, port } = options;
	const serve = makeMetrics(options);
	const server = createServer(
		{ requestTimeout: 10_000 },
		(request, response) => {
			if (request.url?.split("?", 1).join() === metricsPath)
				serve(request, response);
			else response.writeHead(404).end();
		},
	);
	await new Promise<void>((fulfil, reject) => {
		server.once("error", (cause) =>
			reject(
				new Failure({
					code: "not_set_up",
					message: `The metrics cannot be served on ${host}:${port}.`,
					untouched: "Nothing was started.",
					advice: "Choose another METRICS_PORT, or end what listens there.",
					cause,
				}),
			),
		);
		server.listen({ host, port }, fulfil);
	});
	return {
		port: (server.address() as AddressInfo).port,
		async close() {
			const closed = new Promise((fulfil) => server.close(fulfil));
			server.closeAllConnections();
			await closed;
		},
	};
}
