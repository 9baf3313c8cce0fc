// The public keys of an identity provider: fetched when they are first needed, kept, and fetched again when a token names
// one that is not among them. A provider that is away does not lock out those whose key is known.
import {
	createLocalJWKSet,
	errors,
	type JSONWebKeySet,
	type JWTVerifyGetKey,
	type LocalJWKSet,
} from "jose";
import { type Issuer, isTrustworthyUrl } from "../domain/identity.ts";
import { Failure } from "../failure.ts";

/** Milliseconds. */
export interface KeyTimes {
	/** Older keys are used, and fetched again beside. */
	readonly freshMs: number;
	/** Older keys are not used: the issuer may have withdrawn them, and could not tell. */
	readonly trustedMs: number;
	/** The least time between two fetches, whatever keys tokens name: these are anybody's to write. */
	readonly coolDownMs: number;
	/** How long the issuer may take to answer. */
	readonly timeoutMs: number;
}

export const keyTimes: KeyTimes = {
	freshMs: 600_000,
	trustedMs: 86_400_000,
	coolDownMs: 10_000,
	timeoutMs: 5_000,
};

interface Kept {
	readonly find: LocalJWKSet;
	readonly at: number;
}

/** Finds the key of a token. Throws `unavailable` when it is not known and the issuer cannot be asked. */
export function makeKeySource(
	issuer: Issuer,
	times: KeyTimes,
	onError: (error: unknown) => void,
): JWTVerifyGetKey {
	let kept: Kept | undefined;
	let tried: { readonly at: number; readonly error?: unknown } | undefined;
	let underway: Promise<void> | undefined;

	const fetchKeys = async () => {
		const at = Date.now();
		try {
			kept = {
				find: createLocalJWKSet(await loadKeys(issuer, times.timeoutMs)),
				at,
			};
			tried = { at: Date.now() };
		} catch (error) {
			tried = { at: Date.now(), error };
			onError(error);
		}
	};
	const refresh = async (): Promise<void> => {
		const isCooling =
			tried !== undefined && Date.now() - tried.at < times.coolDownMs;
		if (underway === undefined && isCooling) return;
		underway ??= fetchKeys().finally(() => {
			underway = undefined;
		});
		await underway;
	};
	const findTrusted = (): Kept | undefined =>
		kept && Date.now() - kept.at < times.trustedMs ? kept : undefined;

	return async (header, token) => {
		const before = findTrusted();
		if (before && Date.now() - before.at > times.freshMs) void refresh();
		const known = before && (await findKey(before.find, header, token));
		if (known !== undefined) return known;
		await refresh();
		const now = findTrusted();
		if (now === undefined || tried?.error !== undefined) {
			throw refuseAway(issuer, tried?.error);
		}
		return now.find(header, token);
	};
}

/** undefined: it is not among them. */
async function findKey(find: LocalJWKSet, ...named: Parameters<LocalJWKSet>) {
	try {
		return await find(...named);
	} catch (error) {
		if (error instanceof errors.JWKSNoMatchingKey) return undefined;
		throw error;
	}
}

/** OpenID Connect Discovery §4; what it says must be of itself. */
async function loadKeys(
	{ issuer, discoveryUrl, jwksUri }: Issuer,
	timeoutMs: number,
): Promise<JSONWebKeySet> {
	if (jwksUri !== undefined) return readKeys(jwksUri, timeoutMs);
	const place =
		discoveryUrl ??
		`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
	const found = await readJson(place, timeoutMs);
	if (found.issuer !== issuer) {
		throw new Error(`${place} describes another issuer than ${issuer}`);
	}
	const { jwks_uri: uri } = found;
	if (typeof uri !== "string" || !isTrustworthyUrl(uri)) {
		throw new Error(`${place} has no jwks_uri that can be trusted`);
	}
	return readKeys(uri, timeoutMs);
}

async function readKeys(url: string, timeoutMs: number) {
	const { keys } = await readJson(url, timeoutMs);
	if (!Array.isArray(keys)) throw new Error(`${url} has no keys`);
	return { keys };
}

async function readJson(
	url: string,
	timeoutMs: number,
): Promise<Record<string, unknown>> {
	const response = await fetch(url, {
		headers: { accept: "application/json" },
		// An issuer says where its keys are; it has no need to send us elsewhere.
		redirect: "error",
		signal: AbortSignal.timeout(timeoutMs),
	});
	if (!response.ok) throw new Error(`${url} answers ${response.status}`);
	const value: unknown = await response.json();
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		throw new Error(`${url} has no JSON object`);
	}
	return { ...value };
}

const refuseAway = ({ issuer }: Issuer, cause: unknown): Failure =>
	new Failure({
		code: "unavailable",
		message: `The token names a key of ${issuer} that is not known here, and the issuer cannot be asked for it now.`,
		untouched: "Nothing was looked at or changed.",
		advice:
			"Try again in a few seconds. Tokens whose key is known, and machine tokens, go on working.",
		retryable: true,
		cause,
	});
