// What the audit log says of a request: found in the declaration's path and in the answer, so no handler has a word of it.
import type { Request, Response } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import {
	type AuditedKind,
	type AuditedThing,
	type AuditRequest,
	describeActor,
} from "../domain/audit.ts";
import type { Actor } from "../domain/tenant.ts";
import { auditChange } from "../operations/audited.ts";
import type { VerbContext } from "../operations/request.ts";
import type { Db } from "../store/db.ts";
import { readAddress } from "./address.ts";
import type { Composed } from "./answer.ts";
import { readPath, readRequestId } from "./refuse.ts";
import { decideScope } from "./visible.ts";

const kinds: Readonly<Record<string, AuditedKind>> = {
	environments: "environment",
	operations: "operation",
	tenants: "tenant",
	tokens: "token",
	"identity-rules": "identity-rule",
	releases: "release",
	rollouts: "rollout",
	webhooks: "webhook",
	deliveries: "delivery",
};

/** The last collection of a path, with the parameter behind it: `/v1/webhooks/{id}/deliveries/{delivery}:redeliver`. */
function readPlace({ path }: Endpoint) {
	const [, collection = "", parameter] =
		/\/([a-z-]+)(?:\/\{(\w+)\}(?::[a-z-]+)?)?$/.exec(path) ?? [];
	return { kind: kinds[collection], parameter };
}

/** What the path names; null: nothing that is audited. */
export function locateThing(
	endpoint: Endpoint,
	params: Readonly<Record<string, unknown>>,
): AuditedThing | null {
	const { kind, parameter } = readPlace(endpoint);
	if (kind === undefined || parameter === undefined) return null;
	return { kind, id: String(params[parameter]) };
}

type Body = Readonly<Record<string, unknown>>;

/** What was made or changed, by its id. A copy is, and not what it was made of. */
function locateResult(
	endpoint: Endpoint,
	thing: AuditedThing | null,
	body: Body,
): AuditedThing | null {
	const { kind } = readPlace(endpoint);
	if (kind === undefined) return null;
	const ofOperation = kind === "environment" ? body.environment : undefined;
	const isNamed = kind === "tenant" || kind === "release";
	const own = isNamed ? body.name : body.id;
	// What a webhook answers to a ping is not a webhook.
	const isOther = kind === "webhook" && thing !== null;
	const id = isOther ? thing.id : (ofOperation ?? own ?? thing?.id);
	return id === undefined ? null : { kind, id: String(id) };
}

export const describeRequest = (
	request: Request,
	response: Response,
	status: number,
): AuditRequest => ({
	address: readAddress(request),
	method: request.method,
	path: readPath(request).slice(0, 500),
	status,
	requestId: readRequestId(response),
});

interface Inside {
	readonly db: Db;
	readonly verbs: VerbContext;
}

/** Answers what changes something in a transaction that also writes its line. What only reads is left alone. */
export async function auditRequest<C extends Inside, A>(
	context: C,
	asked: {
		readonly endpoint: Endpoint;
		readonly actor: Actor | undefined;
		readonly params: unknown;
		readonly request: Request;
		readonly response: Response;
	},
	work: (inside: C) => Promise<A>,
): Promise<A> {
	const { endpoint, actor, request, response } = asked;
	if (actor === undefined || endpoint.method === "GET") return work(context);
	const thing = locateThing(endpoint, (asked.params ?? {}) as Body);
	return auditChange<A>(
		context.verbs,
		{
			thing,
			changer: { tenant: actor.tenant.id, scope: decideScope(actor) },
			describe(answer) {
				// What changes something is never answered with a stream.
				const { status, body } = answer as Composed;
				const result = locateResult(endpoint, thing, (body ?? {}) as Body);
				const isOrder = endpoint.orders && status === endpoint.status;
				const isOfOperation = result?.kind === "operation";
				return {
					actor: describeActor(actor),
					action: endpoint.name,
					request: describeRequest(request, response, status),
					thing: result,
					operation: isOrder
						? String((body as Body).id)
						: isOfOperation
							? result.id
							: null,
				};
			},
		},
		(verbs) => work({ ...context, db: verbs.db, verbs }),
	);
}
