// The schemas of the API as JSON Schema (2020-12), each under the name that the document knows it by. What is sent is
// described before defaults are filled in, what is answered after it.
import { z } from "zod";
import { auditLine, exportedLine } from "./audit.ts";
import { backup } from "./backups.ts";
import { blueprint } from "./blueprints.ts";
import type { Endpoint } from "./endpoint.ts";
import { environment, revision, unneeded } from "./environments.ts";
import { event } from "./events.ts";
import { identityRule } from "./identity-rules.ts";
import { leftover } from "./leftovers.ts";
import { operation } from "./operations.ts";
import { json, preview } from "./previews.ts";
import { problem } from "./problem.ts";
import { release } from "./releases.ts";
import { rollout, rolloutWithMembers } from "./rollouts.ts";
import { target } from "./targets.ts";
import { tenant } from "./tenants.ts";
import { token } from "./tokens.ts";
import { delivery, webhook } from "./webhooks.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What is answered in more than one place, or is a thing of its own. All else is named after its endpoint. */
const answers: Readonly<Record<string, z.ZodType>> = {
	AuditLine: auditLine,
	Backup: backup,
	Blueprint: blueprint,
	Delivery: delivery,
	Environment: environment,
	Event: event,
	ExportedAuditLine: exportedLine,
	IdentityRule: identityRule,
	Json: json,
	Leftover: leftover,
	NothingToDo: unneeded,
	Operation: operation,
	Preview: preview,
	Problem: problem,
	Release: release,
	Revision: revision,
	Rollout: rollout,
	RolloutWithMembers: rolloutWithMembers,
	Target: target,
	Tenant: tenant,
	Token: token,
	Webhook: webhook,
};

export interface Schemas {
	/** By name. */
	readonly components: Readonly<Record<string, JsonSchema>>;
	/** A reference to what is answered. */
	answer(schema: z.ZodType): JsonSchema;
	/** A reference to what is sent as a body. */
	body(schema: z.ZodType): JsonSchema;
}

export function describeSchemas(api: readonly Endpoint[]): Schemas {
	const answered = z.registry<{ id: string }>();
	const sent = z.registry<{ id: string }>();
	for (const [id, schema] of Object.entries(answers))
		answered.add(schema, { id });
	for (const endpoint of api) {
		const { name, response, unneeded, stream, parts, body } = endpoint;
		const unnamed = {
			Answer: response,
			Nothing: unneeded,
			Message: stream,
			Parts: parts,
		};
		for (const [kind, schema] of Object.entries(unnamed))
			if (schema && !answered.has(schema))
				answered.add(schema, { id: `${capitalize(name)}${kind}` });
		if (body && !sent.has(body))
			sent.add(body, { id: `${capitalize(name)}Order` });
	}
	const refer = (registry: typeof sent) => (schema: z.ZodType) => ({
		$ref: locate(registry.get(schema)?.id ?? "nothing"),
	});
	return {
		components: {
			...describeAll(answered, "output"),
			...describeAll(sent, "input"),
		},
		answer: refer(answered),
		body: refer(sent),
	};
}

/** One value of a path or a query. */
export const describeField = (schema: z.ZodType): JsonSchema =>
	tidy(z.toJSONSchema(schema, { io: "input" }));

const capitalize = (name: string) =>
	`${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;

const locate = (id: string) => `#/components/schemas/${id}`;

function describeAll(
	registry: z.core.$ZodRegistry<{ id: string }>,
	io: "input" | "output",
): Record<string, JsonSchema> {
	const { schemas } = z.toJSONSchema(registry, { io, uri: locate });
	return Object.fromEntries(
		Object.entries(schemas).map(([id, schema]) => [id, tidy(schema)]),
	);
}

/** Without what names the schema from outside: the document does that. */
function tidy(schema: object): JsonSchema {
	const { $schema, $id, ...rest } = schema as Record<string, unknown>;
	return rest;
}
