// What browsers are told, and whose pages may read the API's answers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { type Door, openDoor } from "./door.ts";

const portal = "https://portal.example.com";
const stranger = "https://elsewhere.example.com";

let door: Door;
let shared: Door;
before(async () => {
	door = await openDoor();
	shared = await openDoor({ corsOrigins: [portal, "http://localhost:3000"] });
});
after(async () => {
	await shared?.close();
	await door?.close();
});

test("every answer tells browsers to keep, guess, load and embed nothing", async () => {
	for (const path of ["/healthz", "/v1/nothing", "/v1/environments", "/%"]) {
		const { headers } = await door.sendRaw("GET", path);
		for (const [name, value] of [
			["cache-control", "no-store"],
			["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
			["strict-transport-security", "max-age=31536000"],
			["x-content-type-options", "nosniff"],
			["x-frame-options", "DENY"],
			["referrer-policy", "no-referrer"],
			["cross-origin-resource-policy", "same-origin"],
			["cross-origin-opener-policy", "same-origin"],
			["x-powered-by", null],
			["etag", null],
			["access-control-allow-origin", null],
		] as const)
			assert.equal(headers.get(name), value, `${path} ${name}`);
	}
});

const preflight = (at: Door, origin: string, headers = "authorization") =>
	at.sendRaw("OPTIONS", "/v1/environments", {
		headers: {
			origin,
			"access-control-request-method": "POST",
			"access-control-request-headers": headers,
		},
	});

test("a page of an origin that is named may call with all that the API takes, and read all that it tells", async () => {
	const { status, headers, text } = await preflight(
		shared,
		portal,
		"authorization,content-type,idempotency-key,if-match",
	);
	assert.equal(status, 200, text);
	assert.equal(headers.get("access-control-allow-origin"), portal);
	// A page's own cookies say nothing here.
	assert.equal(headers.get("access-control-allow-credentials"), null);
	const allowed = headers.get("access-control-allow-headers")?.toLowerCase();
	for (const name of [
		"authorization",
		"content-type",
		"idempotency-key",
		"if-match",
		"if-none-match",
		"last-event-id",
		"traceparent",
	])
		assert.ok(allowed?.split(",").includes(name), name);
	assert.deepEqual(
		headers.get("access-control-allow-methods")?.split(",").sort(),
		["DELETE", "GET", "HEAD", "PATCH", "POST"],
	);

	for (const token of [shared.viewer.token, "wrong"]) {
		const answer = await answered(
			shared.as(token).listEnvironments({}, { headers: { origin: portal } }),
		);
		assert.equal(
			answer.headers.get("access-control-allow-origin"),
			portal,
			answer.text,
		);
		assert.match(answer.headers.get("vary") ?? "", /\bOrigin\b/);
		const told = answer.headers
			.get("access-control-expose-headers")
			?.toLowerCase();
		for (const name of [
			"location",
			"operation-location",
			"etag",
			"ratelimit",
			"x-request-id",
			"idempotency-replayed",
		])
			assert.ok(told?.split(",").includes(name), name);
	}
});

test("a page of another origin is told nothing that would let it read", async () => {
	for (const [at, origin] of [
		[shared, stranger],
		[shared, "null"],
		[shared, `${portal}.example.org`],
		[door, portal],
	] as const) {
		const asked = await preflight(at, origin);
		assert.equal(asked.status, 405, origin);
		const answer = await answered(
			at.as().checkAlive({}, { headers: { origin } }),
		);
		for (const { headers } of [asked, answer])
			for (const name of headers.keys())
				assert.ok(!name.startsWith("access-control-"), `${origin}: ${name}`);
	}
});

test("whom an answer is for is told to caches also where nobody's page asked", async () => {
	const own = await answered(shared.as().checkAlive());
	assert.match(own.headers.get("vary") ?? "", /\bOrigin\b/);
	const other = await answered(door.as().checkAlive());
	assert.equal(other.headers.get("vary")?.includes("Origin") ?? false, false);
});
