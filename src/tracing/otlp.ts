// Sends spans to a collector by OTLP over HTTP. The only file that knows OpenTelemetry: it is loaded where an endpoint is
// named, and nowhere else.
import {
	DiagLogLevel,
	diag,
	ROOT_CONTEXT,
	SpanKind,
	SpanStatusCode,
	TraceFlags,
	trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
	AlwaysOnSampler,
	BasicTracerProvider,
	BatchSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import type { Trace } from "../domain/trace.ts";
import type { Span } from "./spans.ts";

export interface OtlpOptions {
	/** As in OTEL_EXPORTER_OTLP_ENDPOINT: `/v1/traces` is added. */
	readonly endpoint: string;
	readonly serviceName: string;
	readonly version: string;
	/** Names this process among those of the service. */
	readonly instance: string;
	/** Told when spans cannot be sent. They are dropped then: nothing waits for a collector. */
	readonly onError: (message: string) => void;
}

const sendEveryMs = 2_000;
const sendWithinMs = 5_000;
/** What waits for a collector that is slow; more is dropped. */
const maxWaiting = 8_192;

const kinds = {
	server: SpanKind.SERVER,
	consumer: SpanKind.CONSUMER,
	internal: SpanKind.INTERNAL,
} as const;

export interface Otlp {
	take(span: Span): void;
	/** Sends what is left, for 5 seconds at most. */
	close(): Promise<void>;
}

export function openOtlp(options: OtlpOptions): Otlp {
	const { onError } = options;
	const ignore = () => {};
	diag.setLogger(
		{
			error: onError,
			warn: ignore,
			info: ignore,
			debug: ignore,
			verbose: ignore,
		},
		DiagLogLevel.ERROR,
	);
	// Spans have the ids that logs and answers have told of them already.
	let next: Pick<Trace, "traceId" | "spanId"> = { traceId: "", spanId: "" };
	const provider = new BasicTracerProvider({
		resource: resourceFromAttributes({
			"service.name": options.serviceName,
			"service.version": options.version,
			"service.instance.id": options.instance,
		}),
		// Who began a trace has decided; what is not recorded does not come here.
		sampler: new AlwaysOnSampler(),
		idGenerator: {
			generateTraceId: () => next.traceId,
			generateSpanId: () => next.spanId,
		},
		spanProcessors: [
			new BatchSpanProcessor(
				new OTLPTraceExporter({
					url: `${options.endpoint.replace(/\/$/, "")}/v1/traces`,
					timeoutMillis: sendWithinMs,
				}),
				{
					scheduledDelayMillis: sendEveryMs,
					exportTimeoutMillis: sendWithinMs,
					maxQueueSize: maxWaiting,
				},
			),
		],
	});
	const tracer = provider.getTracer("impresario", options.version);

	return {
		take({ trace: part, name, kind, startedAt, endedAt, attributes, error }) {
			next = part;
			const { traceId, parentId } = part;
			const parent =
				parentId === null
					? ROOT_CONTEXT
					: trace.setSpanContext(ROOT_CONTEXT, {
							traceId,
							spanId: parentId,
							traceFlags: TraceFlags.SAMPLED,
							isRemote: true,
						});
			const span = tracer.startSpan(
				name,
				{
					kind: kinds[kind],
					startTime: startedAt,
					attributes: { ...attributes },
				},
				parent,
			);
			if (error !== undefined) {
				span.setStatus({ code: SpanStatusCode.ERROR, message: error });
			}
			span.end(endedAt);
		},
		async close() {
			let timer: NodeJS.Timeout | undefined;
			await Promise.race([
				provider
					.shutdown()
					.catch((error: unknown) =>
						onError(error instanceof Error ? error.message : String(error)),
					),
				new Promise<void>((fulfil) => {
					timer = setTimeout(fulfil, sendWithinMs);
				}),
			]);
			clearTimeout(timer);
			diag.disable();
		},
	};
}
