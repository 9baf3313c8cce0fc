// Ordered through the HTTP API, as any caller does.
import type { Event as StreamedEvent } from "../../client/client.ts";
import type { PhaseName } from "../../src/domain/operation.ts";
import type { Caller } from "../../test/support/service.ts";
import type { Readings } from "../statistics.ts";
import { secondsSince } from "../surroundings.ts";
import { releaseOf, type Way } from "./way.ts";

/** An object that the program declares, as the events name it. */
export interface Declared {
	/** `apiVersion/Kind`. */
	readonly kind: string;
	readonly name: string;
}

export interface Ours extends Way {
	/** The namespace of a round's environment and the objects that were made in it. */
	find(round: number): Promise<{
		readonly namespace: string;
		readonly declared: readonly Declared[];
	}>;
	/** Orders a verb of the round's environment. Seconds by row: all of it, then each phase. */
	change(
		round: number,
		verb: "upgrade" | "hibernate" | "wake",
		body?: object,
	): Promise<Readings>;
}

const nameOf = (round: number) => `bench-${round}`;

export function makeOurs(tenant: Caller): Ours {
	const creates = new Map<number, readonly StreamedEvent[]>();

	/** An order to its end, measured at the caller. */
	async function follow(
		method: "POST" | "DELETE",
		path: string,
		body?: unknown,
	): Promise<{ id: string; readings: Readings; events: StreamedEvent[] }> {
		const begun = performance.now();
		const order = await tenant.call(method, path, body);
		const answered = secondsSince(begun);
		if (order.status !== 202) throw new Error(JSON.stringify(order.body));
		const id = String(order.body.id);
		const events = await tenant.follow(id);
		const total = secondsSince(begun);
		const last = events.at(-1);
		if (last?.type !== "operation.succeeded") {
			throw new Error(`the operation did not succeed: ${JSON.stringify(last)}`);
		}
		const readings = { "ours: order → succeeded": total, "  202": answered };
		return { id, events, readings };
	}

	async function run(...order: Parameters<typeof follow>) {
		const { id, events, readings } = await follow(...order);
		return {
			events,
			readings: { ...readings, ...(await readTimes(tenant, id)) },
		};
	}

	async function change(round: number, verb: string, body?: object) {
		const path = `/v1/environments/${nameOf(round)}:${verb}`;
		const { id, readings } = await follow("POST", path, body);
		const { phases } = await tenant.client.findOperation({ id });
		const times = phases.map(({ name, startedAt, finishedAt }) => [
			`  ${name}`,
			finishedAt === null
				? undefined
				: (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000,
		]);
		return { ...readings, ...Object.fromEntries(times) };
	}

	return {
		name: "ours",
		async create(round) {
			const order = { name: nameOf(round), size: "ha" };
			const { readings, events } = await run("POST", "/v1/environments", order);
			creates.set(round, events);
			return readings;
		},
		change,
		upgrade: (round, patch) =>
			change(round, "upgrade", { release: releaseOf(patch).name }),
		async destroy(round) {
			const path = `/v1/environments/${nameOf(round)}`;
			return (await run("DELETE", path)).readings;
		},
		async find(round) {
			const path = `/v1/environments/${nameOf(round)}`;
			const { body } = await tenant.call("GET", path);
			const declared = (creates.get(round) ?? [])
				.filter(({ type }) => type === "resource.created")
				.map(({ data }) => data as unknown as Declared);
			return { namespace: String(body.namespace), declared };
		},
	};
}

interface TimedEvent extends StreamedEvent {
	readonly at: string;
}

/** Where the time went, by the times in the log of events. */
async function readTimes(tenant: Caller, id: string): Promise<Readings> {
	const { body } = await tenant.call(
		"GET",
		`/v1/operations/${id}/events?pageSize=200`,
	);
	const events = body.items as TimedEvent[];
	const find = (type: string, phase?: PhaseName) =>
		events.find(
			(event) =>
				event.type === type &&
				(phase === undefined || event.data.phase === phase),
		);
	const between = (from?: TimedEvent, to?: TimedEvent) =>
		from === undefined || to === undefined
			? undefined
			: (Date.parse(to.at) - Date.parse(from.at)) / 1000;
	const phase = (name: PhaseName) =>
		between(find("phase.started", name), find("phase.succeeded", name));
	const made = events.filter(({ type }) => type === "resource.created");
	return {
		"  queued → started": between(
			find("operation.queued"),
			find("operation.started"),
		),
		"  preparing": phase("preparing"),
		"  applying": phase("applying"),
		"    to the first object": between(
			find("phase.started", "applying"),
			made[0],
		),
		"    first to last object": between(made[0], made.at(-1)),
		"    after the last object": between(
			made.at(-1),
			find("phase.succeeded", "applying"),
		),
		"  waiting": phase("waiting"),
		"  verifying": phase("verifying"),
		"  finishing": phase("finishing"),
	};
}
