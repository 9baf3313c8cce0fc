// Two servers that speak MongoDB's protocol, and scripts that run against them as they would in a pod.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { type Document, MongoClient } from "mongodb";
import { claimFolder } from "../../src/sandbox/claim.ts";
import type { Tools } from "../../src/sandbox/components.ts";
import { startFerretdb } from "../../src/sandbox/ferretdb.ts";

const toolchain = resolve(
	process.env.TOOLCHAIN_DIR ??
		join(import.meta.dirname, "../../.impresario/toolchain"),
);
export const tools: Tools = JSON.parse(
	readFileSync(join(toolchain, "tools.json"), "utf8"),
);

export interface MongodbServer {
	readonly uri: string;
	readonly client: MongoClient;
	stop(): Promise<void>;
}

/** A server of its own with no data in it. */
export async function startMongodb(): Promise<MongodbServer> {
	const dir = mkdtempSync(join(tmpdir(), "impresario-mongodb-"));
	const claim = await claimFolder(dir, {
		stopSignal: "SIGTERM",
		graceMs: 5000,
	});
	const { uri, stop } = await startFerretdb(dir, tools, {
		claim,
		log: () => {},
	});
	const client = new MongoClient(uri);
	return {
		uri,
		client,
		async stop() {
			await client.close();
			await stop();
			claim.release();
			rmSync(dir, { recursive: true, force: true });
		},
	};
}

/** Every document of every database, by database, collection and id. */
export async function readAll(
	client: MongoClient,
): Promise<Record<string, Document[]>> {
	const all: Record<string, Document[]> = {};
	const { databases } = await client.db("admin").admin().listDatabases();
	for (const { name } of databases) {
		if (["admin", "config", "local"].includes(name)) continue;
		const collections = await client.db(name).listCollections().toArray();
		for (const collection of collections) {
			all[`${name}.${collection.name}`] = await client
				.db(name)
				.collection(collection.name)
				.find()
				.sort({ _id: 1 })
				.toArray();
		}
	}
	return Object.fromEntries(
		Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)),
	);
}

export interface ScriptRun {
	readonly exitCode: number;
	/** Its last words, parsed. */
	readonly result: Record<string, unknown>;
	readonly output: string;
}

/** Runs a Job's script as a process, with `folder` for its volumes. */
export async function runScript(
	script: string,
	options: {
		readonly folder: string;
		readonly uri?: string;
		readonly variables?: Readonly<Record<string, string>>;
		/** Folders before those of the toolchain. */
		readonly path?: readonly string[];
	},
): Promise<ScriptRun> {
	const { folder, uri, variables = {}, path = [] } = options;
	const temporary = join(folder, "tmp");
	mkdirSync(temporary, { recursive: true });
	const message = join(folder, "termination-log");
	const configuration = join(folder, "tools.yaml");
	writeFileSync(message, "");
	if (uri !== undefined) writeFileSync(configuration, `uri: '${uri}'\n`);
	const child = spawn("sh", ["-c", script], {
		stdio: ["ignore", "pipe", "pipe"],
		env: {
			PATH: [
				...path,
				dirname(tools.mongodump ?? ""),
				dirname(tools.mongorestore ?? ""),
				"/usr/bin",
				"/bin",
			].join(delimiter),
			TMPDIR: temporary,
			HOME: temporary,
			BACKUPS: join(folder, "backups"),
			TOOLS_CONFIG: configuration,
			TERMINATION_LOG: message,
			...variables,
		},
	});
	const said = Promise.all([text(child.stdout), text(child.stderr)]);
	const [code] = await once(child, "exit");
	const words = readFileSync(message, "utf8");
	return {
		exitCode: code,
		result: words === "" ? {} : JSON.parse(words),
		output: (await said).join(""),
	};
}
