// Who calls: an operator with a machine token, or the CLI of a worker's run. A run's token names its
// operation and its fence, so it dies with the worker's lease and needs no row of its own.
import {
	createHash,
	createHmac,
	hkdfSync,
	randomBytes,
	timingSafeEqual,
} from "node:crypto";
import {
	type EnvironmentId,
	isEnvironmentId,
	type OperationId,
} from "../domain/ids.ts";
import { projectName, stackName } from "../domain/names.ts";
import { describeScope, isWhole } from "../domain/scope.ts";
import { type Actor, mayActAs } from "../domain/tenant.ts";
import { hashToken, looksLikeToken } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import type { Lease } from "../store/leases.ts";
import type { StackName } from "../store/state.ts";
import {
	findBlueprint,
	findRun,
	type StackScope,
} from "../store/state-access.ts";
import { findUser, noteUse } from "../store/tokens.ts";

/** All stacks belong to it: the protocol wants an organisation in every path. */
export const organization = "impresario";

export type Caller =
	| { readonly kind: "operator"; readonly actor: Actor }
	| {
			readonly kind: "run";
			readonly lease: Lease;
			readonly environment: EnvironmentId;
			/** Of a preview: whatever would change the state is refused. */
			readonly isReader: boolean;
	  };

/** A key for run tokens, which tells nothing of the seal key. */
export const deriveRunKey = (sealKey: SealKey): Buffer =>
	Buffer.from(hkdfSync("sha256", sealKey.key, "", "run tokens", 32));

const sign = (key: Buffer, claim: string): string =>
	createHmac("sha256", key).update(claim).digest("base64url");

/** A secret: whoever has it may move the environment's stack as long as the lease lasts. */
export function createRunToken(key: Buffer, lease: Lease): string {
	const claim = `run_${lease.operation}.${lease.fence}`;
	return `${claim}.${sign(key, claim)}`;
}

function parseRunToken(key: Buffer, text: string): Lease | undefined {
	const match = /^(run_(op_[0-9a-z]+)\.(\d{1,15}))\.([\w-]{43})$/.exec(text);
	const [, claim = "", operation = "", fence, mac = ""] = match ?? [];
	const isOurs = timingSafeEqual(
		hash(sign(key, claim)),
		hash(match === null ? "" : mac),
	);
	return isOurs
		? { operation: operation as OperationId, fence: Number(fence) }
		: undefined;
}

// Equal lengths, which timingSafeEqual asks for.
const hash = (text: string) => createHash("sha256").update(text).digest();

/**
 * The caller, by an `Authorization: token …` header. Throws `unauthenticated`, and `lease_lost` when the
 * operation of a run's token has another owner or has ended.
 */
export async function loadCaller(
	db: Db,
	runKey: Buffer,
	authorization: string | undefined,
): Promise<Caller> {
	const [, text = ""] = /^token +(\S+)$/i.exec(authorization ?? "") ?? [];
	if (looksLikeToken(text)) {
		const user = await findUser(db, hashToken(text));
		if (user !== undefined) return admitOperator(db, user);
	}
	const lease = parseRunToken(runKey, text);
	if (lease === undefined) {
		throw new Failure({ code: "unauthenticated", message: "Unauthorized" });
	}
	const run = await findRun(db, lease);
	if (run === undefined) {
		throw new Failure({
			code: "lease_lost",
			message: `The operation ${lease.operation} has ended or has another owner now.`,
			untouched: "Nothing was looked at or changed.",
		});
	}
	const { environment, isReader } = run;
	return { kind: "run", lease, environment, isReader };
}

/** Throws `forbidden` for a narrowed token: a state is all of its environment, whatever is done with it. */
function admitOperator(
	db: Db,
	{ actor, isUseDue }: { readonly actor: Actor; readonly isUseDue: boolean },
): Caller {
	if (isUseDue) noteUse(db, actor.token).catch(() => {});
	if (isWhole(actor.scope)) return { kind: "operator", actor };
	throw new Failure({
		code: "forbidden",
		message: `"${actor.name}" is for ${describeScope(actor.scope)} only, which the engine's state is not a part of.`,
		untouched: "Nothing was looked at or changed.",
		advice: "Use a token without `permissions` and `environments`.",
	});
}

export const mayWrite = (caller: Caller): boolean =>
	caller.kind !== "run" || !caller.isReader;

/** A preview runs beside the operation that moves the stack, under a lease of its own. Throws `forbidden`. */
export function refuseReader(caller: Caller): void {
	if (mayWrite(caller) || caller.kind !== "run") return;
	throw new Failure({
		code: "forbidden",
		message: `The operation ${caller.lease.operation} is a preview: it may not change the state.`,
		untouched: "Nothing was changed.",
	});
}

/** Which stacks exist for the caller. A state holds secrets, so a viewer has none. */
export function decideScope(caller: Caller): StackScope {
	if (caller.kind === "run") {
		return { of: "environment", environment: caller.environment };
	}
	const { role, tenant } = caller.actor;
	if (mayActAs(role, "platform-admin")) return { of: "all" };
	return mayActAs(role, "operator")
		? { of: "tenant", tenant: tenant.id }
		: { of: "nobody" };
}

/** As it stands in histories and logs. */
export const nameCaller = (caller: Caller): string =>
	caller.kind === "run" ? caller.lease.operation : caller.actor.name;

/**
 * The environment that a new stack of this name belongs to; null for a free stack, which only a platform
 * admin may make. Throws `forbidden`.
 */
export async function decideEnvironment(
	db: Db,
	caller: Caller,
	stack: StackName,
): Promise<EnvironmentId | null> {
	const environment = await findEnvironmentOf(db, caller, stack);
	if (environment !== undefined) return environment;
	if (
		caller.kind === "operator" &&
		mayActAs(caller.actor.role, "platform-admin")
	) {
		return null;
	}
	throw new Failure({
		code: "forbidden",
		message: `There is no environment whose stack would be ${stack.project}/${stack.name}.`,
		untouched: "No stack was made.",
		advice:
			"Order an environment; its stack is made with it. Other stacks are for platform admins.",
	});
}

async function findEnvironmentOf(
	db: Db,
	caller: Caller,
	{ project, name }: StackName,
): Promise<EnvironmentId | undefined> {
	const id = name.replace("-", "_");
	if (!isEnvironmentId(id) || stackName(id) !== name) return undefined;
	const blueprint = await findBlueprint(db, decideScope(caller), id);
	return blueprint !== undefined && projectName(blueprint) === project
		? id
		: undefined;
}

/** What the client of a running update shows: random, kept as a hash. */
export function createLeaseToken(): {
	readonly token: string;
	readonly hash: Buffer;
} {
	const token = `upd_${randomBytes(32).toString("base64url")}`;
	return { token, hash: hash(token) };
}

/** From an `Authorization: update-token …` header. Throws `unauthenticated`. */
export function parseLeaseToken(authorization: string | undefined): {
	readonly token: string;
	readonly hash: Buffer;
} {
	const [, token] =
		/^update-token +(upd_[\w-]{43})$/i.exec(authorization ?? "") ?? [];
	if (token === undefined) {
		throw new Failure({
			code: "unauthenticated",
			message: "The request has no lease token of an update.",
			untouched: "Nothing of this request was kept.",
		});
	}
	return { token, hash: hash(token) };
}
