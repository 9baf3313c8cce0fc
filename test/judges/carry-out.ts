// What Schemathesis orders is carried out at once, as a worker leaves it in the database: so its links come upon
// environments that are ready, hibernated or gone, and not upon those alone that wait for a worker.
import { setTimeout as delay } from "node:timers/promises";
import {
	lifecycleAfter,
	movesLifecycle,
} from "../../src/domain/environment.ts";
import type { Db } from "../../src/store/db.ts";
import { updateEnvironment } from "../../src/store/environments.ts";

export interface Hand {
	stop(): Promise<void>;
}

/** Every other operation is brought to its end; the others stand in line, so that they can be cancelled. */
export function carryOut(db: Db): Hand {
	const end = new AbortController();
	const ended = (async () => {
		while (!end.signal.aborted) {
			await carryOutQueued(db);
			await delay(200, undefined, { signal: end.signal }).catch(() => {});
		}
	})();
	return {
		stop() {
			end.abort();
			return ended;
		},
	};
}

async function carryOutQueued(db: Db): Promise<void> {
	const now = new Date();
	const ended = await db
		.updateTable("operations")
		.set({
			state: "succeeded",
			started_at: now,
			finished_at: now,
			is_touched: true,
		})
		.where("state", "=", "queued")
		.where((where) =>
			where(where.fn("mod", ["sequence", where.val(2)]), "=", 0),
		)
		.returning(["kind", "environment_id", "revision_to"])
		.execute();
	for (const { kind, environment_id, revision_to } of ended) {
		if (!movesLifecycle(kind)) continue;
		await updateEnvironment(db, environment_id, {
			lifecycle: lifecycleAfter(kind, true),
			revision: kind === "destroy" ? null : revision_to,
		});
	}
}
