// npm run soak -- [chaos] [--minutes N] [--seed N] [--workers N] [--customers N] [--every SECONDS]
// npm run soak -- entries [--from N] [--step N] [--workers N]
//
// chaos: customers create, upgrade, cancel and destroy environments while every kind of process is killed and stopped.
// entries: the worker is killed at each journal entry of a create, an upgrade and a destroy.
//
// Afterwards everything must have come to an end, and nothing may be left over, doubled or untrue. Ends with 0 if so.
// Everything is started by the soak itself, on 127.0.0.1, and gone when it ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { upstreamRelease } from "../../src/domain/release.ts";
import { findDescendants } from "../support/descendants.ts";
import { startChaos } from "./chaos.ts";
import { destroy, type Ledger, openLedger, shop } from "./customer.ts";
import { liveAndDie, type Verb } from "./entries.ts";
import { type House, openHouse } from "./house.ts";
import {
	countOffences,
	judgeCluster,
	judgeDatabase,
	type Offences,
} from "./judge.ts";
import { openPoints } from "./points.ts";
import { makeRandom } from "./random.ts";

/** What the environments are upgraded to: other tags, and for a cluster that kwok plays the same. */
const newer = "0.6.1";

const since = Date.now();
const tell = (line: string) =>
	console.log(
		`${((Date.now() - since) / 1000).toFixed(1).padStart(7)} s  ${line}`,
	);

function parseOptions() {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			minutes: { type: "string", default: "20" },
			seed: { type: "string", default: String(Date.now() % 1_000_000) },
			workers: { type: "string" },
			customers: { type: "string", default: "4" },
			every: { type: "string", default: "9" },
			from: { type: "string", default: "1" },
			step: { type: "string", default: "1" },
		},
	});
	const [mode = "chaos"] = positionals;
	if (mode !== "chaos" && mode !== "entries") {
		throw new Error(`There is no soak "${mode}". There are: chaos, entries.`);
	}
	const read = (name: keyof typeof values, min: number, max: number) => {
		const value = Number(values[name]);
		if (Number.isFinite(value) && value >= min && value <= max) return value;
		throw new Error(`--${name} takes a number from ${min} to ${max}.`);
	};
	values.workers ??= mode === "chaos" ? "2" : "6";
	return {
		mode,
		minutes: read("minutes", 0.1, 24 * 60),
		seed: read("seed", 0, 2 ** 32 - 1),
		workers: read("workers", 1, 16),
		customers: read("customers", 1, 32),
		everyMs: read("every", 0.5, 600) * 1_000,
		from: read("from", 1, 10_000),
		step: read("step", 1, 1_000),
	};
}

type Options = ReturnType<typeof parseOptions>;

/** Returns what is wrong while environments still stand. */
async function runChaos(
	house: House,
	options: Options,
	ledger: Ledger,
): Promise<Offences> {
	const until = Date.now() + options.minutes * 60_000;
	const chaos = startChaos(house, {
		random: makeRandom(options.seed),
		everyMs: options.everyMs,
		log: tell,
	});
	const customers = Array.from({ length: options.customers }, (_, i) => ({
		tenant: house.tenant,
		random: makeRandom(options.seed + i + 1),
		ledger,
		name: `soak-${i + 1}`,
	}));
	const over = new Promise((fulfil) =>
		setTimeout(fulfil, options.minutes * 60_000),
	).then(() => chaos.stop());
	const standing = await Promise.all(
		customers.map((customer) =>
			shop(customer, {
				name: customer.name,
				release: newer,
				isOver: () => Date.now() > until,
			}),
		),
	);
	await over;
	tell("chaos is over; what stands is compared with its state");
	tellCounts("strikes", chaos.counts);
	const offences = await judgeCluster(
		house.sandbox.databaseUrl,
		house.sandbox.kubeconfigPath,
	);
	await Promise.all(
		customers.map(async (customer, i) => {
			const environment = standing[i];
			if (environment !== undefined) await destroy(customer, environment);
		}),
	);
	return offences;
}

