// What every benchmark stands on: its options, its tools, a folder that goes when it ends, and real services
// of its own.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Tools } from "../src/sandbox/components.ts";
import { type Sandbox, startSandbox } from "../src/sandbox/sandbox.ts";
import type { Cleanup } from "./cleanup.ts";

/** What a benchmark is given. */
export interface Bench {
	readonly rounds: number;
	/** Measure the queue on Redis as well. */
	readonly redis: boolean;
	/** Of the watcher: how many environments it is measured with. */
	readonly namespaces: readonly number[];
	readonly tools: Tools;
	readonly toolchainDir: string;
	readonly cleanup: Cleanup;
	/** Told how it goes. */
	readonly tell: (line: string) => void;
}

/** A folder that is deleted at the end. */
export function makeFolder(bench: Bench): Promise<string> {
	return bench.cleanup.keep(
		async () => mkdtempSync(join(tmpdir(), "impresario-bench-")),
		(dir) => rmSync(dir, { recursive: true, force: true }),
	);
}

export interface BenchSandbox extends Sandbox {
	/** Of an ordinary user, as the service has it. */
	readonly deployerPath: string;
}

/** PostgreSQL and a control plane. Their data need not survive a crash, which is the same for all that is compared. */
export async function openSandbox(
	bench: Bench,
	dir: string,
): Promise<BenchSandbox> {
	const sandbox = await bench.cleanup.keep(
		() =>
			startSandbox({
				dir: join(dir, "sandbox"),
				tools: bench.tools,
				throwAway: true,
				log: bench.tell,
			}),
		(started) => started.stop(),
	);
	const deployerPath = join(dir, "deployer.kubeconfig");
	writeFileSync(deployerPath, sandbox.deployerKubeconfig, { mode: 0o600 });
	return { ...sandbox, deployerPath };
}

/** An empty database of its own on a server. Returns its URL: a secret. */
export async function createDatabase(
	serverUrl: string,
	name: string,
): Promise<string> {
	const client = new pg.Client({ connectionString: serverUrl });
	await client.connect();
	try {
		await client.query(`create database ${name}`);
	} finally {
		await client.end();
	}
	const url = new URL(serverUrl);
	url.pathname = `/${name}`;
	return url.href;
}

export const secondsSince = (begun: number): number =>
	(performance.now() - begun) / 1000;
