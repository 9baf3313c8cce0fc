// The service's processes: a role from the command line is opened, kept until a signal, closed in reverse.
// The process ends by letting its loop empty; only a second signal forces it.
import { setFlagsFromString } from "node:v8";
import { parseConfig } from "./config.ts";
import { Failure } from "./failure.ts";
import {
	openApi,
	openBase,
	openScheduler,
	openTelemetry,
	openWorker,
	prepareInstallation,
	readTarget,
	requirePrepared,
} from "./open.ts";
import { startAll } from "./start.ts";
import { translateDatabaseError } from "./store/db.ts";

// V8 lets garbage grow to three times what lives before it collects: that held 80 MiB more in memory after a load.
setFlagsFromString("--heap-growing-percent=50");

/** Things to close, in the order in which they were opened. */
export type Opened = { close(): Promise<void> }[];

const print = (line: string) => process.stdout.write(`${line}\n`);

/** What each role opens. It pushes as it goes, so that a start that fails half-way closes what it opened. */
const roles: Record<
	string,
	(opened: Opened, stopped: Promise<void>) => Promise<void>
> = {
	start: (opened, stopped) =>
		startAll(parseConfig(process.env), { opened, stopped, print }),
	async serve(opened) {
		const base = openBase(parseConfig(process.env));
		opened.push(base);
		const { tokenFile } = await prepareInstallation(
			base,
			await readTarget(base.config),
		);
		opened.push(await openTelemetry(base));
		opened.push(await openScheduler(base));
		opened.push(await openWorker(base));
		const api = await openApi(base);
		opened.push(api);
		print(
			`serving on ${api.url}, the platform admin's token is in ${tokenFile}`,
		);
	},
	async api(opened) {
		const base = openBase(parseConfig(process.env));
		opened.push(base);
		await requirePrepared(base);
		opened.push(await openTelemetry(base));
		const api = await openApi(base);
		opened.push(api);
		print(`serving on ${api.url}`);
	},
	async worker(opened) {
		const base = openBase(parseConfig(process.env));
		opened.push(base);
		await requirePrepared(base);
		opened.push(await openTelemetry(base));
		opened.push(await openScheduler(base));
		const worker = await openWorker(base);
		opened.push(worker);
		print(`working with ${worker.size} children`);
	},
	async scheduler(opened) {
		const base = openBase(parseConfig(process.env));
		opened.push(base);
		await requirePrepared(base);
		opened.push(await openTelemetry(base));
		opened.push(await openScheduler(base));
		print("sweeping");
	},
	async migrate(opened) {
		const base = openBase(parseConfig(process.env));
		opened.push(base);
		const { tokenFile } = await prepareInstallation(
			base,
			await readTarget(base.config),
		);
		print(
			`the database is up to date, the platform admin's token is in ${tokenFile}`,
		);
	},
};

/** Roles that have done their work once they are open. */
const oneShot = new Set(["migrate"]);

// One Ctrl-C can arrive twice: from the terminal, and passed on by npm.
const sameSignalMs = 1_000;

function stopSignal(): Promise<void> {
	return new Promise((fulfil) => {
		let firstAt: number | undefined;
		const onSignal = () => {
			if (firstAt === undefined) {
				firstAt = performance.now();
				print("stopping");
				fulfil();
			} else if (performance.now() - firstAt > sameSignalMs) {
				// Somebody who asks twice does not want to wait. What is left behind is cleaned up by the next start.
				process.exit(130);
			}
		};
		process.on("SIGINT", onSignal);
		process.on("SIGTERM", onSignal);
		process.on("SIGHUP", onSignal);
	});
}

async function main(role: string | undefined): Promise<void> {
	const open = Object.hasOwn(roles, role ?? "") ? roles[role ?? ""] : undefined;
	if (open === undefined) {
		throw new Failure({
			code: "invalid_request",
			message: `There is no role "${role ?? ""}".`,
			advice: `Give one of: ${Object.keys(roles).join(", ")}.`,
		});
	}
	const stopped = stopSignal();
	const opened: Opened = [];
	try {
		// A signal during the start is obeyed once the start is over: half-started things cannot be closed.
		await open(opened, stopped);
		if (!oneShot.has(role ?? "")) await stopped;
	} finally {
		await closeAll(opened);
	}
}

/** In reverse, and all of them: one that does not close must not keep the rest open. */
async function closeAll(opened: Opened): Promise<void> {
	const errors: unknown[] = [];
	for (const thing of opened.reverse()) {
		try {
			await thing.close();
		} catch (error) {
			errors.push(error);
		}
	}
	if (errors.length > 0) throw errors[0];
}

function explain(error: unknown): string {
	const translated = translateDatabaseError(error);
	if (!(translated instanceof Failure)) {
		return translated instanceof Error
			? (translated.stack ?? translated.message)
			: String(translated);
	}
	return [translated.message, translated.untouched, translated.advice]
		.filter((part) => part !== undefined)
		.join(" ");
}

try {
	await main(process.argv[2]);
} catch (error) {
	process.stderr.write(`impresario: ${explain(error)}\n`);
	process.exitCode = 1;
}
