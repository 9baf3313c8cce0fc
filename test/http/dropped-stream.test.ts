// A public client of Server-sent events, which loses its connection over and over again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import type { NewEvent } from "../../src/domain/event.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { appendEvents } from "../../src/store/events.ts";
import {
	type CuttingProxy,
	startCuttingProxy,
} from "../support/cutting-proxy.ts";
import { until } from "../support/until.ts";
import { type Door, endOperation, givenEnvironment, openDoor } from "./door.ts";

const drops = 100;

let door: Door;
/** Between the client and the service. */
let proxy: CuttingProxy;
before(async () => {
	door = await openDoor({ limits: { reconnectMs: 5 } });
	proxy = await startCuttingProxy(door.url);
});
after(async () => {
	await proxy?.close();
	await door?.close();
});

const note = (message: string): NewEvent => ({
	type: "engine.warned",
	data: { message },
});

const append = ({ environment, id }: Operation, events: readonly NewEvent[]) =>
	door.db
		.transaction()
		.execute((trx) =>
			appendEvents(trx, { environment, operation: id }, events),
		);

interface Reader {
	readonly source: EventSource;
	/** Ids of the events, in the order in which they came. */
	readonly seen: number[];
	countConnections(): number;
	isOver(): boolean;
}

function read(path: string): Reader {
	const seen: number[] = [];
	let connections = 0;
	let isOver = false;
	const source = new EventSource(`${proxy.url.replace(/\/$/, "")}${path}`, {
		fetch: (url, init) =>
			fetch(url, {
				...init,
				headers: {
					...init.headers,
					authorization: `Bearer ${door.viewer.token}`,
				},
			}),
	});
	source.addEventListener("open", () => {
		connections++;
	});
	for (const type of ["operation.queued", "engine.warned"]) {
		source.addEventListener(type, (message) => {
			seen.push((JSON.parse(message.data) as { id: number }).id);
		});
	}
	source.addEventListener("end", () => {
		isOver = true;
		source.close();
	});
	return {
		source,
		seen,
		countConnections: () => connections,
		isOver: () => isOver,
	};
}

function cut(): void {
	proxy.setAway(true);
	proxy.setAway(false);
}

const countTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

test(`a client that is dropped ${drops} times during one operation sees every event exactly once, and its end`, async (t) => {
	const { operation } = await givenEnvironment(door);
	const reader = read(`/v1/operations/${operation.id}/events`);
	t.after(() => reader.source.close());
	let written = 1;
	for (let drop = 1; drop <= drops; drop++) {
		await until("it is there again", () => reader.countConnections() >= drop);
		// Some of them are on their way, some are being written, when the line is cut.
		await append(
			operation,
			countTo(3).map((i) => note(`${drop}.${i}`)),
		);
		const writing = append(operation, [note(`${drop}.4`)]);
		if (drop % 2) await until("one was seen", () => reader.seen.length > drop);
		cut();
		await writing;
		written += 4;
	}
	const { environment, id } = operation;
	await door.db.transaction().execute(async (trx) => {
		await appendEvents(trx, { environment, operation: id }, [note("the last")]);
		await endOperation(trx, id);
	});
	await until("the stream ended", () => reader.isOver());
	assert.ok(reader.countConnections() > drops);
	assert.deepEqual(reader.seen, countTo(written + 1));
});

test("a client of the tenant's stream that is dropped sees every event exactly once, of each environment in order", async (t) => {
	const operations = await Promise.all(
		countTo(3).map(async () => (await givenEnvironment(door)).operation),
	);
	// Without it, who is cut off before he is told where his stream begins would begin later.
	const reader = read("/v1/events?after=0");
	t.after(() => reader.source.close());
	const seen: { environment: string; id: number }[] = [];
	reader.source.addEventListener("engine.warned", (message) => {
		const event = JSON.parse(message.data) as {
			environment: string;
			id: number;
		};
		if (operations.some((one) => one.environment === event.environment))
			seen.push(event);
	});
	for (let drop = 1; drop <= 20; drop++) {
		await until("it is there again", () => reader.countConnections() >= drop);
		const writing = operations.map((one) => append(one, [note(`${drop}`)]));
		if (drop % 2) cut();
		await Promise.all(writing);
		if (drop % 2 === 0) cut();
	}
	await until("all were seen", () => seen.length >= 60);
	for (const { environment } of operations) {
		const own = seen.filter((one) => one.environment === environment);
		assert.deepEqual(
			own.map(({ id }) => id),
			countTo(20).map((i) => i + 1),
		);
	}
});
