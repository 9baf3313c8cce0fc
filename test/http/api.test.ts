import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { z } from "zod";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { problem } from "../../src/contract/problem.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { type Door, openDoor, type Person } from "./door.ts";
import {
	composeExample,
	type Examples,
	givenExamples,
	guarded,
} from "./examples.ts";

let door: Door;
let examples: Examples;
before(async () => {
	door = await openDoor();
	examples = await givenExamples(door);
});
after(() => door.close());

const compose = (endpoint: Endpoint, id?: string) =>
	composeExample(examples, endpoint, id);

const mayCall = ({ permission }: Endpoint): Person | undefined => {
	if (permission === null) return undefined;
	const role = leastRoles[permission];
	return role === "platform-admin" ? door.platformAdmin : door[role];
};

const assertProblem = (
	answer: { status: number; headers: Headers; body: unknown },
	status: number,
) => {
	assert.equal(answer.status, status);
	assert.match(
		answer.headers.get("content-type") ?? "",
		/^application\/problem\+json/,
	);
	const parsed = problem.parse(answer.body);
	assert.equal(parsed.status, status);
	assert.equal(parsed.requestId, answer.headers.get("x-request-id"));
};

test("every declaration has an example in this walk", () => {
	assert.deepEqual(
		api.map((endpoint) => endpoint.name).sort(),
		Object.keys(examples).sort(),
	);
});

for (const { endpoint } of guarded) {
	if (endpoint.path.includes("{id}")) {
		test(`${endpoint.name} refuses a path that can name nothing`, async () => {
			const { path, body } = compose(endpoint, "a%00b");
			const token = mayCall(endpoint)?.token;
			const answer = await door.sendRaw(endpoint.method, path, { token, body });
			assertProblem(answer, 400);
			assert.match(answer.text, /"pointer":"\/path\/id"/);
		});
	}

	if (endpoint.body !== undefined) {
		test(`${endpoint.name} refuses a malformed body`, async () => {
			const { path } = compose(endpoint);
			const token = mayCall(endpoint)?.token;
			for (const body of [[], "text", 5, null, { nonsense: true }]) {
				const answer = await door.sendRaw(endpoint.method, path, {
					token,
					body,
				});
				assertProblem(answer, 400);
			}
		});
	}

	test(`${endpoint.name} refuses a query that it does not know`, async () => {
		const { path, body } = compose(endpoint);
		const token = mayCall(endpoint)?.token;
		const answer = await door.sendRaw(
			endpoint.method,
			`${path}?nonsense=1&pageSize=many`,
			{ token, body },
		);
		assertProblem(answer, 400);
		assert.match(answer.text, /"pointer":"\/query\/nonsense"/);
		assert.match(answer.text, /"pointer":"\/query\/pageSize"/);
	});
}

for (const endpoint of api) {
	test(`${endpoint.name} answers as it is declared`, async () => {
		const { asked } = compose(endpoint);
		const client = mayCall(endpoint)?.client ?? door.as();
		const answer = await answered(askAny(client, endpoint, asked));
		assert.equal(answer.status, endpoint.status, answer.text);
		if (endpoint.response === null) {
			assert.equal(answer.text, "");
			return;
		}
		assert.match(
			answer.headers.get("content-type") ?? "",
			/^application\/json/,
		);
		const parsed = (endpoint.response as z.ZodType).parse(answer.body);
		assert.deepEqual(parsed, answer.body);
		if (endpoint.orders) {
			const location = `/v1/operations/${answer.body.id}`;
			assert.equal(answer.headers.get("location"), location);
			assert.equal(answer.headers.get("operation-location"), location);
			assert.equal(answer.headers.get("retry-after"), "1");
		}
	});
}

test("nothing went wrong on our side in all of this", () => {
	assert.deepEqual(
		door.log.filter((line) => line.level !== "info"),
		[],
	);
});
