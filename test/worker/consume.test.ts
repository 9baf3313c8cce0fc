// A worker that stops while its queue answers nothing, and does not say either that it is gone: a host that was lost.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { OperationId } from "../../src/domain/ids.ts";
import { openSender } from "../../src/queue/enqueue.ts";
import { startConsumer } from "../../src/worker/consume.ts";
import { createTestDatabase } from "../support/database.ts";
import { silentLog } from "../support/given.ts";
import { startRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

/** The way to a server, which can come to swallow all that is sent, in both directions. */
async function startHole(t: TestContext, target: string) {
	const { hostname, port } = new URL(target);
	const sockets = new Set<Socket>();
	let isSwallowing = false;
	const server = createServer((client) => {
		const upstream = connect(Number(port), hostname);
		for (const [from, to] of [
			[client, upstream],
			[upstream, client],
		] as const) {
			sockets.add(from);
			from.on("error", () => {});
			from.on("data", (data) => isSwallowing || to.write(data));
			from.on("close", () => isSwallowing || to.destroy());
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	t.after(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	const url = new URL(target);
	url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
	return {
		url: url.href,
		swallow() {
			isSwallowing = true;
		},
	};
}

const queues: Readonly<Record<string, (t: TestContext) => Promise<string>>> = {
	async PostgreSQL(t) {
		const { url, close } = await createTestDatabase();
		t.after(close);
		return url;
	},
	async Redis(t) {
		const { url, stop } = await startRedis();
		t.after(stop);
		return url;
	},
};

for (const [name, start] of Object.entries(queues))
	test(`a consumer whose queue in ${name} swallows everything comes to its end`, {
		timeout: 60_000,
	}, async (t) => {
		const target = await start(t);
		const hole = await startHole(t, target);
		let asked = 0;
		const consumer = startConsumer({
			queueUrl: hole.url,
			owner: "test",
			concurrency: 1,
			pool: {
				borrow() {
					asked++;
					return Promise.reject(new Error("there is no child"));
				},
			},
			tools: {} as Parameters<typeof startConsumer>[0]["tools"],
			sender: { enqueue: async () => {} },
			log: silentLog,
		});
		const sender = openSender(target, silentLog);
		await sender.enqueue("op_00000000000000000000" as OperationId, 0);
		await sender.close();
		await until("it has taken the message", () => asked > 0);
		hole.swallow();
		await consumer.close();
	});
