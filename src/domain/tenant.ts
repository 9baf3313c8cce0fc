// Who owns and who calls.
import { z } from "zod";
import type { ApprovalRule } from "./approval.ts";
import { duration } from "./expiry.ts";
import type { CallerId, TenantId, TokenId } from "./ids.ts";
import { dnsLabel, tenantNameLength } from "./names.ts";
import { quota } from "./quota.ts";

/** In rising order: each may do what those before it may. `platform-admin` runs the service and belongs to the tenant `platform`. */
export const roles = ["viewer", "operator", "admin", "platform-admin"] as const;
export type Role = (typeof roles)[number];

/** Roles that a tenant's token can have. */
export const tenantRoles = ["viewer", "operator", "admin"] as const;

export const mayActAs = (role: Role, needed: Role): boolean =>
	roles.indexOf(role) >= roles.indexOf(needed);

/** The roles that someone of this role may give and take away: his own and those before it. */
export const rolesWithin = (role: Role): readonly Role[] =>
	roles.slice(0, roles.indexOf(role) + 1);

export const platformTenant = "platform";

/** How many operations may have begun and not ended at a time. Further ones wait in the queue. */
export const concurrentOperations = z
	.int()
	.min(1)
	.max(1_000)
	.nullable()
	.default(null)
	.describe(
		"How many operations may be under way at a time; null: as many as the workers can.",
	);

/** What the platform decides for a tenant. */
export const tenantSettings = z.strictObject({
	concurrentOperations,
	ttlDefault: duration
		.nullable()
		.default(null)
		.describe(
			"How long an environment lives whose order says nothing of it, but never longer than `ttlMax`; null: as long as `ttlMax`.",
		),
	ttlMax: duration
		.nullable()
		.default(null)
		.describe(
			"How long an order or an extension may let an environment live, counted from then; null: for ever. What lives already keeps its time.",
		),
	failureTtlDefault: duration
		.nullable()
		.default(null)
		.describe(
			"How long an environment is left alone after its create did not succeed, where its order says nothing of it; null: for ever.",
		),
	quota: quota.prefault({}).describe("What it may have at most."),
});

export type TenantSettings = z.infer<typeof tenantSettings>;

export interface Tenant {
	readonly id: TenantId;
	readonly name: string;
	readonly settings: TenantSettings;
	/** Which of its orders wait for an approval, beside those that the target names. */
	readonly approvals: readonly ApprovalRule[];
	readonly createdAt: Date;
}

/** What a caller is narrowed to, below what his role may do. */
export interface Scope {
	/** Patterns of permissions; null: all of the role's. */
	readonly permissions: readonly string[] | null;
	/** A pattern of names of environments; null: all of them. */
	readonly environments: string | null;
}

export const actorKinds = ["person", "machine"] as const;
export type ActorKind = (typeof actorKinds)[number];

/** Who calls, established from the request's token. */
export interface Actor {
	/** The id of his token, or for whom an identity provider vouches, one that is always the same for him. */
	readonly token: CallerId;
	readonly kind: ActorKind;
	/** What others read of him: holds no secret. */
	readonly name: string;
	readonly tenant: Tenant;
	readonly role: Role;
	readonly scope: Scope;
	/** When what he calls with ends. */
	readonly expiresAt: Date | null;
}

/** Who orders something: a caller, or the service by itself. */
export type Orderer = Actor | Pick<Actor, "name">;

export const isCaller = (orderer: Orderer): orderer is Actor =>
	"tenant" in orderer;

/** Who asks for what the service orders by itself. */
export const serviceActor: Pick<Actor, "name"> = { name: "service" };

export interface Token extends Scope {
	readonly id: TokenId;
	readonly name: string;
	readonly tenant: string;
	readonly role: Role;
	/** To a minute. */
	readonly lastUsedAt: Date | null;
	readonly createdAt: Date;
	readonly expiresAt: Date | null;
	readonly revokedAt: Date | null;
}

export const tenantName = dnsLabel(tenantNameLength);
export const tokenName = z.string().min(1).max(100);
