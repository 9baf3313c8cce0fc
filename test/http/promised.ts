// Holds what a test was answered against the document: only what is promised there may come.
import assert from "node:assert/strict";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { listHeaders } from "../../src/contract/headers.ts";
import { linesMediaType } from "../../src/contract/page.ts";
import { problem } from "../../src/contract/problem.ts";
import { listRefusals } from "../../src/contract/refusals.ts";
import { showsOne } from "../../src/contract/request-headers.ts";

export interface Seen {
	readonly status: number;
	readonly headers: Headers;
	readonly text: string;
	readonly body: unknown;
}

const patterns = api.map((endpoint) => ({
	endpoint,
	pattern: new RegExp(
		`^${endpoint.path.replaceAll(/[.]/g, "\\.").replaceAll(/\{\w+\}/g, "[^/:]+")}$`,
	),
}));

/** Throws where it is not what the declaration says. */
export function assertPromised(
	method: string,
	{ pathname: path, searchParams }: URL,
	answer: Seen,
): void {
	const endpoint = patterns.find(
		(one) => one.endpoint.method === method && one.pattern.test(path),
	)?.endpoint;
	const said = `${method} ${path} was answered ${answer.status}: ${answer.text.slice(0, 300)}`;
	if (answer.status >= 400) assertRefusal(endpoint, answer, said);
	else if (endpoint !== undefined)
		assertAnswer(endpoint, { ...answer, search: searchParams }, said);
}

function assertRefusal(
	endpoint: Endpoint | undefined,
	{ status, headers, body }: Seen,
	said: string,
): void {
	assert.match(
		headers.get("content-type") ?? "",
		/^application\/problem\+json/,
		said,
	);
	const told = problem.parse(body);
	assert.equal(told.status, status);
	if (endpoint === undefined) return;
	assert.ok(
		listRefusals(endpoint).includes(told.code),
		`${endpoint.name} does not declare that it refuses with ${told.code}. ${said}`,
	);
	assertHeaders(endpoint, { status, headers }, said);
}

function assertAnswer(
	endpoint: Endpoint,
	answer: Seen & { readonly search: URLSearchParams },
	said: string,
): void {
	const { status, headers, text, body, search } = answer;
	assertHeaders(endpoint, answer, said);
	if (status === 304 && showsOne(endpoint)) return;
	if (status === 200 && endpoint.unneeded?.safeParse(body).success) return;
	assert.equal(status, endpoint.status, said);
	if (endpoint.response === null) {
		assert.equal(text, "");
		return;
	}
	const type = headers.get("content-type") ?? "";
	if (endpoint.page && type.startsWith("text/html")) return;
	if (endpoint.stream && type.startsWith("text/event-stream")) return;
	if (endpoint.lines && type.startsWith(linesMediaType)) return;
	assert.match(type, /^application\/json/, said);
	const schema =
		endpoint.parts && search.has("fields") ? endpoint.parts : endpoint.response;
	assert.deepEqual(schema.parse(body), body);
}

function assertHeaders(
	endpoint: Endpoint,
	{ status, headers }: Pick<Seen, "status" | "headers">,
	said: string,
): void {
	const names = listHeaders({
		isGuarded: endpoint.permission !== null,
		status,
		orders: endpoint.orders === true && status === endpoint.status,
		isTagged: showsOne(endpoint) && status < 400,
	});
	for (const name of names.filter((name) => !name.startsWith("RateLimit")))
		assert.ok(headers.has(name), `${name} is missing. ${said}`);
}
