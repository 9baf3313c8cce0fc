// What the audit log holds: who did something, or tried to, from where, and what became of it.
import type { FailureCode } from "../failure.ts";
import type { TenantId } from "./ids.ts";
import type { Actor } from "./tenant.ts";

/** `service`: what it does by itself. `unknown`: nobody is known by what was brought. */
export const auditActorKinds = [
	"person",
	"machine",
	"service",
	"unknown",
] as const;
export type AuditActorKind = (typeof auditActorKinds)[number];

export interface AuditActor {
	readonly kind: AuditActorKind;
	readonly id: string | null;
	readonly name: string | null;
	readonly tenant: string | null;
	readonly tenantId: TenantId | null;
}

export const describeActor = (actor: Actor): AuditActor => ({
	kind: actor.kind,
	id: actor.token,
	name: actor.name,
	tenant: actor.tenant.name,
	tenantId: actor.tenant.id,
});

/** `name`: "service", or who wants what it does by itself, as with a roll-out. */
export const describeService = (name: string): AuditActor => ({
	kind: "service",
	id: null,
	name,
	tenant: null,
	tenantId: null,
});

export const unknownActor: AuditActor = {
	kind: "unknown",
	id: null,
	name: null,
	tenant: null,
	tenantId: null,
};

/** Kinds of things of which the log keeps what they were before and are after. */
export const auditedKinds = [
	"environment",
	"operation",
	"tenant",
	"token",
	"identity-rule",
	"release",
	"rollout",
	"webhook",
	"delivery",
] as const;
export type AuditedKind = (typeof auditedKinds)[number];

/** A thing by its id, or by its name where it has no other. */
export interface AuditedThing {
	readonly kind: AuditedKind;
	readonly id: string;
}

/** How the request came in; null for what the service does by itself. */
export interface AuditRequest {
	readonly address: string;
	readonly method: string;
	/** Without the query. */
	readonly path: string;
	/** null: the line was written before there was an answer. */
	readonly status: number | null;
	readonly requestId: string | null;
}

/** A line before it has its place in the log. */
export interface NewAuditLine {
	readonly actor: AuditActor;
	readonly action: string;
	readonly request: AuditRequest | null;
	readonly thing: AuditedThing | null;
	/** What the thing was. What it is then is read by who writes the line. */
	readonly before: object | null;
	readonly operation: string | null;
	readonly denial: {
		readonly code: FailureCode;
		readonly reason: string;
		readonly attempts: number;
	} | null;
}

export interface AuditLine {
	readonly id: string;
	readonly createdAt: Date;
	readonly actor: Omit<AuditActor, "tenantId">;
	readonly action: string;
	readonly address: string | null;
	readonly method: string | null;
	readonly path: string | null;
	readonly resource: { readonly kind: string; readonly id: string } | null;
	readonly environment: string | null;
	readonly operation: string | null;
	readonly before: object | null;
	readonly after: object | null;
	readonly status: number | null;
	readonly code: FailureCode | null;
	readonly reason: string | null;
	readonly attempts: number;
	readonly requestId: string | null;
}
