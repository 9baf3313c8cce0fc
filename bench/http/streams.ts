// A thousand clients that follow events of which there are none: what the process holds for them, and what it does.
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Caller } from "../../test/support/service.ts";
import { until } from "../../test/support/until.ts";
import { readResidentMiB } from "../memory.ts";
import { readProcessorSeconds } from "../processor.ts";
import type { Readings } from "../statistics.ts";
import { secondsSince } from "../surroundings.ts";

export const streams = 1_000;
/** They are spread over so many environments. */
export const environments = 100;
const idleMs = 20_000;
/** Long enough for a collection of garbage, which a signal begins. */
const collectMs = 2_000;

export async function measureStreams(
	api: { readonly url: string; readonly pid: number },
	tenant: Caller,
): Promise<{ memory: Readings; processor: Readings }> {
	const ids = await Promise.all(
		Array.from({ length: environments }, (_, i) => order(tenant, `idle-${i}`)),
	);
	const open = (count: number) =>
		Promise.all(
			Array.from({ length: count }, (_, i) =>
				follow(api.url, ids[i % ids.length] ?? "", tenant.token),
			),
		);
	// What the first streams bring along for good is not what a stream costs.
	for (const socket of await open(50)) socket.destroy();
	await delay(collectMs);
	const before = await readHeld(api.pid);
	const restBefore = await measureProcessor(api.pid);
	const sockets = await open(streams);
	await until(
		"all are open",
		async () => (await countOpen(api.url)) === streams,
	);
	const busy = await measureProcessor(api.pid);
	const during = await readHeld(api.pid);
	for (const socket of sockets) socket.destroy();
	await until("all are closed", async () => (await countOpen(api.url)) === 0);
	const after = await readHeld(api.pid);
	return {
		memory: {
			"without streams": before,
			[`with ${streams}`]: during,
			"more by": during - before,
			"after they were closed": after,
		},
		processor: { "without streams": restBefore, [`with ${streams}`]: busy },
	};
}

async function order(tenant: Caller, name: string): Promise<string> {
	const { status, body } = await tenant.call("POST", "/v1/environments", {
		name,
	});
	if (status !== 202) throw new Error(JSON.stringify(body));
	return String(body.environment);
}

/** Fulfils when the first event is here. A bare socket: a thousand clients share the machine with the service. */
function follow(url: string, environment: string, token: string) {
	const { hostname, port } = new URL(url);
	return new Promise<Socket>((fulfil, reject) => {
		const socket = connect(Number(port), hostname);
		let text = "";
		socket.setEncoding("utf8");
		socket.on("error", reject);
		socket.on("data", (chunk: string) => {
			if (text.includes("\nid: ")) return;
			text += chunk;
			if (text.includes("\nid: ")) fulfil(socket);
			else if (!/^HTTP\/1\.1 200/.test(text)) reject(new Error(text));
		});
		socket.write(
			`GET /v1/environments/${environment}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n\r\n`,
		);
	});
}

async function countOpen(url: string): Promise<number | undefined> {
	const text = await (await fetch(`${url}/metrics`)).text();
	const match = /^impresario_http_streams_open (\d+)$/m.exec(text);
	return match === null ? undefined : Number(match[1]);
}

/** After a collection of garbage. */
async function readHeld(pid: number): Promise<number> {
	process.kill(pid, "SIGUSR2");
	await delay(collectMs);
	const held = readResidentMiB(pid);
	if (held === undefined) throw new Error("this system does not tell");
	return held;
}

/** Percent of one core over a while. */
async function measureProcessor(pid: number): Promise<number> {
	const begun = performance.now();
	const first = readProcessorSeconds(pid);
	await delay(idleMs);
	const used = readProcessorSeconds(pid) - first;
	return (used / secondsSince(begun)) * 100;
}
