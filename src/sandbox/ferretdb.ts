// A stand-in for an environment's MongoDB: FerretDB on SQLite. It holds real documents and speaks the real protocol,
// without a replica set, an oplog or users.
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import type { Tools } from "./components.ts";
import { choosePorts } from "./ports.ts";
import { type ProgramHost, startProgram } from "./program.ts";

export interface Ferretdb {
	readonly uri: string;
	stop(): Promise<void>;
}

/**
 * Starts it on the data in `dir`, which is made if need be, on the port that it had there before.
 *
 * Throws `not_set_up` if the toolchain has none or it does not start.
 */
export async function startFerretdb(
	dir: string,
	tools: Tools,
	host: ProgramHost,
): Promise<Ferretdb> {
	const data = join(dir, "data");
	mkdirSync(data, { recursive: true, mode: 0o700 });
	const { mongodb: port } = await choosePorts(join(dir, "ports.json"), [
		"mongodb",
	]);
	const program = await startProgram(
		{
			name: "ferretdb",
			command: requireTool(tools, "ferretdb"),
			args: ["-listen", `127.0.0.1:${port}`, "-dir", data],
			cwd: dir,
			logPath: join(dir, "ferretdb.log"),
			isReady: () => accepts(port),
		},
		host,
	);
	return {
		uri: `mongodb://127.0.0.1:${port}/`,
		stop: () => program.stop(),
	};
}

export function requireTool(tools: Tools, name: string): string {
	const path = tools[name];
	if (path !== undefined) return path;
	throw new Failure({
		code: "not_set_up",
		message: `The toolchain has no ${name}.`,
		untouched: "Nothing was started.",
		advice: "Build it with `node toolchain/build.mjs sandbox`.",
	});
}

function accepts(port: number): Promise<boolean> {
	return new Promise((fulfil) => {
		const socket = connect(port, "127.0.0.1");
		const end = (isOpen: boolean) => {
			socket.destroy();
			fulfil(isOpen);
		};
		socket.once("connect", () => end(true));
		socket.once("error", () => end(false));
	});
}
