// kubectl with the same objects in a file: the floor, below which there is nothing but the API server.
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { managedBy, managedByLabel } from "../../src/domain/cluster.ts";
import type { Readings } from "../statistics.ts";
import type { Bench, BenchSandbox } from "../surroundings.ts";
import { secondsSince } from "../surroundings.ts";
import type { Manifest } from "./manifest.ts";
import { releaseOf, type Way } from "./way.ts";

const run = promisify(execFile);
const patienceMs = 300_000;
const selector = `${managedByLabel}=${managedBy}`;

export function makeKubectl(options: {
	readonly bench: Bench;
	readonly sandbox: BenchSandbox;
	readonly dir: string;
	readonly manifest: Manifest;
}): Way {
	const { bench, sandbox, dir, manifest } = options;
	const cache = join(dir, "kubectl-cache");
	mkdirSync(cache, { recursive: true });
	const kubectl = (...args: string[]) =>
		run(
			bench.tools.kubectl ?? "kubectl",
			["--kubeconfig", sandbox.deployerPath, "--cache-dir", cache, ...args],
			{ timeout: patienceMs, maxBuffer: 2 ** 24 },
		);
	const nameOf = (round: number) => `bench-kubectl-${round}`;

	const apply = async (namespace: string, text: string): Promise<Readings> => {
		const path = join(dir, `${namespace}.json`);
		writeFileSync(path, text, { mode: 0o600 });
		const begun = performance.now();
		await kubectl("apply", "-f", path);
		const applied = secondsSince(begun);
		const all = ["-n", namespace, "-l", selector];
		await Promise.all([
			kubectl("rollout", "status", "deployment", ...all),
			kubectl("rollout", "status", "statefulset", ...all),
			kubectl("wait", "--for=condition=Complete", "job", ...all),
		]);
		const total = secondsSince(begun);
		return {
			"kubectl: apply → ready": total,
			"  apply": applied,
			"  until ready": total - applied,
		};
	};

	return {
		name: "kubectl",
		create: (round) => apply(nameOf(round), manifest(nameOf(round))),
		upgrade: (round, patch) =>
			apply(nameOf(round), replaceImages(manifest(nameOf(round)), patch)),
		async destroy(round) {
			const begun = performance.now();
			await kubectl("delete", "namespace", nameOf(round));
			return { "kubectl: delete namespace": secondsSince(begun) };
		},
	};
}

/** The manifest with the images of another release, without the Jobs: they have run, and cannot be changed. */
function replaceImages(text: string, patch: number): string {
	const { items, ...list } = JSON.parse(text) as {
		readonly items: readonly { readonly kind: string }[];
	};
	const kept = items.filter(({ kind }) => kind !== "Job");
	const from = Object.entries(releaseOf(0).images);
	const to: Readonly<Record<string, string>> = releaseOf(patch).images;
	return from.reduce(
		(result, [name, image]) =>
			result.replaceAll(`"${image}"`, `"${to[name] ?? image}"`),
		JSON.stringify({ ...list, items: kept }),
	);
}
