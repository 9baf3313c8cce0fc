// Callers for whom an identity provider vouches, at the door, with a real issuer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JWTPayload } from "jose";
import type { Asked, Declared } from "../../client/declared.ts";
import { issuers } from "../../src/domain/identity.ts";
import { makeVerifier } from "../../src/http/oidc.ts";
import { deleteIdentityRule } from "../../src/store/identity-rules.ts";
import { answered, refused } from "../support/answers.ts";
import {
	audience,
	createKey,
	openIssuer,
	type SigningKey,
	type TestIssuer,
} from "../support/issuer.ts";
import { type Answer, type Door, givenEnvironment, openDoor } from "./door.ts";

let issuer: TestIssuer;
let door: Door;
before(async () => {
	issuer = await openIssuer();
	door = await openDoor({
		limits: { pingMs: 50 },
		verifier: makeVerifier(issuers.parse([{ issuer: issuer.url, audience }])),
	});
	await givenRule({
		claims: { repository: "acme/*", ref: "refs/heads/main" },
		kind: "machine",
		role: "operator",
		environments: "ci-*",
	});
	await givenRule({ claims: { groups: "maestro-viewers" }, role: "viewer" });
});
after(async () => {
	await door?.close();
	await issuer?.close();
});

type Rule = Asked<Declared["createIdentityRule"]>["body"];

async function givenRule(
	rule: Omit<Rule, "issuer" | "tenant">,
): Promise<string> {
	const { id } = await door.platformAdmin.client.createIdentityRule({
		body: { issuer: issuer.url, tenant: "acme", ...rule },
	});
	return id;
}

const job = {
	sub: "repo:acme/shop:ref:refs/heads/main",
	repository: "acme/shop",
	ref: "refs/heads/main",
};
const person = {
	sub: "u-17",
	email: "ann@acme.example",
	groups: ["x", "maestro-viewers"],
};

const list = (token: string): Promise<Answer> =>
	answered(door.as(token).listEnvironments());

test("a CI job orders an environment as its rule says, and is named by its subject", async () => {
	const token = await issuer.sign(job);
	const answer = await door
		.as(token)
		.createEnvironment({ body: { name: "ci-1" } });
	assert.equal(answer.requestedBy, job.sub);
	const outside = await refused(
		door.as(token).createEnvironment({ body: { name: "prod" } }),
	);
	assert.equal(outside.status, 403);
	assert.match(JSON.stringify(outside.document), /ci-\*/);
});

test("a person is let in by one of the groups, and named by the e-mail address", async () => {
	const id = await givenRule({ claims: { sub: "u-18" }, role: "operator" });
	const token = await issuer.sign({ ...person, sub: "u-18" });
	const answer = await door
		.as(token)
		.createEnvironment({ body: { name: "of-a-person" } });
	assert.equal(answer.requestedBy, person.email);
	await deleteIdentityRule(door.db, id);
	// The rule of the group is left, and it makes a viewer.
	assert.equal((await list(token)).status, 200);
	const again = await refused(
		door.as(token).createEnvironment({ body: { name: "another" } }),
	);
	assert.equal(again.status, 403);
});

test("an address that the issuer does not vouch for names nobody", async () => {
	const id = await givenRule({ claims: { sub: "u-19" }, role: "operator" });
	const claims = { ...person, sub: "u-19", email_verified: false };
	const answer = await door
		.as(await issuer.sign(claims))
		.createEnvironment({ body: { name: "of-a-subject" } });
	assert.equal(answer.requestedBy, "u-19");
	await deleteIdentityRule(door.db, id);
});

test("of several rules that fit, the one with the highest role counts", async () => {
	const ids = [
		await givenRule({ claims: { sub: "u-20" }, role: "admin" }),
		await givenRule({ claims: { sub: "u-20" }, role: "operator" }),
	];
	const token = await issuer.sign({ ...person, sub: "u-20" });
	await door.as(token).listTokens();
	for (const id of ids) await deleteIdentityRule(door.db, id);
});

test("whom no rule fits is told so, and what to do", async () => {
	for (const claims of [
		{ ...job, repository: "acme-evil/shop" },
		{ ...job, ref: "refs/heads/feature" },
		{ sub: "u-1", groups: [] },
	]) {
		const answer = await list(await issuer.sign(claims));
		assert.equal(answer.status, 403, answer.text);
		assert.ok(String(answer.body.detail).includes(claims.sub));
		assert.match(String(answer.body.advice), /identity-rules/);
	}
});

const seconds = (ago: number) => Math.floor(Date.now() / 1_000) - ago;

