// Somebody who is told by a webhook: a real HTTP server on a free port, which writes down what comes and answers as it is
// told to.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Received {
	readonly path: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
	/** When it was here, whole. */
	readonly at: number;
}

export interface Reply {
	readonly status: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string;
	/** Never answers. */
	readonly hangs?: true;
}

export interface Receiver {
	readonly url: string;
	readonly port: number;
	/** In the order in which they came. */
	readonly received: Received[];
	/** What it answers from now on. */
	answer(reply: (received: Received) => Reply | Promise<Reply>): void;
	close(): Promise<void>;
}

export async function startReceiver(host = "127.0.0.1"): Promise<Receiver> {
	const received: Received[] = [];
	let decide: (one: Received) => Reply | Promise<Reply> = () => ({
		status: 204,
	});
	const server = createServer(async (request, response) => {
		const one = {
			path: request.url ?? "",
			headers: request.headers,
			body: await text(request),
			at: performance.now(),
		};
		received.push(one);
		const reply = await decide(one);
		if (reply.hangs) return;
		response.writeHead(reply.status, reply.headers);
		response.end(reply.body);
	});
	await new Promise<void>((fulfil) => server.listen(0, host, () => fulfil()));
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://${host}:${port}/hook`,
		port,
		received,
		answer(reply) {
			decide = reply;
		},
		async close() {
			server.closeAllConnections();
			await new Promise((fulfil) => server.close(fulfil));
		},
	};
}

/** The data's number of each message, as `writeNotes` counts them. */
export const readNumbers = (received: readonly Received[]): number[] =>
	received.map(({ body }) => Number(JSON.parse(body).data.message));
