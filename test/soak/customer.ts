// One of many who order, change and destroy environments all the time, and note what they were promised.
import { setTimeout as delay } from "node:timers/promises";
import type { Answer } from "../support/answers.ts";
import type { Caller } from "../support/service.ts";
import type { Random } from "./random.ts";

/** Longer than an operation may take with every kind of bad luck. */
const patienceMs = 10 * 60_000;
const pauseMs = 500;

/** An operation that was answered with 202. */
export interface Promised {
	readonly id: string;
	readonly kind: string;
	readonly environment: string;
}

export interface Ledger {
	readonly promised: Promised[];
	/** How operations ended, as `kind state` → how many. */
	readonly ends: Map<string, number>;
	/** Each operation that did not succeed, with its reason: not wrong, but worth a look. */
	readonly failures: string[];
	/** What no customer should see. */
	readonly complaints: string[];
}

export const openLedger = (): Ledger => ({
	promised: [],
	ends: new Map(),
	failures: [],
	complaints: [],
});

interface Customer {
	readonly tenant: Caller;
	readonly random: Random;
	readonly ledger: Ledger;
}

/**
 * Orders one environment after the other until `isOver`, and leaves the last one standing if it came up.
 * Returns that one's name.
 */
export async function shop(
	customer: Customer,
	options: {
		readonly name: string;
		readonly release: string;
		readonly isOver: () => boolean;
	},
): Promise<string | undefined> {
	for (let count = 1; ; count++) {
		const name = `${options.name}-${count}`;
		const isUp = await liveThrough(customer, name, options.release);
		if (options.isOver()) {
			if (isUp) return name;
			await destroy(customer, name);
			return undefined;
		}
		await destroy(customer, name);
	}
}

/** Creates an environment and changes it. Returns whether it stands. */
async function liveThrough(
	{ tenant, random, ledger }: Customer,
	name: string,
	release: string,
): Promise<boolean> {
	const customer = { tenant, random, ledger };
	const path = `/v1/environments/${name}`;
	const created = await order(customer, "create", name, () =>
		tenant.call("POST", "/v1/environments", { name }),
	);
	let state = created && (await follow(customer, created));
	if (state === "stalled" || (state === "cancelled" && random.happens(0.5))) {
		const retried = await order(customer, "retry", name, () =>
			tenant.call("POST", `/v1/operations/${created}:retry`, {}),
		);
		state = retried && (await follow(customer, retried));
	}
	if (state !== "succeeded") return false;
	if (random.happens(0.6)) {
		const upgraded = await order(customer, "upgrade", name, () =>
			tenant.call("POST", `${path}:upgrade`, { release }),
		);
		state = upgraded && (await follow(customer, upgraded));
	}
	return state === "succeeded";
}

/** Until it is gone: whatever happened before, a destroy cleans up in the end. */
export async function destroy(customer: Customer, name: string): Promise<void> {
	for (let attempt = 1; attempt <= 10; attempt++) {
		const id = await order(customer, "destroy", name, () =>
			customer.tenant.call("DELETE", `/v1/environments/${name}`),
		);
		if (id === undefined) return;
		if ((await follow(customer, id)) === "succeeded") return;
	}
	customer.ledger.complaints.push(`${name} could not be destroyed`);
}

/**
 * Orders until there is an answer. Without one the order may or may not have been taken, so a conflict with
 * oneself afterwards is looked up. Undefined: there is nothing to order it of.
 */
async function order(
	{ tenant, ledger }: Customer,
	kind: string,
	environment: string,
	send: () => Promise<Answer>,
): Promise<string | undefined> {
	const deadline = Date.now() + patienceMs;
	let isUnsure = false;
	while (Date.now() < deadline) {
		const answer = await send().catch(() => undefined);
		if (answer?.status === 202) {
			const id = String(answer.body.id);
			ledger.promised.push({ id, kind, environment });
			return id;
		}
		if (answer?.status === 404 && kind === "destroy") return undefined;
		if (answer !== undefined && answer.status < 500) {
			const taken = isUnsure
				? await findNewest(tenant, environment)
				: undefined;
			if (taken !== undefined) return taken;
			ledger.complaints.push(
				`${kind} of ${environment}: ${answer.status} ${JSON.stringify(answer.body)}`,
			);
			return undefined;
		}
		if (answer === undefined) isUnsure = true;
		else if (answer.status !== 503) {
			ledger.complaints.push(
				`${kind} of ${environment}: ${answer.status} ${JSON.stringify(answer.body)}`,
			);
		}
		await delay(pauseMs);
	}
	ledger.complaints.push(`${kind} of ${environment}: no answer`);
	return undefined;
}

async function findNewest(
	tenant: Caller,
	environment: string,
): Promise<string | undefined> {
	const answer = await tenant
		.call("GET", `/v1/environments/${environment}/operations`)
		.catch(() => undefined);
	const items = (answer?.body.items ?? []) as { id: string }[];
	return items[0]?.id;
}

/** Waits for the end, which it notes; sometimes cancels on the way. */
async function follow(
	{ tenant, random, ledger }: Customer,
	id: string,
): Promise<string | undefined> {
	const deadline = Date.now() + patienceMs;
	let cancelsAt = random.happens(0.12)
		? Date.now() + random.between(100, 8_000)
		: Number.POSITIVE_INFINITY;
	while (Date.now() < deadline) {
		const answer = await tenant
			.call("GET", `/v1/operations/${id}`)
			.catch(() => undefined);
		if (answer?.status === 200 && typeof answer.body.finishedAt === "string") {
			const { kind, state, error } = answer.body;
			const { code, message } = (error ?? {}) as Record<string, string>;
			const end =
				error === null ? `${kind} ${state}` : `${kind} ${state}: ${code}`;
			if (error !== null) ledger.failures.push(`${id} ${end}: ${message}`);
			ledger.ends.set(end, (ledger.ends.get(end) ?? 0) + 1);
			return String(state);
		}
		if (
			answer?.status === 200 &&
			Date.now() > cancelsAt &&
			answer.body.kind !== "destroy"
		) {
			cancelsAt = Number.POSITIVE_INFINITY;
			await tenant
				.call("POST", `/v1/operations/${id}:cancel`, {})
				.catch(() => undefined);
		}
		await delay(pauseMs);
	}
	ledger.complaints.push(`operation ${id} did not come to an end`);
	return undefined;
}
