// npm run soak -- [--minutes N] [--seed N] [--workers N] [--customers N] [--every SECONDS]
//
// Customers create, upgrade, cancel and destroy environments while chaos kills and stops every kind of process.
// Afterwards everything must have come to an end, and nothing may be left over, doubled or untrue. Ends with 0
// if so. Everything is started by the soak itself, on 127.0.0.1, and gone when it ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { upstreamRelease } from "../../src/domain/release.ts";
import { findDescendants } from "../support/descendants.ts";
import { startChaos } from "./chaos.ts";
import { destroy, openLedger, shop } from "./customer.ts";
import { type House, openHouse } from "./house.ts";
import {
	countOffences,
	judgeCluster,
	judgeDatabase,
	type Offences,
} from "./judge.ts";
import { makeRandom } from "./random.ts";

const since = Date.now();
const tell = (line: string) =>
	console.log(
		`${((Date.now() - since) / 1000).toFixed(1).padStart(7)} s  ${line}`,
	);

function parseOptions() {
	const { values } = parseArgs({
		options: {
			minutes: { type: "string", default: "20" },
			seed: { type: "string", default: String(Date.now() % 1_000_000) },
			workers: { type: "string", default: "2" },
			customers: { type: "string", default: "4" },
			every: { type: "string", default: "9" },
		},
	});
	const read = (name: keyof typeof values, min: number, max: number) => {
		const value = Number(values[name]);
		if (Number.isFinite(value) && value >= min && value <= max) return value;
		throw new Error(`--${name} takes a number from ${min} to ${max}.`);
	};
	return {
		minutes: read("minutes", 0.1, 24 * 60),
		seed: read("seed", 0, 2 ** 32 - 1),
		workers: read("workers", 1, 8),
		customers: read("customers", 1, 32),
		everyMs: read("every", 0.5, 600) * 1_000,
	};
}

type Options = ReturnType<typeof parseOptions>;

async function soak(house: House, options: Options): Promise<boolean> {
	const newRelease = { ...upstreamRelease("0.6.1", "0.15.1"), name: "0.6.1" };
	const { name, images } = newRelease;
	await house.admin.call("POST", "/v1/releases", { name, images });
	const ledger = openLedger();
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
	const isOver = () => Date.now() > until;
	const over = new Promise((fulfil) =>
		setTimeout(fulfil, options.minutes * 60_000),
	).then(() => chaos.stop());
	const standing = await Promise.all(
		customers.map((customer) =>
			shop(customer, { name: customer.name, release: name, isOver }),
		),
	);
	await over;
	tell("chaos is over; what stands is compared with its state");
	const { databaseUrl, kubeconfigPath } = house.sandbox;
	const whileStanding = await judgeCluster(databaseUrl, kubeconfigPath);
	await Promise.all(
		customers.map(async (customer, i) => {
			const environment = standing[i];
			if (environment !== undefined) await destroy(customer, environment);
		}),
	);
	await house.stopRoles();
	const offences: Offences = {
		...whileStanding,
		...(await judgeDatabase(databaseUrl, ledger.promised)),
		...prefix("in the end: ", await judgeCluster(databaseUrl, kubeconfigPath)),
		"processes of the engine left over": findDescendants(
			process.pid,
			/\/pulumi |pulumi-resource-|worker\/child/,
		).length,
		"customers' complaints": ledger.complaints,
	};
	report({ options, house, offences, ledger, strikes: chaos.counts });
	return Object.values(offences).every((of) => countOffences(of) === 0);
}

const prefix = (text: string, offences: Offences): Offences =>
	Object.fromEntries(
		Object.entries(offences).map(([name, count]) => [`${text}${name}`, count]),
	);

function report(result: {
	readonly options: Options;
	readonly house: House;
	readonly offences: Offences;
	readonly ledger: ReturnType<typeof openLedger>;
	readonly strikes: ReadonlyMap<string, number>;
}): void {
	const { options, house, offences, ledger, strikes } = result;
	const sum = (counts: Iterable<number>) =>
		[...counts].reduce((total, count) => total + count, 0);
	console.log(`\nsoak of ${options.minutes} minutes, seed ${options.seed}`);
	console.log(`strikes: ${sum(strikes.values())}`);
	for (const [name, count] of [...strikes].sort()) {
		console.log(`  ${String(count).padStart(5)}  ${name}`);
	}
	console.log(`operations: ${ledger.promised.length}`);
	for (const [end, count] of [...ledger.ends].sort()) {
		console.log(`  ${String(count).padStart(5)}  ${end}`);
	}
	for (const failure of ledger.failures) console.log(`         ${failure}`);
	console.log("starts of a role after its end:");
	for (const role of house.roles) {
		console.log(`  ${String(role.restarts()).padStart(5)}  ${role.name}`);
	}
	console.log("must be zero:");
	for (const [name, offence] of Object.entries(offences)) {
		console.log(`  ${String(countOffences(offence)).padStart(5)}  ${name}`);
		if (typeof offence === "number") continue;
		for (const line of offence) console.log(`           ${line}`);
	}
}

const options = parseOptions();
const dir = mkdtempSync(join(tmpdir(), "impresario-soak-"));
tell(`seed ${options.seed}; logs are in ${join(dir, "logs")}`);
const house = await openHouse(dir, { workers: options.workers, log: tell });
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
