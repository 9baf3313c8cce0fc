// The OpenAPI 3.1 document, made of the list of declarations: it says what the server parses and answers, because both
// are the same schemas.
import type { z } from "zod";
import { leastRoles } from "../domain/permission.ts";
import type { FailureCode } from "../failure.ts";
import type { Endpoint, LeadsTo } from "./endpoint.ts";
import { type HeaderName, headers, listHeaders } from "./headers.ts";
import { operationLeadsTo } from "./operations.ts";
import { linesMediaType } from "./page.ts";
import { problem, problemMediaType } from "./problem.ts";
import { problemKinds } from "./problems.ts";
import { listRefusals } from "./refusals.ts";
import {
	describeRequestHeaders,
	showsOne,
	takesKey,
} from "./request-headers.ts";
import { describeField, describeSchemas, type Schemas } from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;

export interface OpenApi extends Json {
	readonly openapi: "3.1.0";
	readonly info: Json;
	readonly paths: Readonly<Record<string, Json>>;
	readonly components: Json;
}

interface Options {
	readonly version: string;
	/** Where the service is reached from outside; undefined: where the document was had from. */
	readonly publicUrl: string | undefined;
}

export function describeApi(
	api: readonly Endpoint[],
	{ version, publicUrl }: Options,
): OpenApi {
	const schemas = describeSchemas(api);
	const responses = new Map<string, Json>();
	const paths = Map.groupBy(api, ({ path }) => path);
	return {
		openapi: "3.1.0",
		info: {
			title: "Impresario",
			version,
			summary: "A highly available Maestro Server on demand.",
			description:
				"What takes long is an operation: it is answered with 202 and carried out afterwards. Follow its events, or ask for it until it is final. What is refused is answered with a problem document (RFC 9457), whose `code` has a page at /problems/{code}.",
			license: {
				name: "Apache 2.0",
				url: "https://www.apache.org/licenses/LICENSE-2.0",
			},
			contact: { name: "Who runs this service" },
		},
		servers: [{ url: publicUrl ?? "/" }],
		tags: [...new Set(api.map(nameTag))].map((name) => ({ name })),
		paths: Object.fromEntries(
			[...paths].map(([path, endpoints]) => [
				path,
				Object.fromEntries(
					endpoints.map((endpoint) => [
						endpoint.method.toLowerCase(),
						describeEndpoint(endpoint, { api, schemas, responses }),
					]),
				),
			]),
		),
		components: {
			schemas: schemas.components,
			responses: Object.fromEntries(responses),
			headers,
			securitySchemes: {
				bearer: {
					type: "http",
					scheme: "bearer",
					description:
						"A token of this service (imp_…), or one of an identity provider that it believes.",
				},
			},
		},
	};
}

interface Surroundings {
	readonly api: readonly Endpoint[];
	readonly schemas: Schemas;
	/** Those that endpoints share, by name. Filled as they are met. */
	readonly responses: Map<string, Json>;
}

function describeEndpoint(endpoint: Endpoint, around: Surroundings): Json {
	const { name, summary, permission, body, examples = [] } = endpoint;
	return {
		operationId: name,
		summary: summary.replace(/(?<=[.;:]) .*$/s, "").replace(/[.;:]$/, ""),
		description: summary,
		tags: [nameTag(endpoint)],
		...(permission === null
			? { security: [] }
			: {
					security: [{ bearer: [] }],
					"x-permission": permission,
					"x-least-role": leastRoles[permission],
				}),
		parameters: [
			...describeParameters(endpoint.params, "path"),
			...describeParameters(endpoint.query, "query"),
			...describeRequestHeaders(endpoint),
		],
		...(body && {
			requestBody: {
				required: true,
				content: {
					"application/json": {
						schema: around.schemas.body(body),
						...(examples.length > 0 && { examples: nameExamples(examples) }),
					},
				},
			},
		}),
		responses: {
			...describeAnswers(endpoint, around),
			...describeRefusals(endpoint, around),
		},
	};
}

/** The first part of the path that names a kind of thing. */
const nameTag = ({ path }: Endpoint): string =>
	/^\/v1\/([a-z-]+)\b(?!\.)/.exec(path)?.[1] ?? "service";

const nameExamples = (examples: NonNullable<Endpoint["examples"]>) =>
	Object.fromEntries(
		examples.map(({ summary, body }, i) => [
			`example${i + 1}`,
			{ summary, value: body },
		]),
	);

function describeParameters(
	fields: z.ZodObject | undefined,
	place: "path" | "query",
): Json[] {
	return Object.entries(fields?.shape ?? {}).map(([name, field]) => {
		const { description, style, explode, ...schema } = describeField(
			field as z.ZodType,
		);
		return {
			name,
			in: place,
			...(explode !== undefined && { style, explode }),
			required: !(field as z.ZodType).safeParse(undefined).success,
			...(description !== undefined && { description }),
			schema,
		};
	});
}

