// A collector of OpenTelemetry's that keeps what it is sent: OTLP over HTTP, as JSON.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface CollectedSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId: string | undefined;
	readonly name: string;
	/** 1 internal, 2 server, 5 consumer. */
	readonly kind: number;
	readonly startMs: number;
	readonly endMs: number;
	readonly attributes: Readonly<Record<string, unknown>>;
	readonly isFailed: boolean;
	/** What all spans of its process have. */
	readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector {
	readonly endpoint: string;
	readonly spans: CollectedSpan[];
	close(): Promise<void>;
}

interface Attribute {
	readonly key: string;
	readonly value: {
		readonly stringValue?: string;
		readonly intValue?: number | string;
		readonly doubleValue?: number;
	};
}

interface WireSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId?: string;
	readonly name: string;
	readonly kind: number;
	readonly startTimeUnixNano: string;
	readonly endTimeUnixNano: string;
	readonly attributes: readonly Attribute[];
	readonly status: { readonly code?: number };
}

interface Wire {
	readonly resourceSpans: readonly {
		readonly resource: { readonly attributes: readonly Attribute[] };
		readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
	}[];
}

const readAttributes = (attributes: readonly Attribute[]) =>
	Object.fromEntries(
		attributes.map(({ key, value }) => [
			key,
			value.stringValue ?? Number(value.intValue ?? value.doubleValue),
		]),
	);

const readMs = (nanoseconds: string): number =>
	Number(BigInt(nanoseconds) / 1_000n) / 1_000;

export async function startCollector(): Promise<Collector> {
	const spans: CollectedSpan[] = [];
	const server = createServer(async (request, response) => {
		const parts: Buffer[] = [];
		for await (const part of request) parts.push(part);
		const { resourceSpans } = JSON.parse(
			Buffer.concat(parts).toString("utf8"),
		) as Wire;
		for (const { resource, scopeSpans } of resourceSpans)
			for (const span of scopeSpans.flatMap((scope) => scope.spans))
				spans.push({
					traceId: span.traceId,
					spanId: span.spanId,
					parentSpanId: span.parentSpanId || undefined,
					name: span.name,
					kind: span.kind,
					startMs: readMs(span.startTimeUnixNano),
					endMs: readMs(span.endTimeUnixNano),
					attributes: readAttributes(span.attributes),
					isFailed: span.status.code === 2,
					resource: readAttributes(resource.attributes),
				});
		response.writeHead(request.url === "/v1/traces" ? 200 : 404, {
			"content-type": "application/json",
		});
		response.end("{}");
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		spans,
		async close() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}