/** One life after the other in each of several lines, until no verb has so many entries. */
async function runEntries(
	house: House,
	options: Options,
	ledger: Ledger,
): Promise<Offences> {
	const points = await openPoints(house.sandbox.databaseUrl);
	const kills = new Map<string, number>();
	let next = options.from;
	let isEnough = false;
	const line = async () => {
		while (!isEnough) {
			const sequence = next;
			next += options.step;
			let killed: Verb[] = [];
			try {
				killed = await liveAndDie({
					tenant: house.tenant,
					points,
					name: `at-${sequence}`,
					release: newer,
					sequence,
				});
				if (killed.length === 0) isEnough = true;
			} catch (error) {
				tell(`entry ${sequence}: ${String(error)}`);
				ledger.complaints.push(String(error));
				continue;
			}
			tell(`entry ${sequence}: killed in ${killed.join(", ") || "none"}`);
			for (const verb of killed) kills.set(verb, (kills.get(verb) ?? 0) + 1);
		}
	};
	// More lives than that would only wait for a worker.
	await Promise.all(Array.from({ length: options.workers }, line));
	await points.close();
	tellCounts("killed at an entry", kills);
	return {};
}

/** What is wrong once all is over. */
async function judge(house: House, ledger: Ledger): Promise<Offences> {
	const { databaseUrl, kubeconfigPath } = house.sandbox;
	return {
		...(await judgeDatabase(databaseUrl, ledger.promised)),
		...Object.fromEntries(
			Object.entries(await judgeCluster(databaseUrl, kubeconfigPath)).map(
				([name, offence]) => [`in the end: ${name}`, offence],
			),
		),
		"processes of the engine left over": findDescendants(
			process.pid,
			/\/pulumi |pulumi-resource-|worker\/child/,
		).length,
		"customers' complaints": ledger.complaints,
	};
}

function tellCounts(what: string, counts: ReadonlyMap<string, number>): void {
	const sum = [...counts.values()].reduce((total, count) => total + count, 0);
	console.log(`${what}: ${sum}`);
	for (const [name, count] of [...counts].sort()) {
		console.log(`  ${String(count).padStart(5)}  ${name}`);
	}
}

function tellOffences(offences: Offences): void {
	console.log("must be zero:");
	for (const [name, offence] of Object.entries(offences)) {
		console.log(`  ${String(countOffences(offence)).padStart(5)}  ${name}`);
		if (typeof offence === "number") continue;
		for (const line of offence) console.log(`           ${line}`);
	}
}

/** Whether nothing was wrong. */
async function soak(house: House, options: Options): Promise<boolean> {
	const { images } = upstreamRelease(newer, "0.15.1");
	await house.admin.call("POST", "/v1/releases", { name: newer, images });
	const ledger = openLedger();
	const run = options.mode === "chaos" ? runChaos : runEntries;
	const before = await run(house, options, ledger);
	const restarts = new Map(
		house.roles.map((role) => [role.name, role.restarts()]),
	);
	await house.stopRoles();
	const offences = { ...before, ...(await judge(house, ledger)) };
	tellCounts("operations by their end", ledger.ends);
	for (const failure of ledger.failures) console.log(`         ${failure}`);
	tellCounts("starts of a role after its end", restarts);
	tellOffences(offences);
	return Object.values(offences).every((of) => countOffences(of) === 0);
}

const options = parseOptions();
const dir = mkdtempSync(join(tmpdir(), "impresario-soak-"));
tell(`${options.mode}, seed ${options.seed}; logs are in ${join(dir, "logs")}`);
const house = await openHouse(dir, {
	workers: options.workers,
	children: options.mode === "chaos" ? 2 : 1,
	log: tell,
});
const interrupt = () => {
	tell("interrupted");
	house.stop().finally(() => process.exit(130));
};
process.once("SIGINT", interrupt);
process.once("SIGTERM", interrupt);
let isClean = false;
try {
	isClean = await soak(house, options);
} finally {
	await house.stop();
	if (isClean) rmSync(dir, { recursive: true, force: true });
}
process.exit(isClean ? 0 : 1);
