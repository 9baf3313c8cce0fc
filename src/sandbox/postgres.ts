// A real PostgreSQL for a newcomer and for tests: on 127.0.0.1 only, with a password of its own, its data kept
// between starts. It comes up again after any kind of end, its own or the service's.
import { chownSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import { type Claim, claimFolder } from "./claim.ts";
import { choosePorts, isPortFree } from "./ports.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import {
	databaseName,
	endStrayPostmaster,
	openDataFolder,
} from "./postgres-data.ts";
import { composeCommand, findPostgresUser } from "./postgres-user.ts";
import { startProgram } from "./program.ts";

const endLeftOverWithinMs = 10_000;

export interface PostgresRequest {
	/** Holds the data, the password, the log. Made if need be. */
	readonly dataDir: string;
	/** Without one, that of the last start, or any free one. */
	readonly port?: number;
	/** The data need not survive a crash of the machine: faster. */
	readonly throwAway?: boolean;
	readonly log?: (line: string) => void;
}

export interface Postgres {
	/** Of the database `impresario`, with its password in it: a secret. */
	readonly url: string;
	readonly port: number;
	stop(): Promise<void>;
}

/**
 * Starts PostgreSQL and fulfils when it serves.
 *
 * Throws `not_set_up` if it is not installed, cannot run here, or does not start within 30 seconds, or if
 * another running service uses this folder.
 */
export async function startPostgres(
	request: PostgresRequest,
): Promise<Postgres> {
	// SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients.
	const claim = await claimFolder(request.dataDir, {
		stopSignal: "SIGINT",
		graceMs: endLeftOverWithinMs,
	});
	try {
		return await start(request, claim);
	} catch (error) {
		claim.release();
		throw error;
	}
}

async function start(
	request: PostgresRequest,
	claim: Claim,
): Promise<Postgres> {
	const binaries = findPostgresBinaries();
	const dir = realpathSync(request.dataDir);
	const runAs = findPostgresUser(join(dir, "data"), [binaries.postgres, dir]);
	if (runAs !== undefined) chownSync(dir, runAs.uid, runAs.gid);
	await endStrayPostmaster(dir, endLeftOverWithinMs);
	const password = await openDataFolder({ dir, binaries, runAs });
	const port = await choosePort(dir, request.port);

	const program = await startProgram(
		{
			name: "PostgreSQL",
			...composeCommand(
				binaries.postgres,
				["-D", join(dir, "data"), ...composeSettings(request, port)],
				runAs,
			),
			cwd: dir,
			logPath: join(dir, "postgres.log"),
			isReady: async () => isServing(dir),
			stopSignal: "SIGINT",
		},
		{ claim, log: request.log ?? (() => undefined) },
	);
	return {
		url: `postgresql://${databaseName}:${password}@127.0.0.1:${port}/${databaseName}`,
		port,
		async stop() {
			await program.stop();
			claim.release();
		},
	};
}

/** For a machine that does other things too: connections enough for API, workers and tests, and little memory. */
function composeSettings(request: PostgresRequest, port: number): string[] {
	const settings = {
		listen_addresses: "127.0.0.1",
		port,
		// A socket file would be a second door, in a folder that is the machine's.
		unix_socket_directories: "",
		max_connections: 200,
		shared_buffers: "128MB",
		jit: "off",
		wal_level: "minimal",
		max_wal_senders: 0,
		io_method: "sync",
		// Statements may hold what is nobody's business in a log.
		log_min_error_statement: "panic",
		// A commit still reaches the system, so it outlives a process that is killed.
		...(request.throwAway === true
			? { fsync: "off", full_page_writes: "off" }
			: {}),
	};
	return Object.entries(settings).flatMap(([key, value]) => [
		"-c",
		`${key}=${value}`,
	]);
}

async function choosePort(
	dir: string,
	port: number | undefined,
): Promise<number> {
	if (port === undefined) {
		const path = join(dir, "ports.json");
		return (await choosePorts(path, ["postgres"])).postgres;
	}
	if (await isPortFree(port)) return port;
	throw new Failure({
		code: "not_set_up",
		message: `PostgreSQL cannot listen on 127.0.0.1:${port}: the port is taken.`,
		untouched: "Its data was left alone.",
		advice: "Choose another port, or end what listens there.",
	});
}

/** As pg_ctl asks: the postmaster writes its state into the eighth line of its pid file (utils/pidfile.h). */
function isServing(dir: string): boolean {
	const lines = readFileSync(join(dir, "data", "postmaster.pid"), "utf8");
	return lines.split("\n")[7]?.trim() === "ready";
}
