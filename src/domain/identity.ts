// Who is what, for callers that an identity provider vouches for: people, and jobs of a CI system.
import { z } from "zod";
import { fits } from "./glob.ts";
import type { IdentityRuleId } from "./ids.ts";
import { type ActorKind, type Role, roles, type Scope } from "./tenant.ts";

const loopback = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Whether what is read there can be believed: by TLS, or on this machine. */
export function isTrustworthyUrl(text: string): boolean {
	const url = URL.parse(text);
	if (url === null || url.username !== "" || url.password !== "") return false;
	return (
		url.protocol === "https:" ||
		(url.protocol === "http:" && loopback.has(url.hostname))
	);
}

const trustworthyUrl = z
	.string()
	.max(500)
	.refine(isTrustworthyUrl, "must be an https:// URL");

/** Who is believed in who somebody is. */
const issuer = z.strictObject({
	/** Letter for letter the `iss` of its tokens. */
	issuer: trustworthyUrl,
	/** One of them must be in the `aud` of a token: it was made for us. */
	audience: z
		.union([z.string().min(1), z.array(z.string().min(1)).min(1)])
		.transform((one) => [one].flat()),
	/** Where it describes itself, if not at `/.well-known/openid-configuration`. */
	discoveryUrl: trustworthyUrl.optional(),
	/** Where its keys are, if it does not describe itself. */
	jwksUri: trustworthyUrl.optional(),
	/** By how much its clock and ours may differ. */
	clockSkewSeconds: z.int().min(0).max(300).default(60),
});
export type Issuer = z.output<typeof issuer>;

export const issuers = z
	.array(issuer)
	.refine(
		(all) => new Set(all.map((one) => one.issuer)).size === all.length,
		"must name each issuer once",
	);

/** Claim → pattern of its value. */
export type ClaimPatterns = Readonly<Record<string, string>>;

export const claimPatterns = z
	.record(z.string().min(1).max(200), z.string().min(1).max(500))
	.refine((claims) => {
		const count = Object.keys(claims).length;
		return count >= 1 && count <= 20;
	}, "must name 1 to 20 claims: an issuer may vouch for the whole world")
	.describe(
		'Claims of the token and what each must be, with `*` for any text: `{"repository": "acme/*", "ref": "refs/heads/main"}`. All must fit; of a claim that is a list, one of its values.',
	);

export interface IdentityRule extends Scope {
	readonly id: IdentityRuleId;
	readonly issuer: string;
	readonly claims: ClaimPatterns;
	readonly kind: ActorKind;
	readonly tenant: string;
	readonly role: Role;
	readonly createdAt: Date;
}

type Claims = Readonly<Record<string, unknown>>;

/** What a claim says, as texts: one, or those of a list. */
function readTexts(value: unknown): readonly string[] {
	return (Array.isArray(value) ? value : [value])
		.filter((one) => ["string", "number", "boolean"].includes(typeof one))
		.map(String);
}

export const fitsClaims = (patterns: ClaimPatterns, claims: Claims): boolean =>
	Object.entries(patterns).every(
		([name, pattern]) =>
			Object.hasOwn(claims, name) &&
			readTexts(claims[name]).some((text) => fits(pattern, text)),
	);

/** Of the rules that fit, the one with the highest role, and of several the first of the list. */
export function findRule<
	R extends { readonly claims: ClaimPatterns; readonly role: Role },
>(rules: readonly R[], claims: Claims): R | undefined {
	return rules
		.filter((rule) => fitsClaims(rule.claims, claims))
		.reduce<R | undefined>(
			(best, rule) =>
				best === undefined ||
				roles.indexOf(rule.role) > roles.indexOf(best.role)
					? rule
					: best,
			undefined,
		);
}

// Nothing else is fit to be shown in events and lists (OpenID Connect Core §2: at most 255 ASCII characters).
const printable = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

export const isSubject = (value: unknown): value is string =>
	typeof value === "string" && printable.test(value);

/** What others read of the caller: his address, unless the issuer says that it is not his, or else his subject. */
export function nameSubject(subject: string, claims: Claims): string {
	const { email } = claims;
	return isSubject(email) && claims.email_verified !== false ? email : subject;
}
