// How often somebody may ask. Each request takes a point of its token's and then of its tenant's; a credential that nobody
// knows takes one of its address's before anybody is asked for it, and gets it back if it turns out to be right. So
// guesses are bounded over all processes, however many come at once, and those who work from the same address go on.
import { createHash } from "node:crypto";
import type { Request, Response } from "express";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { Allowance, Verdict } from "../rates/allowance.ts";
import { windowSeconds } from "../rates/counts.ts";
import type { RateLimits } from "../rates/limits.ts";
import { readOrigin } from "./address.ts";

/** Whose limits count. */
interface Keys {
	readonly token: string;
	readonly tenant: string;
}

/** What is remembered of a credential that was right a while ago. It never stands for the right itself. */
interface Known extends Keys {
	readonly until: number;
}

export interface Gate {
	/** Loads who calls, unless that is too often. Throws `rate_limited`, and what `load` throws. */
	admit(
		request: Request,
		response: Response,
		load: () => Promise<Actor>,
	): Promise<Actor>;
}

export const openGate: Gate = { admit: (_request, _response, load) => load() };

const knownMs = 600_000;
const knownMost = 10_000;

export function makeGate(limits: RateLimits): Gate {
	const known = new Map<string, Known>();
	// One unknown credential of an origin at a time: points that many held at once would be missing elsewhere.
	const trying = new Map<string, Promise<void>>();

	const remember = (credential: string, actor: Actor): void => {
		known.delete(credential);
		known.set(credential, { ...keysOf(actor), until: Date.now() + knownMs });
		const oldest = known.keys().next();
		if (known.size > knownMost && !oldest.done) known.delete(oldest.value);
	};

	const charge = async (response: Response, { token, tenant }: Keys) => {
		const verdicts = [await takePoint(limits.token, "token", token)];
		// What one asks beyond its own limit is not its tenant's: else a token that never stops would shut out all others.
		if (verdicts.every(({ isAllowed }) => isAllowed))
			verdicts.push(await takePoint(limits.tenant, "tenant", tenant));
		report(response, verdicts);
		const refused = verdicts.find(({ isAllowed }) => !isAllowed);
		if (refused !== undefined) throw refuse(response, refused);
	};

	const findKnown = (credential: string): Known | undefined => {
		const entry = known.get(credential);
		return entry && entry.until > Date.now() ? entry : undefined;
	};

	const admitKnown = async (
		response: Response,
		{ credential, entry }: { credential: string; entry: Known },
		load: () => Promise<Actor>,
	): Promise<Actor> => {
		await charge(response, entry);
		try {
			const actor = await load();
			remember(credential, actor);
			return actor;
		} catch (error) {
			if (isUnauthenticated(error)) known.delete(credential);
			throw error;
		}
	};

	return {
		async admit(request, response, load) {
			const { authorization } = request.headers;
			// Nothing was tried, and nobody is asked for it.
			if (authorization === undefined) return load();
			const credential = digest(authorization);
			const origin = readOrigin(request);
			for (;;) {
				const entry = findKnown(credential);
				if (entry !== undefined)
					return admitKnown(response, { credential, entry }, load);
				const other = trying.get(origin);
				if (other === undefined) break;
				await other;
			}
			const attempt = tryUnknown(limits.failures, origin, load);
			const ended = attempt.then(
				({ actor }) => void (actor && remember(credential, actor)),
				() => {},
			);
			trying.set(origin, ended);
			void ended.then(() => trying.delete(origin));
			const { actor, refused } = await attempt;
			if (actor === undefined) {
				report(response, [refused]);
				throw refuse(response, refused);
			}
			await charge(response, keysOf(actor));
			return actor;
		},
	};
}

type Attempt =
	| { readonly actor: Actor; readonly refused?: undefined }
	| { readonly actor?: undefined; readonly refused: Named };

async function tryUnknown(
	failures: Allowance,
	origin: string,
	load: () => Promise<Actor>,
): Promise<Attempt> {
	const verdict = await takePoint(failures, "failures", origin);
	if (!verdict.isAllowed) return { refused: verdict };
	try {
		const actor = await load();
		failures.giveBack(origin);
		return { actor };
	} catch (error) {
		if (!isUnauthenticated(error)) failures.giveBack(origin);
		throw error;
	}
}

const keysOf = ({ token, tenant }: Actor): Keys => ({
	token,
	tenant: tenant.id,
});

const digest = (text: string): string =>
	createHash("sha256").update(text).digest("base64url");

const isUnauthenticated = (error: unknown): boolean =>
	error instanceof Failure && error.code === "unauthenticated";

type Named = Verdict & {
	readonly name: "token" | "tenant" | "failures";
	readonly limit: number;
};

const takePoint = async (
	allowance: Allowance,
	name: Named["name"],
	key: string,
): Promise<Named> => ({
	...(await allowance.take(key)),
	name,
	limit: allowance.limit,
});

/** The fields of draft-ietf-httpapi-ratelimit-headers, whose syntax may still move. */
function report(response: Response, verdicts: readonly Named[]): void {
	const limited = verdicts.filter(({ limit }) => limit > 0);
	if (limited.length === 0) return;
	response.set({
		"RateLimit-Policy": limited
			.map(({ name, limit }) => `"${name}";q=${limit};w=${windowSeconds}`)
			.join(", "),
		RateLimit: limited
			.map(
				(verdict) =>
					`"${verdict.name}";r=${verdict.remaining};t=${toSeconds(verdict)}`,
			)
			.join(", "),
	});
}

const toSeconds = ({ resetMs }: Verdict): number => Math.ceil(resetMs / 1_000);

const whose: Readonly<Record<Named["name"], string>> = {
	token: "This token has made",
	tenant: "The tokens of this tenant have made",
	failures: "From this address came",
};

function refuse(response: Response, verdict: Named): Failure {
	const seconds = Math.max(1, toSeconds(verdict));
	response.set("Retry-After", String(seconds));
	const { name, limit } = verdict;
	const what = name === "failures" ? "requests with a wrong token" : "requests";
	return new Failure({
		code: "rate_limited",
		message: `${whose[name]} more than ${limit} ${what} within ${windowSeconds} seconds.`,
		untouched: "Nothing was looked at or changed.",
		advice:
			name === "failures"
				? `Wait ${seconds} seconds, and correct the token. Tokens that worked within the last minutes go on working from here.`
				: `Wait ${seconds} seconds. Follow events as a stream in place of asking again and again; a stream counts once.`,
		retryable: true,
	});
}
