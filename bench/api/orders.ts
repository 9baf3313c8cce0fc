// One caller with a connection of its own. Plain node:http: a heavier client would take the processor from
// the service, and that would be measured.
import { randomUUID } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";

export interface Orderer {
	/** Orders an environment; fulfils with the milliseconds until the whole 202 was there. */
	order(name: string): Promise<number>;
	close(): void;
}

export function makeOrderer(url: string, token: string): Orderer {
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	const target = new URL("/v1/environments", url);
	return {
		async order(name) {
			const begun = performance.now();
			const { status, text } = await send(target, {
				agent,
				token,
				body: JSON.stringify({ name }),
			});
			const ms = performance.now() - begun;
			if (status === 202) return ms;
			throw new Error(`an order was answered by ${status}: ${text}`);
		},
		close: () => agent.destroy(),
	};
}

function send(
	target: URL,
	call: {
		readonly agent: Agent;
		readonly token: string;
		readonly body: string;
	},
): Promise<{ status: number | undefined; text: string }> {
	return new Promise((fulfil, reject) => {
		const outgoing = request(target, {
			agent: call.agent,
			method: "POST",
			headers: {
				authorization: `Bearer ${call.token}`,
				"content-type": "application/json",
				"idempotency-key": randomUUID(),
				"content-length": Buffer.byteLength(call.body),
			},
		});
		outgoing.on("error", reject);
		outgoing.on("response", (response: IncomingMessage) => {
			let text = "";
			response.setEncoding("utf8");
			response.on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("error", reject);
			response.on("end", () => fulfil({ status: response.statusCode, text }));
		});
		outgoing.end(call.body);
	});
}
