// Who is told of a tenant's events, and what is done when nobody takes them.
import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { DeliveryId, EnvironmentId, TenantId, WebhookId } from "./ids.ts";

/** `gone`: it answered 410. `exhausted`: it took an event at none of the attempts. `failing`: it took nothing for days. */
export const disabledReasons = ["gone", "exhausted", "failing"] as const;
export type DisabledReason = (typeof disabledReasons)[number];

export const deliveryStates = ["pending", "delivered", "failed"] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export interface Webhook {
	readonly id: WebhookId;
	readonly tenant: string;
	readonly tenantId: TenantId;
	/** Sealed. */
	readonly url: Buffer;
	/** The URL without what may be a secret. */
	readonly shownUrl: string;
	readonly description: string;
	/** null: all. */
	readonly types: readonly string[] | null;
	/** A pattern of names; null: all. */
	readonly environments: string | null;
	readonly isActive: boolean;
	readonly disabledReason: DisabledReason | null;
	readonly disabledAt: Date | null;
	readonly failingSince: Date | null;
	/** Until when the secret before signs as well. */
	readonly previousSecretUntil: Date | null;
	readonly createdAt: Date;
	readonly updatedAt: Date;
}

export interface Delivery {
	readonly id: DeliveryId;
	readonly webhook: WebhookId;
	/** null, as is `event`, for a ping. */
	readonly environment: EnvironmentId | null;
	readonly event: number | null;
	readonly type: string;
	readonly state: DeliveryState;
	readonly attempts: number;
	readonly nextAttemptAt: Date | null;
	readonly responseStatus: number | null;
	readonly durationMs: number | null;
	readonly error: string | null;
	readonly excerpt: string | null;
	readonly createdAt: Date;
	readonly attemptedAt: Date | null;
}

/** What came of one attempt. No status: there was no answer, and `error` says why. */
export interface Attempt {
	readonly status: number | null;
	readonly durationMs: number;
	readonly error: string | null;
	readonly excerpt: string | null;
	/** What the receiver asked for. */
	readonly retryAfterSeconds: number | null;
}

export const webhookUrl = z
	.string()
	.max(2_000)
	.regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+([/?][^\s#]*)?$/, {
		message:
			"must be a URL such as https://hooks.example.com/impresario, without a user and a fragment",
		abort: true,
	})
	.refine((text) => URL.canParse(text), "is not a URL")
	.describe(
		"Where messages are posted to. It is shown without path and query.",
	);

/** Each event of a tenant asks all of its webhooks, so there are not many. */
export const webhooksOfTenant = 20;

/** Which targets the operator allows beside public addresses over https. */
export interface TargetPolicy {
	/** Names that may stand for any address. */
	readonly allowedHosts: readonly string[];
	/** Addresses that are allowed although they are not public, such as `10.1.0.0/16`. */
	readonly allowedCidrs: readonly string[];
	readonly allowsHttp: boolean;
}

/** How long an attempt may take. */
export const attemptTimeoutMs = 20_000;

/** The pauses between the attempts, in seconds: 10 attempts in a little more than three days. */
export const retrySeconds: readonly number[] = [
	5,
	5 * 60,
	30 * 60,
	2 * 3_600,
	5 * 3_600,
	10 * 3_600,
	14 * 3_600,
	20 * 3_600,
	24 * 3_600,
];

/** A pause is longer by up to this part of it, so that what failed together does not come back together. */
const jitter = 0.2;
const longestRetryAfterSeconds = 24 * 3_600;
/** After so long without one success a webhook is disabled. */
export const failingSeconds = 3 * 86_400;
/** How long the secret before a rotation signs as well. */
export const overlapSeconds = 86_400;
/** How long it is known what came of a delivery. */
export const keepDeliveriesSeconds = 30 * 86_400;

export const isTaken = ({ status }: Attempt): boolean =>
	status !== null && status >= 200 && status < 300;

export type Consequence =
	| { readonly kind: "retry"; readonly afterSeconds: number }
	| { readonly kind: "disable"; readonly reason: DisabledReason };

/** What follows from an attempt that was not taken. `attempts` counts it; `chance` is at least 0 and below 1. */
export function decideConsequence(
	attempt: Attempt,
	facts: {
		readonly attempts: number;
		readonly failingForSeconds: number;
		readonly chance: number;
	},
): Consequence {
	if (attempt.status === 410) return { kind: "disable", reason: "gone" };
	const pause = retrySeconds[facts.attempts - 1];
	if (pause === undefined) return { kind: "disable", reason: "exhausted" };
	if (facts.failingForSeconds > failingSeconds)
		return { kind: "disable", reason: "failing" };
	const asked = Math.min(
		attempt.retryAfterSeconds ?? 0,
		longestRetryAfterSeconds,
	);
	const afterSeconds = Math.max(pause * (1 + jitter * facts.chance), asked);
	return { kind: "retry", afterSeconds };
}

export const disabledMessages: Record<DisabledReason, string> = {
	gone: "The receiver answered 410 (Gone), which says that it wants nothing more.",
	exhausted: `The receiver took an event at none of ${retrySeconds.length + 1} attempts.`,
	failing: "The receiver took nothing for three days.",
};

/** None but public addresses over https. */
export const publicTargets: TargetPolicy = {
	allowedHosts: [],
	allowedCidrs: [],
	allowsHttp: false,
};

/** Of 256 random bits, in the form of Standard Webhooks. */
export const createWebhookSecret = () =>
	`whsec_${randomBytes(32).toString("base64")}`;

/** Where the secrets of a webhook are sealed for. */
export const sealPlace = (id: WebhookId, what: "url" | "secret") =>
	`webhooks/${id}/${what}`;

/** A pattern of names in the words of SQL. Names hold neither `%` nor `_`. */
export const toNameLike = (pattern: string | null): string =>
	(pattern ?? "*").replaceAll("*", "%");

/** What of a URL anybody may read: path and query may hold a token. */
export function maskUrl(text: string): string {
	const { origin, pathname, search } = new URL(text);
	return `${origin}/${pathname === "/" && search === "" ? "" : "…"}`;
}

const longWord = /[A-Za-z0-9+/_=-]{20,}/g;
const namedSecret =
	/((?:token|password|passwd|secret|api[-_]?key|authorization|cookie)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&}]+/gi;
const excerptLength = 200;

/** The beginning of an answer as it may be shown: without control characters and without what looks like a secret. */
export function maskExcerpt(text: string): string {
	return text
		.replaceAll(/[\p{C}\s]+/gu, " ")
		.replaceAll(namedSecret, "$1[masked]")
		.replaceAll(longWord, "[masked]")
		.trim()
		.slice(0, excerptLength);
}
