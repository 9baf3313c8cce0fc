import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Request } from "express";
import { z } from "zod";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { describeApi, listLinks } from "../../src/contract/openapi.ts";
import { listRefusals } from "../../src/contract/refusals.ts";
import {
	describeSchemas,
	type JsonSchema,
} from "../../src/contract/schemas.ts";
import { failureCodes } from "../../src/failure.ts";
import { readTags } from "../../src/http/etag.ts";

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

/** What the document says of an endpoint, by its name. */
const operations = new Map<string, Described>(
	Object.values(document.paths).flatMap((path) =>
		Object.values(path).map((one) => {
			const described = one as Described;
			return [described.operationId, described] as const;
		}),
	),
);

interface Described {
	readonly operationId: string;
	readonly parameters: readonly {
		readonly name: string;
		readonly required: boolean;
		readonly schema: { readonly pattern?: string };
	}[];
	readonly responses: Readonly<Record<string, Answer>>;
}

interface Answer {
	readonly headers?: Readonly<Record<string, unknown>>;
	readonly content?: Readonly<Record<string, { readonly schema: unknown }>>;
	readonly links?: Readonly<Record<string, Link>>;
}

interface Link {
	readonly operationId: string;
	readonly parameters: Readonly<Record<string, string>>;
}

/** Whether an answer of this schema can have something at the pointer. */
function hasPlace(schema: unknown, pointer: string): boolean {
	let here = schema as Record<string, unknown> | undefined;
	for (const step of pointer.split("/").slice(1)) {
		const name = /^#\/components\/schemas\/(.+)$/.exec(String(here?.$ref))?.[1];
		const schemas = document.components.schemas as typeof here;
		if (name !== undefined) here = schemas?.[name] as typeof here;
		here = (here?.properties as typeof here)?.[step] as typeof here;
	}
	return here !== undefined;
}

test("every link says all that its endpoint needs, and each is in the answer", () => {
	let count = 0;
	for (const { operationId, responses } of operations.values())
		for (const { headers, content, links } of Object.values(responses))
			for (const link of Object.values(links ?? {})) {
				const name = `${operationId} → ${link.operationId}`;
				const { parameters } =
					operations.get(link.operationId) ?? assert.fail(name);
				for (const parameter of Object.keys(link.parameters))
					assert.ok(
						parameters.some((one) => one.name === parameter),
						name,
					);
				for (const parameter of parameters)
					assert.ok(
						!parameter.required ||
							parameter.name === "Idempotency-Key" ||
							parameter.name in link.parameters,
						`${name}: ${parameter.name}`,
					);
				for (const place of Object.values(link.parameters)) {
					const [, pointer] = /^\$response\.body#(.+)$/.exec(place) ?? [];
					const schema = content?.["application/json"]?.schema;
					if (pointer !== undefined)
						assert.ok(hasPlace(schema, pointer), `${name}: ${place}`);
					else
						assert.ok(
							place.replace("$response.header.", "") in (headers ?? {}),
							`${name}: ${place}`,
						);
				}
				count++;
			}
	assert.ok(count > 200, `${count} links`);
});

test("whatever is named in a path can be got to by a link", () => {
	const reached = new Set(
		[...operations.values()].flatMap(({ responses }) =>
			Object.values(responses).flatMap(({ links }) => Object.keys(links ?? {})),
		),
	);
	const unreached = api
		.filter(({ name, params }) => params !== undefined && !reached.has(name))
		.map(({ name }) => name);
	// A backup is made by an operation and listed once that has ended; the page of a problem is what its `type` says.
	assert.deepEqual(unreached, ["restoreEnvironment", "findProblem"]);
});

test("every name that something leads to is an endpoint's", () => {
	for (const endpoint of api)
		for (const name of Object.keys(listLinks(endpoint)))
			assert.ok(operations.has(name), `${endpoint.name} → ${name}`);
});

test("the document says which headers are lists of ETags as the server reads them", () => {
	const texts = [
		"*",
		'"a"',
		'W/"a"',
		'"a" , W/"\u00e9"',
		'""',
		'"a",',
		', "a",,"b"',
	];
	const others = ["a", "", '"a', '"a" "b"', ",", "*,", "W/*", '"\u0100"'];
	let count = 0;
	for (const { operationId, parameters } of operations.values())
		for (const { name, schema } of parameters) {
			if (!/^If-/.test(name)) continue;
			const pattern = new RegExp(schema.pattern ?? "", "u");
			const header = name === "If-Match" ? "if-match" : "if-none-match";
			for (const text of [...texts, ...others]) {
				const read = () =>
					readTags({ get: () => text } as unknown as Request, header);
				const isRight = texts.includes(text);
				assert.equal(pattern.test(text), isRight, `${operationId}: ${text}`);
				if (isRight) read();
				else assert.throws(read);
			}
			count++;
		}
	assert.ok(count > 10);
});

test("the document says of a change that it must change something", () => {
	const schemas = document.components.schemas as Record<string, JsonSchema>;
	const one = [["release"], ["size"], ["parameters"]];
	assert.deepEqual(
		schemas.UpgradeEnvironmentOrder?.anyOf,
		one.map((required) => ({ required })),
	);
	assert.equal(schemas.ChangeTenantOrder?.minProperties, 1);
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

test("a list whose fields can be chosen says by which names, and that its items may be parts", () => {
	const chosen = api.filter(({ parts }) => parts !== undefined);
	assert.ok(chosen.length >= 3);
	for (const { path, query, parts } of chosen) {
		assert.ok(parts);
		const { get } = document.paths[path] as unknown as {
			get: {
				parameters: { name: string; schema: { items?: { enum?: string[] } } }[];
				responses: Record<string, { content: Record<string, unknown> }>;
			};
		};
		const fields = get.parameters.find(({ name }) => name === "fields");
		const { schema, ...manner } = fields ?? {};
		const names = schema?.items?.enum ?? [];
		assert.ok(names.includes("createdAt"), path);
		assert.deepEqual(
			{ ...manner, description: "" },
			{
				...{ name: "fields", in: "query", required: false, description: "" },
				...{ style: "form", explode: false },
			},
		);
		assert.ok(query?.shape.fields.safeParse(names).success);
		const page = { items: [{ id: "x" }], nextPageToken: null };
		assert.ok(parts.safeParse(page).success);
		const wrong = { items: [{ id: "x", secret: 1 }], nextPageToken: null };
		assert.equal(parts.safeParse(wrong).success, false);
		const answer = JSON.stringify(get.responses["200"]?.content);
		assert.match(
			answer,
			/"anyOf":\[\{"\$ref":"[^"]+Answer"\},\{"\$ref":"[^"]+Parts"\}\]/,
		);
	}
});
