// What the engine's tests start from.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
	type BlueprintInput,
	currentVersions,
} from "../../src/domain/blueprint.ts";
import type { EngineRun } from "../../src/domain/engine.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { builtInReleases } from "../../src/domain/release.ts";
import { createSecrets } from "../../src/domain/secret.ts";
import { targetSettings } from "../../src/domain/target.ts";

/** A folder that is gone after the test. */
export async function givenFolder(t: TestContext): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), "impresario-engine-"));
	t.after(() => rm(folder, { recursive: true, force: true }));
	return folder;
}

export function givenInput(part: Partial<BlueprintInput> = {}): BlueprintInput {
	const [release] = builtInReleases;
	if (release === undefined) throw new Error("There is no built-in release.");
	return {
		environment: "env_00000000000000000001",
		environmentName: "qa-1",
		tenant: "acme",
		namespace: "acme-qa-1-x7k2",
		revision: 1,
		size: "small",
		release,
		labels: {},
		parameters: parameters.parse({}),
		secrets: createSecrets(),
		target: {
			kubeconfig: "apiVersion: v1",
			clusterIdentifier: "test",
			domain: "example.test",
			ingressClass: null,
			storageClass: null,
			settings: targetSettings.parse({}),
			pullSecret: null,
		},
		...part,
	};
}

export function givenRun(part: Partial<EngineRun> = {}): EngineRun {
	return {
		project: "impresario-maestro",
		stack: "env-00000000000000000001",
		blueprint: { name: "maestro", version: currentVersions.maestro },
		input: givenInput(),
		state: { url: "", environment: {} },
		...part,
	};
}

/** What a program returns. */
export const outputs = {
	endpoints: {
		client: "https://client.example.test",
		server: "https://server.example.test",
		analyticsFront: "https://analytics.example.test",
		websocket: "wss://websocket.example.test",
	},
	checks: [{ process: "server", url: "http://server:8888", version: "0.6.0" }],
};

/** Hooks that remember the events. */
export function givenHooks(signal?: AbortSignal) {
	const events: NewEvent[] = [];
	return {
		events,
		signal: signal ?? new AbortController().signal,
		onEvent: (event: NewEvent) => {
			events.push(event);
		},
	};
}
