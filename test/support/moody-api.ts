// A way to the API server on which a part of the requests is answered with an error of the API server's own kind, as one
// that is overloaded or loses its store answers. In plain HTTP: the way onward signs in as the kubeconfig says.
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";

export interface MoodyApi {
	/** For a client that is to come through here. */
	readonly kubeconfig: string;
	/** From now on every `every`-th request is answered like that; undefined: none. */
	answer(mood: Mood | undefined): void;
	/** How many were answered like that. */
	count(): number;
	stop(): Promise<void>;
}

export interface Mood {
	readonly status: 429 | 500;
	readonly every: number;
}

/** `kubeconfig` is the text of one with a client certificate in it. */
export async function startMoodyApi(kubeconfig: string): Promise<MoodyApi> {
	const find = (name: string) => {
		const value = new RegExp(`${name}: (\\S+)`).exec(kubeconfig)?.[1];
		if (value === undefined) throw new Error(`the kubeconfig has no ${name}`);
		return value;
	};
	const decode = (name: string) => Buffer.from(find(name), "base64");
	const target = new URL(find("server"));
	const agent = new Agent({
		keepAlive: true,
		ca: decode("certificate-authority-data"),
		cert: decode("client-certificate-data"),
		key: decode("client-key-data"),
	});
	let mood: Mood | undefined;
	let seen = 0;
	let answered = 0;

	const handle = (incoming: IncomingMessage, response: ServerResponse) => {
		seen++;
		if (mood !== undefined && seen % mood.every === 0) {
			answered++;
			refuse(response, mood.status);
			incoming.resume();
			return;
		}
		const onward = request(
			{
				agent,
				host: target.hostname,
				port: target.port,
				method: incoming.method,
				path: incoming.url,
				headers: { ...incoming.headers, host: target.host },
			},
			(answer) => {
				response.writeHead(answer.statusCode ?? 502, answer.headers);
				// A watch says nothing for a long time, and its reader waits for the head.
				response.flushHeaders();
				answer.pipe(response);
				answer.on("error", () => response.destroy());
			},
		);
		onward.on("error", () => response.destroy());
		response.on("close", () => onward.destroy());
		incoming.pipe(onward);
	};
	const server = createServer(handle).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		kubeconfig: kubeconfig
			.replace(/server: \S+/, `server: http://127.0.0.1:${port}`)
			.replace(
				/\n *(certificate-authority|client-certificate|client-key)-data: \S+/g,
				"",
			)
			.replace(/user:\n(?=\S)/, "user: {}\n"),
		answer(next) {
			mood = next;
		},
		count: () => answered,
		async stop() {
			const closed = once(server, "close");
			server.close();
			server.closeAllConnections();
			agent.destroy();
			await closed;
		},
	};
}

function refuse(response: ServerResponse, code: Mood["status"]): void {
	const status = {
		kind: "Status",
		apiVersion: "v1",
		status: "Failure",
		reason: code === 429 ? "TooManyRequests" : "InternalError",
		message:
			code === 429
				? "too many requests, please try again later"
				: "Internal error occurred: the store lost its leader",
		code,
	};
	response.writeHead(code, {
		"content-type": "application/json",
		...(code === 429 && { "retry-after": "1" }),
	});
	response.end(JSON.stringify(status));
}
