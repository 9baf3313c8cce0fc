// A worker says on a timer that it lives, and how much it can do: callers whose orders wait are told of it.
import { workerReportMs } from "../domain/queue.ts";
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import {
	deleteWorkerReport,
	saveWorkerReport,
	type WorkerReport,
} from "../store/workers.ts";

/** Says goodbye when it is closed. A database that is away is no reason to stop: nothing but what is told depends on it. */
export function startReporting(
	context: { readonly db: Db; readonly log: Log },
	look: () => WorkerReport,
): { close(): Promise<void> } {
	const report = () =>
		saveWorkerReport(context.db, look()).catch((err: unknown) =>
			context.log.debug({ err }, "the worker could not say that it lives"),
		);
	let running = report();
	const timer = setInterval(() => {
		running = running.then(report);
	}, workerReportMs);
	return {
		async close() {
			clearInterval(timer);
			await running;
			await deleteWorkerReport(context.db, look().name).catch(() => {});
		},
	};
}
