// Stacks, and who asks for them.
import { z } from "zod";
import { Failure } from "../failure.ts";
import {
	createStack,
	deleteStack,
	listStacks,
	lockStack,
	replaceTags,
	type StackName,
} from "../store/state.ts";
import {
	createCheckpoint,
	findCheckpoint,
} from "../store/state-checkpoints.ts";
import {
	decideEnvironment,
	decideScope,
	nameCaller,
	organization,
} from "./access.ts";
import type { CallerCall, Reply, StackCall } from "./bind.ts";
import type { SentState } from "./checkpoints.ts";
import { sealDataKey } from "./crypto.ts";
import { stateShape } from "./deployment.ts";
import { toKept } from "./ending.ts";
import { toSeconds } from "./leases.ts";
import { freeStack, holdCallersLease, tagsBody } from "./updates.ts";

export function presentUser({ caller }: CallerCall): Reply {
	const name = caller.kind === "run" ? organization : caller.actor.tenant.name;
	return {
		githubLogin: name,
		organizations: [{ githubLogin: organization }],
		tokenInfo: { name: nameCaller(caller), organization },
	};
}

export const presentDefaultOrganization = (): Reply => ({
	GitHubLogin: organization,
});

/** Without the first, each secret would be a request of its own; without the second, imports would lose their features. */
export const presentCapabilities = (): Reply => ({
	capabilities: [
		{ capability: "batch-encrypt", version: 1 },
		{
			capability: "deployment-schema-version",
			version: 1,
			configuration: { version: 4 },
		},
	],
});

const pageSize = 500;

export async function presentStacks(call: CallerCall): Promise<Reply> {
	const { backend, query, caller } = call;
	const project = query.get("project") ?? undefined;
	const tag = query.get("tagName");
	const value = query.get("tagValue");
	const after = parseContinuation(query.get("continuationToken"));
	const named = query.get("organization");
	if (named !== null && named !== organization) return { stacks: [] };
	const stacks = await listStacks(backend.db, decideScope(caller), {
		...(project !== undefined && { project }),
		...(tag !== null && {
			tag: { name: tag, ...(value !== null && { value }) },
		}),
		...(after && { after }),
		limit: pageSize,
	});
	const last = stacks.length < pageSize ? undefined : stacks.at(-1);
	return {
		stacks: stacks.map((stack) => ({
			orgName: organization,
			projectName: stack.project,
			stackName: stack.name,
			...(stack.lastUpdateAt && { lastUpdate: toSeconds(stack.lastUpdateAt) }),
			...(stack.resourceCount !== null && {
				resourceCount: stack.resourceCount,
			}),
		})),
		...(last && { continuationToken: `${last.project}/${last.name}` }),
	};
}

function parseContinuation(text: string | null): StackName | undefined {
	const [project, name] = text?.split("/") ?? [];
	return project !== undefined && name !== undefined
		? { project, name }
		: undefined;
}

/** Whether the project has any stack that exists for the caller. */
export async function findProject(call: CallerCall): Promise<Reply> {
	const project = call.params.project ?? "";
	const page = { project, limit: 1 };
	const stacks = await listStacks(
		call.backend.db,
		decideScope(call.caller),
		page,
	);
	if (stacks.length > 0) return {};
	throw new Failure({
		code: "not_found",
		message: `There is no project ${project}.`,
	});
}

export function presentStack({ stack }: StackCall): Reply {
	const { active } = stack;
	return {
		orgName: organization,
		projectName: stack.project,
		stackName: stack.name,
		tags: stack.tags,
		version: stack.version,
		activeUpdate: active?.id ?? "",
		...(active && {
			currentOperation: {
				kind: active.kind,
				author: active.requestedBy,
				started: toSeconds(active.startedAt),
			},
		}),
	};
}

// As the CLI cleans project names (cleanProjectName), and as it checks stack names.
const nameShape = z.string().regex(/^[\w.-]{1,100}$/);

export const createBody = z.object({
	stackName: nameShape,
	tags: tagsBody.nullish(),
	state: stateShape.nullish(),
});

export interface NewStack {
	readonly stackName: string;
	readonly tags?: Readonly<Record<string, string>> | null;
	/** With a secrets provider of the client's choice. */
	readonly state?: SentState | null;
}

/** Throws `conflict` when it exists, `forbidden` when the caller may not make such a stack. */
export async function create(call: CallerCall, body: NewStack): Promise<Reply> {
	const { backend, caller } = call;
	const name = {
		project: call.params.project ?? "",
		name: body.stackName,
	};
	const environment = await decideEnvironment(backend.db, caller, name);
	await backend.db.transaction().execute(async (trx) => {
		await holdCallersLease(trx, caller);
		const id = await createStack(trx, {
			...name,
			environment,
			tags: body.tags ?? {},
			dataKey: sealDataKey(backend.sealKey, name),
		});
		if (!body.state) return;
		await createCheckpoint(trx, {
			stack: id,
			version: 0,
			resourceCount: body.state.deployment?.resources?.length ?? 0,
			...toKept({
				version: body.state.version,
				features: body.state.features ?? [],
				deployment: body.state.deployment ?? {},
			}),
		});
	});
	return {};
}

/** Throws `conflict` while an update runs, and `invalid_request` when it has resources and `force` is not said. */
export async function remove(call: StackCall): Promise<Reply> {
	const { backend, stack, caller } = call;
	await backend.db.transaction().execute(async (trx) => {
		await lockStack(trx, stack.id);
		await holdCallersLease(trx, caller);
		await freeStack(trx, backend, stack.id);
		const newest = await findCheckpoint(trx, stack.id);
		if (call.query.get("force") !== "true" && newest?.resourceCount) {
			throw new Failure({
				code: "invalid_request",
				// To the letter: the CLI says in its own words what to do about it.
				message: "Bad Request: Stack still contains resources.",
			});
		}
		await deleteStack(trx, stack.id);
	});
	backend.log.info(
		{ stack: stack.name, by: nameCaller(caller) },
		"a stack was removed",
	);
	return undefined;
}

export async function tag(
	{ backend, stack }: StackCall,
	tags: Record<string, string>,
): Promise<Reply> {
	await replaceTags(backend.db, stack.id, tags);
	return undefined;
}

/** Every URN in the state holds the stack's name, and an environment's stack is found by it. */
export function refuseRename(): Reply {
	throw new Failure({
		code: "invalid_request",
		message: "A stack cannot be renamed here.",
		untouched: "It keeps its name.",
		advice: "Its name is its environment's id, which never changes.",
	});
}
