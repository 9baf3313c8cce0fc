// Ports for the sandbox's servers: free ones of 127.0.0.1, the same at each start as long as they are free,
// so that a kubeconfig or a database URL which somebody noted stays valid.
import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { Failure } from "../failure.ts";

// Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections, so
// that a port stays free between being chosen and being used.
const lowest = 20_000;
const highest = 32_000;
const attempts = 100;

/** Whether a server could listen on this port of 127.0.0.1 now. */
export function isPortFree(port: number): Promise<boolean> {
	return new Promise((fulfil) => {
		const server = createServer();
		server.once("error", () => fulfil(false));
		server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
			server.close(() => fulfil(true));
		});
	});
}

/**
 * Chooses a port for each name, and keeps the choice in `path`: what was chosen before is chosen again if
 * it is still free. Throws `not_set_up` if no free port is found.
 */
export async function choosePorts<Name extends string>(
	path: string,
	names: readonly Name[],
): Promise<Record<Name, number>> {
	const before = readPorts(path);
	const chosen = new Map<Name, number>();
	for (const name of names) {
		const remembered = before[name];
		const port =
			remembered !== undefined && (await isPortFree(remembered))
				? remembered
				: await findFreePort(new Set(chosen.values()));
		chosen.set(name, port);
	}
	const ports = Object.fromEntries(chosen) as Record<Name, number>;
	writeFileSync(path, `${JSON.stringify(ports)}\n`);
	return ports;
}

async function findFreePort(taken: ReadonlySet<number>): Promise<number> {
	for (let attempt = 0; attempt < attempts; attempt++) {
		const port = randomInt(lowest, highest);
		if (!taken.has(port) && (await isPortFree(port))) return port;
	}
	throw new Failure({
		code: "not_set_up",
		message: `No free port was found on 127.0.0.1 between ${lowest} and ${highest}.`,
		untouched: "Nothing was started.",
		advice: "End what listens there, or give the sandbox another machine.",
	});
}

/** What was chosen before. A file that was cut short by a crash counts as none. */
function readPorts(path: string): Partial<Record<string, number>> {
	try {
		const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
		if (typeof parsed !== "object" || parsed === null) return {};
		return Object.fromEntries(
			Object.entries(parsed).filter(
				(entry): entry is [string, number] => typeof entry[1] === "number",
			),
		);
	} catch {
		return {};
	}
}
