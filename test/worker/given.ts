// What the tests of the pool and its children start from.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { EngineRun, EngineSettings } from "../../src/domain/engine.ts";
import {
	makePool,
	type Pool,
	type PoolOptions,
} from "../../src/worker/pool.ts";
import { givenInput, givenRun } from "../engine/given.ts";

const children = join(import.meta.dirname, "../fixtures/children");
export const childModule = (name: string) => join(children, `${name}.ts`);

export const passphrase = "planted-passphrase";

export function settingsIn(
	folder: string,
	part: Partial<EngineSettings> = {},
): EngineSettings {
	return {
		pulumiBin: "/no/such/pulumi",
		pluginBin: "/no/such/plugin",
		pulumiHome: join(folder, "home"),
		workRoot: join(folder, "work"),
		environment: { PATH: process.env.PATH },
		...part,
	};
}

export interface GivenPool {
	readonly pool: Pool;
	readonly settings: EngineSettings;
	readonly warnings: string[];
}

/** A pool of scripted children that is closed after the test. */
export async function givenPool(
	t: TestContext,
	part: Partial<PoolOptions> = {},
	settings: Partial<EngineSettings> = {},
): Promise<GivenPool> {
	const folder = await mkdtemp(join(tmpdir(), "impresario-worker-"));
	const childOptions = settingsIn(folder, settings);
	const warnings: string[] = [];
	const pool = makePool({
		size: 1,
		childModule: childModule("scripted"),
		childOptions,
		log: {
			warn: (_: unknown, text?: string) => {
				warnings.push(text ?? "");
			},
		},
		...part,
	});
	t.after(async () => {
		await pool.close();
		await rm(folder, { recursive: true, force: true });
	});
	return { pool, settings: childOptions, warnings };
}

/** A run with a label, by which a scripted child knows what to do. */
export function labelled(
	label: Record<string, string>,
	part: Partial<EngineRun> = {},
): EngineRun {
	return givenRun({ input: givenInput({ labels: label }), ...part });
}

export const neverAborted = () => new AbortController().signal;
