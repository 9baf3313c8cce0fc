// Tokens of identity providers (OpenID Connect): of people, and of jobs of a CI system. What is not signed by a key of an
// issuer that we are told to believe, for us, and for now, is nobody's.
import {
	decodeJwt,
	errors,
	type JWTVerifyGetKey,
	type JWTVerifyOptions,
	type JWTVerifyResult,
	jwtVerify,
} from "jose";
import { type Issuer, isSubject } from "../domain/identity.ts";
import { Failure } from "../failure.ts";
import { type KeyTimes, keyTimes, makeKeySource } from "./issuer-keys.ts";

/** With public keys only: what is signed with a shared secret, or not at all, proves nothing. */
const algorithms = ["RS256", "ES256", "EdDSA"];

/** What an issuer says of who calls. */
export interface Voucher {
	readonly issuer: string;
	readonly subject: string;
	readonly claims: Readonly<Record<string, unknown>>;
	readonly expiresAt: Date;
}

export interface Verifier {
	/** Throws `unauthenticated`, and `unavailable` when the issuer's keys are not known and cannot be had. */
	verify(token: string): Promise<Voucher>;
}

export function makeVerifier(
	issuers: readonly Issuer[],
	options: {
		readonly times?: Partial<KeyTimes>;
		readonly onError?: (error: unknown) => void;
	} = {},
): Verifier {
	const times = { ...keyTimes, ...options.times };
	const believed = new Map(
		issuers.map((issuer) => [
			issuer.issuer,
			{
				issuer,
				findKey: makeKeySource(issuer, times, options.onError ?? (() => {})),
			},
		]),
	);
	return {
		async verify(token) {
			const known = believed.get(readIssuer(token) ?? "");
			if (known === undefined) {
				throw refuseToken("The token is unknown, expired or revoked.");
			}
			return verifyBy(known.issuer, known.findKey, token);
		},
	};
}

/** Unverified: it says whose keys to try. */
function readIssuer(token: string): string | undefined {
	try {
		return decodeJwt(token).iss;
	} catch {
		return undefined;
	}
}

async function verifyBy(
	{ issuer, audience, clockSkewSeconds }: Issuer,
	findKey: JWTVerifyGetKey,
	token: string,
): Promise<Voucher> {
	const { payload } = await verifyByAny(token, findKey, {
		issuer,
		audience: [...audience],
		algorithms,
		clockTolerance: clockSkewSeconds,
		requiredClaims: ["sub", "exp"],
	}).catch((error: unknown) => {
		throw explain(error, issuer, audience);
	});
	const { sub, exp = 0 } = payload;
	if (!isSubject(sub)) {
		throw refuseToken("The token's subject is no text that can be shown.");
	}
	return {
		issuer,
		subject: sub,
		claims: payload,
		expiresAt: new Date(exp * 1_000),
	};
}

/** A token need not say which key signed it (RFC 7515 §4.1.4): then each that could have is tried. */
async function verifyByAny(
	token: string,
	findKey: JWTVerifyGetKey,
	options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
	try {
		return await jwtVerify(token, findKey, options);
	} catch (error) {
		if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
		for await (const key of error) {
			try {
				return await jwtVerify(token, key, options);
			} catch (refusal) {
				if (!(refusal instanceof errors.JWSSignatureVerificationFailed))
					throw refusal;
			}
		}
		throw error;
	}
}

/** Claims are looked at after the signature, so what is said of them is said to who holds a true token. */
function explain(
	error: unknown,
	issuer: string,
	audience: readonly string[],
): unknown {
	if (!(error instanceof errors.JOSEError)) return error;
	if (error instanceof errors.JWTExpired)
		return refuseToken(`The token of ${issuer} has expired.`);
	if (!(error instanceof errors.JWTClaimValidationFailed))
		return refuseToken(
			`The token is not signed by a key of ${issuer} with one of ${algorithms.join(", ")}.`,
		);
	return refuseToken(
		error.claim === "aud"
			? `The token of ${issuer} is not for us: its "aud" must be ${audience.join(" or ")}.`
			: `The token of ${issuer} is not good: its "${error.claim}" is missing, wrong or not yet valid.`,
	);
}

const refuseToken = (message: string): Failure =>
	new Failure({
		code: "unauthenticated",
		message,
		untouched: "Nothing was looked at or changed.",
		advice:
			'Send "Authorization: Bearer <token>" with a token that an admin of your tenant made, or with a new one of an identity provider that this service believes.',
	});
