// Identifiers carry their kind as a prefix and in their type, so that one cannot be taken for another.
import { createHash, randomBytes } from "node:crypto";

export type EnvironmentId = string & { readonly kind: "environment" };
export type OperationId = string & { readonly kind: "operation" };
export type TenantId = string & { readonly kind: "tenant" };
export type TokenId = string & { readonly kind: "token" };
/** Somebody whom an identity provider knows, and who has no token of ours. */
export type SubjectId = string & { readonly kind: "subject" };
/** Tells a caller from all others. */
export type CallerId = TokenId | SubjectId;
export type BackupId = string & { readonly kind: "backup" };
export type TargetId = string & { readonly kind: "target" };
export type RolloutId = string & { readonly kind: "rollout" };
export type IdentityRuleId = string & { readonly kind: "identity rule" };
export type PreviewId = string & { readonly kind: "preview" };
export type WebhookId = string & { readonly kind: "webhook" };
export type DeliveryId = string & { readonly kind: "delivery" };

// Lower-case letters and digits without those that look alike, so that an id can be read aloud. 32 of them: 5 bits each.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** `length` random characters of the alphabet; 5 bits of randomness each. */
export const createSuffix = (length: number): string =>
	encode(randomBytes(length));

const encode = (bytes: Uint8Array): string =>
	Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join("");

export const createEnvironmentId = () =>
	`env_${createSuffix(20)}` as EnvironmentId;
export const createOperationId = () => `op_${createSuffix(20)}` as OperationId;
export const createTenantId = () => `ten_${createSuffix(20)}` as TenantId;
/** The same for the same subject of an issuer, at all times. */
export function nameSubjectId(issuer: string, subject: string): SubjectId {
	const digest = createHash("sha256")
		.update(JSON.stringify([issuer, subject]))
		.digest();
	return `sub_${encode(digest.subarray(0, 20))}` as SubjectId;
}

export const createTokenId = () => `tok_${createSuffix(20)}` as TokenId;
export const createIdentityRuleId = () =>
	`rule_${createSuffix(20)}` as IdentityRuleId;
export const createPreviewId = () => `pre_${createSuffix(20)}` as PreviewId;
export const createBackupId = () => `bak_${createSuffix(20)}` as BackupId;
export const createTargetId = () => `tgt_${createSuffix(20)}` as TargetId;
export const createRolloutId = () => `rol_${createSuffix(20)}` as RolloutId;
export const createWebhookId = () => `whk_${createSuffix(20)}` as WebhookId;
export const createDeliveryId = () => `dlv_${createSuffix(20)}` as DeliveryId;

/** Whether a path segment is an environment's id and not its name: names cannot contain an underscore. */
export const isEnvironmentId = (text: string): text is EnvironmentId =>
	/^env_[0-9a-z]{20}$/.test(text);
