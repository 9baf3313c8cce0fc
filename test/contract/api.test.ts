import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { api } from "../../src/contract/api.ts";
import { presentInputSchema } from "../../src/contract/blueprints.ts";
import { environmentSpec } from "../../src/domain/spec.ts";

const countDifferent = (values: readonly string[]) => new Set(values).size;

test("names are unique, and so are method and path together", () => {
	assert.equal(countDifferent(api.map(({ name }) => name)), api.length);
	const doors = api.map(({ method, path }) => `${method} ${path}`);
	assert.equal(countDifferent(doors), api.length);
});

for (const endpoint of api) {
	test(`${endpoint.name} declares the parameters of its path and no others`, () => {
		const inPath = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(
			([, name]) => name,
		);
		const declared = Object.keys(endpoint.params?.shape ?? {});
		assert.deepEqual(declared, inPath);
	});

	test(`${endpoint.name} keeps the habits of the API`, () => {
		assert.match(endpoint.summary, /^[A-Z].*\.$/);
		assert.equal(
			endpoint.permission === null,
			!endpoint.path.startsWith("/v1/") || endpoint.name === "readDocument",
		);
		assert.equal(endpoint.orders === true, endpoint.status === 202);
		assert.equal(endpoint.response === null, endpoint.status === 204);
		const takesBody = endpoint.method === "POST" || endpoint.method === "PATCH";
		// A verb may say all that there is to say.
		if (endpoint.path.includes("}:")) return;
		assert.equal(endpoint.body !== undefined, takesBody);
	});

	if (endpoint.body !== undefined)
		test(`${endpoint.name} has examples, and they are right`, () => {
			const { body, examples = [] } = endpoint;
			assert.ok(examples.length > 0);
			for (const example of examples) body?.parse(example.body);
		});

	test(`${endpoint.name} can be written down as JSON Schema`, () => {
		const { params, query, body, response, stream } = endpoint;
		for (const schema of [params, query, body, response, stream]) {
			if (schema) z.toJSONSchema(schema, { io: "input" });
		}
	});
}

test("what a blueprint says of its input leaves the defaults out of what is required", () => {
	const schema = presentInputSchema();
	assert.deepEqual(schema.required, ["name"]);
	assert.deepEqual(
		Object.keys(schema.properties ?? {}),
		Object.keys(environmentSpec.shape),
	);
});
