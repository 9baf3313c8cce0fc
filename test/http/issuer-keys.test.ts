// When an issuer is asked for its keys, and what holds while it does not answer.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Issuer, issuers } from "../../src/domain/identity.ts";
import { Failure } from "../../src/failure.ts";
import type { KeyTimes } from "../../src/http/issuer-keys.ts";
import { makeVerifier, type Verifier } from "../../src/http/oidc.ts";
import { audience, openIssuer, type TestIssuer } from "../support/issuer.ts";
import { until } from "../support/until.ts";

let issuer: TestIssuer;
before(async () => {
	issuer = await openIssuer();
});
beforeEach(() => {
	issuer.mood = "well";
	issuer.alias = undefined;
	issuer.asked.length = 0;
});
after(() => issuer.close());

const never = Number.MAX_SAFE_INTEGER;
const patient: KeyTimes = {
	freshMs: never,
	trustedMs: never,
	coolDownMs: 0,
	timeoutMs: 300,
};

function open(
	times: Partial<KeyTimes> = {},
	more: Partial<Issuer> = {},
): Verifier {
	return makeVerifier(
		issuers.parse([{ issuer: issuer.url, audience, ...more }]),
		{ times: { ...patient, ...times } },
	);
}

const verify = async (verifier: Verifier, token?: string) =>
	verifier.verify(token ?? (await issuer.sign({ sub: "a" })));

const refuses = (verifying: Promise<unknown>, code: Failure["code"]) =>
	assert.rejects(verifying, (error) => {
		assert.ok(error instanceof Failure);
		assert.equal(error.code, code, error.message);
		assert.equal(error.retryable, code === "unavailable");
		return true;
	});

const countFetches = () => issuer.asked.filter((one) => one === "/keys").length;

test("keys are fetched once for all tokens, also when many come at once", async () => {
	const verifier = open();
	await Promise.all(Array.from({ length: 20 }, () => verify(verifier)));
	await verify(verifier);
	assert.deepEqual(issuer.asked, [
		"/.well-known/openid-configuration",
		"/keys",
	]);
});

test("a rotated key is found, and an old one goes on until it is withdrawn", async () => {
	const verifier = open();
	const old = await issuer.sign({ sub: "a" });
	await verify(verifier, old);
	await issuer.addKey();
	await verify(verifier);
	assert.equal(countFetches(), 2);
	await verify(verifier, old);
	await issuer.addKey("ES256", true);
	await verify(verifier);
	await refuses(verify(verifier, old), "unauthenticated");
});

test("keys that nobody has are no reason to ask the issuer again and again", async () => {
	const verifier = open({ coolDownMs: 60_000 });
	await verify(verifier);
	const { sign } = await openStranger();
	for (let round = 0; round < 5; round++)
		await refuses(verify(verifier, await sign()), "unauthenticated");
	assert.equal(countFetches(), 1);
});

/** Signs as the issuer with keys that are not its own. */
async function openStranger() {
	const stranger = await openIssuer();
	const key = await stranger.addKey();
	await stranger.close();
	return { sign: () => issuer.sign({ sub: "a" }, key) };
}

test("old keys are used at once, and fetched again beside", async () => {
	const verifier = open({ freshMs: -1 });
	await verify(verifier);
	issuer.mood = "silent";
	await verify(verifier);
	issuer.mood = "well";
	await until("they were fetched again", async () => {
		await verify(verifier);
		return countFetches() >= 2;
	});
});

for (const mood of ["broken", "silent"] as const) {
	test(`while the issuer is ${mood}, known keys go on and unknown ones are told to come back`, async () => {
		const verifier = open();
		await verify(verifier);
		const known = await issuer.sign({ sub: "a" });
		issuer.mood = mood;
		await issuer.addKey();
		await refuses(verify(verifier), "unavailable");
		await verify(verifier, known);
		issuer.mood = "well";
		await verify(verifier);
	});

	test(`an issuer that is ${mood} from the beginning locks nobody out for long`, async () => {
		const verifier = open();
		issuer.mood = mood;
		await refuses(verify(verifier), "unavailable");
		issuer.mood = "well";
		await verify(verifier);
	});
}

test("keys are not believed for ever when the issuer cannot be asked", async () => {
	const verifier = open({ trustedMs: 200 });
	await verify(verifier);
	issuer.mood = "broken";
	await until("the keys are too old", () =>
		verify(verifier).then(
			() => false,
			(error) => error instanceof Failure && error.code === "unavailable",
		),
	);
	issuer.mood = "well";
	await verify(verifier);
});

test("a description of another issuer is not believed", async () => {
	issuer.alias = "https://other.example";
	await refuses(verify(open()), "unavailable");
});

test("keys are fetched from where a setting says", async () => {
	await verify(open({}, { jwksUri: `${issuer.url}/keys` }));
	assert.deepEqual(issuer.asked, ["/keys"]);
});
