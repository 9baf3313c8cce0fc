// What the process counts, for a Prometheus to collect: one function per business event. Every label takes its values
// from a closed list, so that there are never more series than there were names in the source.
import {
	Counter,
	collectDefaultMetrics,
	Gauge,
	Histogram,
	Registry,
} from "prom-client";
import type { Figures } from "./domain/figures.ts";
import type {
	FinalState,
	OperationKind,
	PhaseName,
} from "./domain/operation.ts";
import type { FailureCode } from "./failure.ts";

const registry = new Registry();
const registers = [registry];

const requests = new Counter({
	name: "impresario_http_requests_total",
	help: "Requests that were answered, streams included, by the endpoint's name.",
	labelNames: ["route", "method", "status"],
	registers,
});
const requestDuration = new Histogram({
	name: "impresario_http_request_duration_seconds",
	help: "From a request's head to the end of its answer. Streams, and requests that wait for news, are not in it.",
	labelNames: ["route", "method"],
	buckets: [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
	registers,
});
const problems = new Counter({
	name: "impresario_http_problems_total",
	help: "Requests that were refused, by the problem's code.",
	labelNames: ["code"],
	registers,
});
const streams = new Gauge({
	name: "impresario_http_streams_open",
	help: "Streams of events that clients of this process follow now.",
	registers,
});
const waits = new Histogram({
	name: "impresario_operation_wait_seconds",
	help: "From an order to its first claim by a worker.",
	labelNames: ["kind"],
	buckets: [0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400],
	registers,
});
const recoveries = new Counter({
	name: "impresario_recoveries_total",
	help: "Claims of operations that an owner before did not bring to an end.",
	labelNames: ["kind"],
	registers,
});
const attempts = new Counter({
	name: "impresario_attempts_total",
	help: "Attempts at operations: final, postponed (tried again or handed over), or lost to another worker.",
	labelNames: ["end"],
	registers,
});
const leaseLosses = new Counter({
	name: "impresario_lease_losses_total",
	help: "Leases that this process lost while it worked.",
	registers,
});
const ends = new Counter({
	name: "impresario_operations_ended_total",
	help: "Operations that this process brought to their end. What a newer order superseded before its begin is not in it.",
	labelNames: ["kind", "state"],
	registers,
});
const operationDuration = new Histogram({
	name: "impresario_operation_duration_seconds",
	help: "From an operation's first claim to its end, pauses between attempts included.",
	labelNames: ["kind", "state"],
	buckets: [1, 2.5, 5, 10, 30, 60, 180, 600, 1_800, 7_200],
	registers,
});
const phaseDuration = new Histogram({
	name: "impresario_phase_duration_seconds",
	help: "Phases of operations; failed ones were broken off, for whatever reason.",
	labelNames: ["kind", "phase", "state"],
	buckets: [0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 180, 600, 1_800],
	registers,
});
const resent = new Counter({
	name: "impresario_messages_resent_total",
	help: "Messages that the sweep put on the queue again, because nobody took up their operations.",
	registers,
});
const childRestarts = new Counter({
	name: "impresario_child_restarts_total",
	help: "Children of the worker that another one was started for, by why.",
	labelNames: ["reason"],
	registers,
});
const webhookAttempts = new Counter({
	name: "impresario_webhook_attempts_total",
	help: "Attempts to tell a webhook an event.",
	labelNames: ["outcome"],
	registers,
});

/** The service's figures, which any process reads from the database. */
const isDatabaseUp = new Gauge({
	name: "impresario_database_up",
	help: "Whether the database answered the last time that it was asked for the figures below; without it there are none.",
	registers,
});
const openOperations = new Gauge({
	name: "impresario_operations_open",
	help: "Operations of the whole service that have not ended.",
	labelNames: ["kind", "state"],
	registers,
});
const queueDepth = new Gauge({
	name: "impresario_queue_depth",
	help: "Operations of the whole service that wait for a worker.",
	registers,
});
const queueAge = new Gauge({
	name: "impresario_queue_oldest_seconds",
	help: "How long the oldest of them has waited; 0 if there is none.",
	registers,
});
const workerSlots = new Gauge({
	name: "impresario_worker_slots",
	help: "How many operations all living workers can run at a time.",
	registers,
});
const webhookBacklog = new Gauge({
	name: "impresario_webhook_backlog",
	help: "Pairs of an active webhook and an environment whose events wait to be told.",
	registers,
});
const webhookFailing = new Gauge({
	name: "impresario_webhook_failing_seconds",
	help: "How long the webhook that is furthest behind has failed; 0 if none fails.",
	registers,
});

const buildInfo = new Gauge({
	name: "impresario_build_info",
	help: "Always 1; the labels say what runs.",
	labelNames: ["version", "node"],
	registers,
});

const childRestartReasons = [
	"died",
	"not_started",
	"runs",
	"memory",
	"untrusted",
] as const;
/** Why a child is replaced: it ended by itself, could not start, has run or holds as much as it may, or a run of it broke off. */
export type ChildRestartReason = (typeof childRestartReasons)[number];

// Series that begin at 0 show their first event as a rise.
for (const reason of childRestartReasons) childRestarts.inc({ reason }, 0);
for (const end of ["final", "postponed", "lost"]) attempts.inc({ end }, 0);
for (const outcome of ["delivered", "failed"])
	webhookAttempts.inc({ outcome }, 0);

/** What was asked for does not exist. */
export const unknownRoute = "unknown";
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** `route` is the endpoint's name: never a path, of which there are as many as callers think of. */
export function countRequest(request: {
	readonly route: string;
	readonly method: string;
	readonly status: number;
	readonly durationMs: number;
	readonly waitsForNews: boolean;
}): void {
	const { route, status } = request;
	const method = methods.includes(request.method) ? request.method : "other";
	requests.inc({ route, method, status: `${Math.floor(status / 100)}xx` });
	if (!request.waitsForNews) {
		requestDuration.observe({ route, method }, request.durationMs / 1_000);
	}
}

/** What never became a request: too large a head, or too slow a one, or none at all. */
export function countRefusedConnection(
	code: FailureCode,
	status: number,
): void {
	const route = unknownRoute;
	requests.inc({
		route,
		method: "other",
		status: `${Math.floor(status / 100)}xx`,
	});
	problems.inc({ code });
}

export function countProblem(code: FailureCode): void {
	problems.inc({ code });
}

export function countStream(change: "opened" | "closed"): void {
	streams.inc(change === "opened" ? 1 : -1);
}

export function countBegun(kind: OperationKind, waitedMs: number): void {
	waits.observe({ kind }, waitedMs / 1_000);
}

export function countRecovery(kind: OperationKind): void {
	recoveries.inc({ kind });
}

export function countPhase(phase: {
	readonly kind: OperationKind;
	readonly phase: PhaseName;
	readonly state: "succeeded" | "failed";
	readonly durationMs: number;
}): void {
	const { durationMs, ...labels } = phase;
	phaseDuration.observe(labels, durationMs / 1_000);
}

export function countAttempt(end: "final" | "postponed" | "lost"): void {
	attempts.inc({ end });
	if (end === "lost") leaseLosses.inc();
}

/** `startedAt` is null of what was never begun. */
export function countEnd(
	{
		kind,
		startedAt,
	}: { readonly kind: OperationKind; readonly startedAt: Date | null },
	state: FinalState,
): void {
	ends.inc({ kind, state });
	if (startedAt === null) return;
	// The start is by the database's clock, which may be a little ahead.
	const durationMs = Math.max(0, Date.now() - startedAt.getTime());
	operationDuration.observe({ kind, state }, durationMs / 1_000);
}

export function countResent(messages: number): void {
	resent.inc(messages);
}

export function countChildRestart(reason: ChildRestartReason): void {
	childRestarts.inc({ reason });
}

export function countWebhookAttempt(outcome: "delivered" | "failed"): void {
	webhookAttempts.inc({ outcome });
}

/** Undefined: they cannot be had. Then none are shown, rather than old ones. */
export function setServiceFigures(figures: Figures | undefined): void {
	isDatabaseUp.set(figures === undefined ? 0 : 1);
	openOperations.reset();
	for (const { count, ...labels } of figures?.open ?? []) {
		openOperations.set(labels, count);
	}
	const values: readonly (readonly [Gauge, number | undefined])[] = [
		[queueDepth, figures?.queue.depth],
		[queueAge, figures?.queue.oldestSeconds],
		[workerSlots, figures?.workerSlots],
		[webhookBacklog, figures?.webhooks.lanes],
		[webhookFailing, figures?.webhooks.failingSeconds],
	];
	for (const [gauge, value] of values) {
		if (value === undefined) gauge.remove();
		else gauge.set(value);
	}
}

let isCollecting = false;

/** Watches the process itself from now on: its memory, its collections of garbage, the lag of its event loop. */
export function collectProcess(version: string): void {
	if (isCollecting) return;
	isCollecting = true;
	collectDefaultMetrics({ register: registry });
	buildInfo.set({ version, node: process.version }, 1);
}

export const metricsMediaType = Registry.PROMETHEUS_CONTENT_TYPE;

/** All of it, in the text format of Prometheus. */
export const printMetrics = (): Promise<string> => registry.metrics();