const referHeaders = (names: readonly HeaderName[]): Json =>
	Object.fromEntries(
		names.map((name) => [name, { $ref: `#/components/headers/${name}` }]),
	);

function describeAnswers(endpoint: Endpoint, around: Surroundings): Json {
	const { status, response, unneeded, stream, lines, page, permission } =
		endpoint;
	const { parts } = endpoint;
	const isGuarded = permission !== null;
	const orders = endpoint.orders === true;
	const { schemas } = around;
	const isKeyed = takesKey(endpoint);
	const isTagged = showsOne(endpoint);
	return {
		...(unneeded && {
			200: {
				description: "There is nothing to do.",
				headers: referHeaders(
					listHeaders({ isGuarded, status: 200, orders: false, isKeyed }),
				),
				content: { "application/json": { schema: schemas.answer(unneeded) } },
			},
		}),
		[status]: {
			description: descriptions[status],
			headers: referHeaders(
				listHeaders({ isGuarded, status, orders, isKeyed, isTagged }),
			),
			...(response && {
				content: {
					"application/json": {
						schema: parts
							? describeEither(schemas, { response, parts })
							: schemas.answer(response),
					},
					...(page && { "text/html": { schema: { type: "string" } } }),
					...(stream && {
						"text/event-stream": {
							schema: {
								type: "string",
								description:
									"Messages of Server-sent events. Each has the id and the type of an event, and the event as JSON; one of the type `end` says that nothing more will come.",
							},
							"x-message-schema": schemas.answer(stream),
						},
					}),
					...(lines && {
						[linesMediaType]: {
							schema: {
								type: "string",
								description: "A JSON value a line: the whole list.",
							},
							"x-line-schema": schemas.answer(lines),
						},
					}),
				},
			}),
			...describeLinks(endpoint, around.api),
		},
		...(showsOne(endpoint) &&
			endpoint.method === "GET" && {
				304: {
					description: "It is as the caller knows it.",
					headers: referHeaders(
						listHeaders({ isGuarded, status: 304, orders: false, isTagged }),
					),
				},
			}),
	};
}

/** No document can say that a parameter of the query decides which of two it is. */
const describeEither = (
	schemas: Schemas,
	{ response, parts }: { response: z.ZodType; parts: z.ZodType },
): Json => ({
	description: "Whole items; those fields of them that `fields` asks for.",
	anyOf: [schemas.answer(response), schemas.answer(parts)],
});

const descriptions: Readonly<Record<Endpoint["status"], string>> = {
	200: "Done.",
	201: "Made.",
	202: "Ordered: the operation that carries it out.",
	204: "Done. There is nothing to say.",
};

/** What can be asked for next with what this answers. */
function describeLinks(endpoint: Endpoint, api: readonly Endpoint[]): Json {
	const links = Object.entries(listLinks(endpoint))
		.filter(([name]) => api.some((other) => other.name === name))
		.map(([operationId, places]) => [
			operationId,
			{
				operationId,
				parameters: Object.fromEntries(
					Object.entries(places).map(([parameter, place]) => [
						parameter,
						place.startsWith("/")
							? `$response.body#${place}`
							: `$response.header.${place}`,
					]),
				),
			},
		]);
	return links.length === 0 ? {} : { links: Object.fromEntries(links) };
}

/** Every order is answered with an operation, which leads to more than the order says itself. */
export const listLinks = ({ orders, leadsTo }: Endpoint): LeadsTo => ({
	...(orders && operationLeadsTo),
	...leadsTo,
});

/** By status; a status that stands for several codes names them all. */
function describeRefusals(
	endpoint: Endpoint,
	{ schemas, responses }: Surroundings,
): Json {
	const isGuarded = endpoint.permission !== null;
	const groups = Map.groupBy(
		listRefusals(endpoint),
		(code) => problemKinds[code].status,
	);
	return Object.fromEntries(
		[...groups].map(([status, codes]) => {
			const name = `${codes.join(".")}${isGuarded ? "" : ".open"}`;
			if (!responses.has(name))
				responses.set(
					name,
					describeRefusal({ status, codes, isGuarded }, schemas),
				);
			return [status, { $ref: `#/components/responses/${name}` }];
		}),
	);
}

function describeRefusal(
	refusal: {
		readonly status: number;
		readonly codes: readonly FailureCode[];
		readonly isGuarded: boolean;
	},
	schemas: Schemas,
): Json {
	const { status, codes, isGuarded } = refusal;
	return {
		description: codes
			.map((code) => `\`${code}\`: ${problemKinds[code].title}.`)
			.join(" "),
		headers: referHeaders(listHeaders({ isGuarded, status, orders: false })),
		content: {
			[problemMediaType]: {
				schema: {
					allOf: [
						schemas.answer(problem),
						{
							type: "object",
							properties: {
								status: { const: status },
								code: { enum: codes },
							},
						},
					],
				},
			},
		},
	};
}
