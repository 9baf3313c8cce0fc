import assert from "node:assert/strict";
import { test } from "node:test";
import { problem } from "../../src/contract/problem.ts";
import { Failure, failureCodes } from "../../src/failure.ts";
import { presentProblem } from "../../src/http/problem.ts";

const place = {
	instance: "/v1/things/x",
	requestId: "req_1",
	publicUrl: undefined,
};

test("every code of a failure has a status and a title of its own kind", () => {
	const titles = new Set<string>();
	for (const code of failureCodes) {
		const shown = problem.parse(
			presentProblem(new Failure({ code, message: "m" }), place),
		);
		assert.equal(shown.type, `/problems/${code}`);
		assert.equal(shown.code, code);
		assert.ok(shown.status >= 400 && shown.status < 600);
		titles.add(shown.title);
	}
	assert.equal(titles.size, failureCodes.length);
});

test("a failure tells what is wrong, where, what was left, and what to do", () => {
	const failure = new Failure({
		code: "conflict",
		message: "It is taken.",
		untouched: "All of it.",
		advice: "Take another.",
		retryable: true,
		errors: [{ pointer: "/name", message: "is taken" }],
		cause: new Error("with secrets"),
	});
	assert.deepEqual(presentProblem(failure, place), {
		type: "/problems/conflict",
		title: "The state of things forbids it",
		status: 409,
		detail: "It is taken.",
		instance: "/v1/things/x",
		code: "conflict",
		retryable: true,
		errors: [{ pointer: "/name", message: "is taken" }],
		requestId: "req_1",
		untouched: "All of it.",
		advice: "Take another.",
	});
});

test("where the service knows its address, the type is an absolute one", () => {
	const { type } = presentProblem(
		new Failure({ code: "conflict", message: "m" }),
		{ ...place, publicUrl: "https://maestro.example.com" },
	);
	assert.equal(type, "https://maestro.example.com/problems/conflict");
});

test("what is no failure tells nothing of itself", () => {
	for (const thrown of [new Error("password=x"), "password=x", undefined]) {
		const shown = presentProblem(thrown, place);
		assert.equal(shown.status, 500);
		assert.equal(shown.code, "internal");
		assert.ok(!JSON.stringify(shown).includes("password"));
	}
});
