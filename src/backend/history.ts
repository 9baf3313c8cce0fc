// What has become of updates.
import { Failure } from "../failure.ts";
import { listUpdates, type PastUpdate } from "../store/state-history.ts";
import type { UpdateState } from "../store/state-tables.ts";
import { findUpdate } from "../store/state-updates.ts";
import type { Reply, StackCall } from "./bind.ts";
import { toSeconds } from "./leases.ts";

const statuses: Record<UpdateState, string> = {
	created: "not started",
	running: "running",
	succeeded: "succeeded",
	failed: "failed",
};

/** How far an update is; without a `continuationToken` it is over. */
export async function presentUpdate(call: StackCall): Promise<Reply> {
	const id = call.params.update ?? "";
	const found = await findUpdate(call.backend.db, id);
	if (found?.stack !== call.stack.id) {
		throw new Failure({
			code: "not_found",
			message: `There is no update ${id}.`,
		});
	}
	const isOver = found.state === "succeeded" || found.state === "failed";
	return {
		status: statuses[found.state],
		events: [],
		...(!isOver && { continuationToken: id }),
	};
}

const presentPast = (update: PastUpdate) => ({
	kind: update.kind,
	startTime: toSeconds(update.startedAt),
	endTime: update.finishedAt === null ? 0 : toSeconds(update.finishedAt),
	version: update.version,
	message: update.message,
	environment: JSON.parse(update.environment),
	config: JSON.parse(update.config),
	result: update.state === "running" ? "in-progress" : update.state,
	...(update.resourceChanges !== null && {
		resourceChanges: JSON.parse(update.resourceChanges),
	}),
});

const maxPage = 1_000;

export async function presentHistory(call: StackCall): Promise<Reply> {
	const read = (name: string, otherwise: number) =>
		Math.max(1, Number.parseInt(call.query.get(name) ?? "", 10) || otherwise);
	const limit = Math.min(maxPage, read("pageSize", maxPage));
	const offset = (read("page", 1) - 1) * limit;
	const past = await listUpdates(call.backend.db, call.stack.id, {
		limit,
		offset,
	});
	return { updates: past.map(presentPast) };
}

export async function presentLatest(call: StackCall): Promise<Reply> {
	const page = { limit: 1, offset: 0 };
	const [latest] = await listUpdates(call.backend.db, call.stack.id, page);
	if (latest === undefined) {
		throw new Failure({
			code: "not_found",
			message: "The stack has never been updated.",
		});
	}
	return { info: presentPast(latest) };
}
