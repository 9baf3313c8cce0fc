// A wire between the CLI and the backend on which a test listens, and cuts, delays or changes what goes by.
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";

export interface Seen {
	readonly method: string;
	/** Behind the stack's: `/journalentries`, `/export`; whole for all others. */
	readonly path: string;
	readonly authorization: string;
	status: number;
}

/** What a test does with a request: nothing (undefined), or one of these. */
export type Trick =
	| { readonly answer: number; readonly body?: object }
	/** The backend gets it, the CLI hears nothing of it. */
	| { readonly loseReply: true }
	| { readonly change: (body: string) => string };

export interface Wire {
	readonly url: string;
	readonly seen: Seen[];
	/** Asked for every request; the body is text, inflated. */
	trick: (request: Seen & { readonly body: string }) => Trick | undefined;
	close(): Promise<void>;
}

export async function openWire(target: string): Promise<Wire> {
	const seen: Seen[] = [];
	const wire: Wire = {
		url: "",
		seen,
		trick: () => undefined,
		close: () =>
			new Promise((fulfil) => {
				server.close(() => fulfil());
				server.closeAllConnections();
			}),
	};
	const server = createServer(async (incoming, outgoing) => {
		const chunks: Buffer[] = [];
		for await (const chunk of incoming) chunks.push(chunk);
		const raw = Buffer.concat(chunks);
		const isGzip = incoming.headers["content-encoding"] === "gzip";
		const body = (isGzip ? gunzipSync(raw) : raw).toString("utf8");
		const one: Seen = {
			method: incoming.method ?? "",
			path: (incoming.url ?? "").replace(
				/^\/api\/stacks\/[^/]+\/[^/]+\/[^/]+(\/update\/[0-9a-f-]{36})?/,
				"",
			),
			authorization: incoming.headers.authorization ?? "",
			status: 0,
		};
		seen.push(one);
		const trick = wire.trick({ ...one, body });
		if (trick !== undefined && "answer" in trick) {
			one.status = trick.answer;
			outgoing.writeHead(trick.answer, { "content-type": "application/json" });
			outgoing.end(
				JSON.stringify(
					trick.body ?? { code: trick.answer, message: "a trick" },
				),
			);
			return;
		}
		const changed =
			trick !== undefined && "change" in trick ? trick.change(body) : body;
		const sent = isGzip ? gzipSync(changed) : Buffer.from(changed);
		const onward = httpRequest(
			`${target}${incoming.url}`,
			{
				method: incoming.method,
				headers: { ...incoming.headers, "content-length": sent.length },
			},
			(reply) => {
				one.status = reply.statusCode ?? 0;
				if (trick !== undefined && "loseReply" in trick) {
					reply.resume().on("end", () => incoming.socket.destroy());
					return;
				}
				outgoing.writeHead(one.status, reply.headers);
				reply.pipe(outgoing);
			},
		);
		onward.on("error", () => incoming.socket.destroy());
		onward.end(sent);
	});
	await new Promise<void>((fulfil) =>
		server.listen(0, "127.0.0.1", () => fulfil()),
	);
	const { port } = server.address() as AddressInfo;
	return Object.assign(wire, { url: `http://127.0.0.1:${port}` });
}
