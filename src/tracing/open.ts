// Starts to record traces, if somebody wants them.
import type { Log } from "../log.ts";
import { setSpanTaker } from "./spans.ts";

export interface TracingSettings {
	/** Undefined: nothing is recorded, and nothing is loaded for it. */
	readonly endpoint: string | undefined;
	readonly serviceName: string;
	/** Of the traces that begin here, so many are recorded: 0 to 1. */
	readonly share: number;
}

// A collector that is away is told of once in a while.
const tellEveryMs = 60_000;

export async function openTracing(
	settings: TracingSettings,
	process: {
		readonly version: string;
		readonly instance: string;
		readonly log: Pick<Log, "warn">;
	},
): Promise<{ close(): Promise<void> }> {
	const { endpoint, serviceName, share } = settings;
	if (endpoint === undefined) return { close: async () => {} };
	const { version, instance, log } = process;
	let toldAt = Number.NEGATIVE_INFINITY;
	const { openOtlp } = await import("./otlp.ts");
	const otlp = openOtlp({
		endpoint,
		serviceName,
		version,
		instance,
		onError(message) {
			if (performance.now() - toldAt < tellEveryMs) return;
			toldAt = performance.now();
			log.warn({ error: message }, "spans could not be sent");
		},
	});
	setSpanTaker({ take: otlp.take, share });
	return {
		async close() {
			setSpanTaker(undefined);
			await otlp.close();
		},
	};
}
