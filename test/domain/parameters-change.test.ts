// What an upgrade says of parameters.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parameters } from "../../src/domain/parameters.ts";
import {
	changeParameters,
	parametersChange,
} from "../../src/domain/parameters-change.ts";

test("a change replaces the keys that it names, takes null back to the default and leaves the rest", () => {
	const before = parameters.parse({
		theme: "dark",
		logo: "https://example.test/logo.png",
		storage: { mongodb: "8Gi", backups: "9Gi" },
		features: { audit: false },
		closedSignUp: true,
	});
	const change = parametersChange.parse({
		theme: null,
		logo: null,
		storage: { mongodb: "10Gi" },
	});
	const { parameters: after, errors } = changeParameters(before, change);
	assert.deepEqual(errors, []);
	assert.deepEqual(
		after,
		parameters.parse({
			storage: { mongodb: "10Gi" },
			features: { audit: false },
			closedSignUp: true,
		}),
	);
});

test("an empty change changes nothing", () => {
	const before = parameters.parse({ features: { audit: false } });
	const change = parametersChange.parse({});
	assert.deepEqual(change, {});
	assert.deepEqual(changeParameters(before, change).parameters, before);
});

test("a change that contradicts what is left of before is told with its place", () => {
	const before = parameters.parse({ replicas: { audit: 2 } });
	const change = parametersChange.parse({ features: { audit: false } });
	assert.deepEqual(changeParameters(before, change).errors, [
		{
			pointer: "/replicas/audit",
			message: "belongs to a feature that is off",
		},
	]);
});
