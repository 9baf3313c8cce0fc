// One attempt at an operation, as a worker makes it, with a scripted engine and cluster.

import type { OperationId } from "../../src/domain/ids.ts";
import { apply } from "../../src/operations/apply.ts";
import { claim } from "../../src/operations/claim.ts";
import type { AttemptEnd } from "../../src/operations/ending.ts";
import type { EngineStateKeeper } from "../../src/operations/work.ts";
import type { ScriptedWorld } from "./engine.ts";
import type { Installation } from "./given.ts";
import { silentLog } from "./given.ts";

/** Claims and applies. "nothing" when there was nothing to claim. */
export async function attempt(
	installation: Installation,
	world: ScriptedWorld,
	id: OperationId,
	options: {
		readonly stopping?: AbortSignal;
		readonly owner?: string;
		readonly engineState?: Partial<EngineStateKeeper>;
	} = {},
): Promise<AttemptEnd | "nothing"> {
	const { db, sealKey } = installation;
	const ownership = await claim(
		{ db, log: silentLog },
		{ id, owner: options.owner ?? "test" },
	);
	if (ownership === undefined) return "nothing";
	const { engine, connectCluster } = world;
	return apply({
		tools: {
			db,
			sealKey,
			engine,
			connectCluster,
			engineState: {
				describe: () => ({ url: "http://127.0.0.1:1", environment: {} }),
				end: async () => 0,
				read: async () => ({ resources: [], pending: [] }),
				readDeclared: async () => [],
				...options.engineState,
			},
			endLeftover: () => {},
			connectCloud: world.connectCloud,
		},
		ownership,
		stopping: options.stopping ?? new AbortController().signal,
		log: silentLog,
	});
}