for (const [what, claims, words] of [
	["for somebody else", { aud: "other" }, /"aud" must be impresario/],
	["for nobody", { aud: undefined }, /"aud"/],
	["that expired more than a minute ago", { exp: seconds(90) }, /has expired/],
	["that is not valid for two minutes yet", { nbf: seconds(-120) }, /"nbf"/],
	["without an end", { exp: undefined }, /"exp"/],
	["without a subject", { sub: undefined }, /"sub"/],
	["with a subject that cannot be shown", { sub: "a\u0000b" }, /subject/],
	[
		"of an issuer that is not believed",
		{ iss: "https://other.example" },
		/unknown/,
	],
] as const) {
	test(`a token ${what} is refused`, async () => {
		const answer = await list(
			await issuer.sign({ ...job, ...claims } as JWTPayload),
		);
		assert.equal(answer.status, 401, answer.text);
		assert.match(String(answer.body.detail), words);
		assert.match(
			answer.headers.get("www-authenticate") ?? "",
			/error="invalid_token"/,
		);
	});
}

test("clocks may differ by a minute", async () => {
	for (const claims of [{ exp: seconds(50) }, { nbf: seconds(-50) }]) {
		const answer = await list(await issuer.sign({ ...job, ...claims }));
		assert.equal(answer.status, 200, answer.text);
	}
});

const encode = (value: object) =>
	Buffer.from(JSON.stringify(value)).toString("base64url");

test("a token that is signed by nobody, by another's key or with a shared secret is refused", async () => {
	const good = await issuer.sign(job);
	const [head = "", payload = "", signature = ""] = good.split(".");
	const stranger = await createKey();
	for (const token of [
		`${encode({ alg: "none" })}.${payload}.`,
		`${encode({ alg: "HS256" })}.${payload}.${signature}`,
		`${head}.${encode({ ...job, iss: issuer.url, aud: audience, exp: seconds(-300) })}.${signature}`,
		await issuer.sign(job, stranger),
	]) {
		const answer = await list(token);
		assert.equal(answer.status, 401, answer.text);
	}
	assert.equal((await list(good)).status, 200);
});

test("keys of each of the three kinds are taken", async () => {
	for (const alg of ["RS256", "ES256", "EdDSA"]) {
		const own = await openIssuer();
		const key = await own.addKey(alg, true);
		const verifier = makeVerifier(
			issuers.parse([{ issuer: own.url, audience: ["other", audience] }]),
		);
		const { subject } = await verifier.verify(await own.sign(job, key));
		assert.equal(subject, job.sub);
		await own.close();
	}
});

test("nothing of a token is in the log", async () => {
	const token = await issuer.sign(job);
	assert.equal((await list(token)).status, 200);
	assert.ok(!JSON.stringify(door.log).includes(token.split(".")[2] ?? ""));
});

for (const [what, end] of [
	["the token has expired", undefined],
	["its rule is taken away", deleteIdentityRule],
] as const) {
	test(`a stream ends soon after ${what}`, async () => {
		const { environment } = await givenEnvironment(door);
		const rule = await givenRule({ claims: { sub: "u-21" }, role: "viewer" });
		const lifeSeconds = end === undefined ? -59 : 300;
		const token = await issuer.sign({
			sub: "u-21",
			exp: seconds(-lifeSeconds) + (end === undefined ? 1 : 0),
		});
		const events = door.as(token).events({ environment: environment.id });
		const first = await events.next();
		assert.ok(!first.done);
		await end?.(door.db, rule);
		// The client comes back when the stream is over, and is let in no more.
		const { status } = await refused(events.next());
		assert.equal(status, end === undefined ? 401 : 403);
		await deleteIdentityRule(door.db, rule);
	});
}

test("a token that does not say which key signed it is good if any of the issuer's did", async () => {
	const other = await openIssuer();
	const older = await other.addKey();
	await other.addKey();
	const verifier = makeVerifier(
		issuers.parse([{ issuer: other.url, audience }]),
	);
	const nameless = { ...older, kid: undefined };
	const verify = async (claims: JWTPayload, key: SigningKey) =>
		verifier.verify(await other.sign(claims, key));
	try {
		assert.equal((await verify(job, nameless)).subject, job.sub);
		await assert.rejects(verify({ ...job, exp: seconds(90) }, nameless), {
			message: /has expired/,
		});
		const foreign = { ...(await createKey()), kid: undefined };
		await assert.rejects(verify(job, foreign), {
			code: "unauthenticated",
			message: /not signed by a key/,
		});
	} finally {
		await other.close();
	}
});
