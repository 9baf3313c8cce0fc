import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { z } from "zod";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { describeApi } from "../../src/contract/openapi.ts";
import { listRefusals } from "../../src/contract/refusals.ts";
import { describeSchemas } from "../../src/contract/schemas.ts";
import { failureCodes } from "../../src/failure.ts";

const document = describeApi(api, { version: "1.2.3", publicUrl: undefined });

/** What Spectral's own ruleset for OpenAPI has to say, in its words. */
async function judge(what: object): Promise<string[]> {
	const dir = mkdtempSync(join(tmpdir(), "impresario-document-"));
	try {
		const file = join(dir, "openapi.json");
		const ruleset = join(dir, "ruleset.json");
		writeFileSync(file, JSON.stringify(what));
		writeFileSync(ruleset, JSON.stringify({ extends: ["spectral:oas"] }));
		const { stdout } = await promisify(execFile)(
			process.execPath,
			[
				resolve("node_modules/@stoplight/spectral-cli/dist/index.js"),
				...["lint", file, "--ruleset", ruleset],
				...["--format", "json", "--quiet", "--fail-severity", "hint"],
			],
			{ maxBuffer: 64 * 1024 * 1024 },
		).catch((error: { stdout?: string }) => {
			if (error.stdout) return { stdout: error.stdout };
			throw error;
		});
		const found = z
			.array(
				z.object({
					code: z.string(),
					message: z.string(),
					path: z.array(z.union([z.string(), z.number()])),
				}),
			)
			.parse(JSON.parse(stdout));
		return found.map(
			({ code, message, path }) => `${code} at ${path.join("/")}: ${message}`,
		);
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

test("Spectral has nothing to say of the document", async () => {
	assert.deepEqual(await judge(document), []);
});

test("Spectral would find what is wrong with it", async () => {
	const [first] = api;
	assert.ok(first);
	const nameless: Endpoint = { ...first, summary: "" };
	const wrong = describeApi([nameless], {
		version: "1.2.3",
		publicUrl: "https://maestro.example.com/",
	});
	const found = (await judge(wrong)).join("\n");
	assert.match(found, /operation-description/);
	assert.match(found, /oas3-server-trailing-slash/);
});

/** Every reference in it. */
function listReferences(part: unknown): string[] {
	if (typeof part !== "object" || part === null) return [];
	return Object.entries(part).flatMap(([key, value]) =>
		key === "$ref" ? [String(value)] : listReferences(value),
	);
}

test("every reference leads somewhere, by a name and not by a place inside", () => {
	const found = new Set(listReferences(document));
	assert.ok(found.size > 50);
	for (const reference of found) {
		const [, kind = "", name = "", ...rest] =
			/^#\/components\/(\w+)\/([\w.-]+)$/.exec(reference) ?? [];
		assert.deepEqual(rest, [], reference);
		const components = document.components[kind] as object | undefined;
		assert.ok(components && Object.hasOwn(components, name), reference);
	}
});

test("each schema has a name of its own", () => {
	const { answer, components } = describeSchemas(api);
	const named = new Map<string, unknown>();
	for (const { response, unneeded, stream } of api)
		for (const schema of [response, unneeded, stream])
			if (schema) named.set(String(answer(schema).$ref), schema);
	const schemas = new Set(
		api.flatMap((one) => [one.response, one.unneeded, one.stream]),
	);
	schemas.delete(undefined);
	schemas.delete(null);
	assert.equal(named.size, schemas.size);
	for (const name of named.keys())
		assert.ok(name.replace("#/components/schemas/", "") in components, name);
});

test("every link leads to an endpoint that has its parameter", () => {
	for (const { name, leadsTo } of api) {
		for (const [other, [parameter]] of Object.entries(leadsTo ?? {})) {
			const found = api.find((endpoint) => endpoint.name === other);
			assert.ok(found?.params?.shape[parameter], `${name} → ${other}`);
		}
	}
});

test("what can be refused follows from the declaration, each once", () => {
	for (const endpoint of api) {
		const codes = listRefusals(endpoint);
		assert.equal(new Set(codes).size, codes.length);
		assert.equal(codes.includes("forbidden"), endpoint.permission !== null);
		assert.equal(
			codes.includes("unsupported_media_type"),
			endpoint.body !== undefined,
		);
		for (const code of codes) assert.ok(failureCodes.includes(code));
	}
});
