// What the tests of the sandbox start from: a folder of their own, the toolchain, a client, a running cluster.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Api, openApi } from "../../src/sandbox/api.ts";
import {
	type LeafName,
	openCertificates,
} from "../../src/sandbox/certificates.ts";
import type { Tools } from "../../src/sandbox/components.ts";

export function makeFolder(): { readonly dir: string; remove(): void } {
	const dir = mkdtempSync(join(tmpdir(), "impresario-sandbox-"));
	return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

export function loadTools(): Tools {
	const folder = resolve(
		process.env.TOOLCHAIN_DIR ??
			join(import.meta.dirname, "../../.impresario/toolchain"),
	);
	return JSON.parse(readFileSync(join(folder, "tools.json"), "utf8"));
}

/** A client of the control plane in `dir`, as one of those whom it knows. */
export function openClient(dir: string, user: LeafName = "admin"): Api {
	const certificates = openCertificates(join(dir, "certificates"));
	const ports = JSON.parse(readFileSync(join(dir, "ports.json"), "utf8"));
	return openApi({
		server: `https://127.0.0.1:${ports.apiserver}`,
		authority: certificates.read("ca.crt"),
		client: certificates.load(user),
	});
}

/** The pids that a folder's owner wrote down, by the name of the program. */
export function readPids(dir: string): Record<string, number> {
	const records: { name: string; pid: number }[] = JSON.parse(
		readFileSync(join(dir, "processes.json"), "utf8"),
	);
	return Object.fromEntries(records.map(({ name, pid }) => [name, pid]));
}
