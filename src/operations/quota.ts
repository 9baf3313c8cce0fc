// Lets an order through only within what its tenant may have. What it would use is found out by carrying it out: whatever it
// wrote is taken back when that is too much. The tenant's lock is held from the count to the end of the transaction: who
// counts sees what all others have used, and however many orders come at once, together they stay within the limit.
import type { EnvironmentId } from "../domain/ids.ts";
import type { OperationKind } from "../domain/operation.ts";
import {
	findExceeded,
	findForbidden,
	isFree,
	type Measure,
	type Usage,
} from "../domain/quota.ts";
import { isCaller, type Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, undoIfThrown } from "../store/db.ts";
import {
	findLimited,
	listShares,
	lockQuota,
	type Owner,
	type Pace,
	type QuotaOf,
	readAccount,
	readPace,
	weigh,
} from "../store/quotas.ts";

/**
 * Carries out what may make an environment take more: in a transaction, with the environment's row locked if there is one
 * already. Throws `quota_exceeded` when it takes more than is left; then nothing was written, and the transaction can go on.
 */
export async function heedQuota<T>(
	trx: Db,
	order: {
		readonly environment: EnvironmentId;
		readonly whose: QuotaOf;
		readonly orderer: Orderer;
	},
	carryOut: () => Promise<T>,
): Promise<T> {
	const owner = await findLimited(trx, order.whose);
	if (owner === undefined) return carryOut();
	const { environment, orderer } = order;
	return undoIfThrown(trx, async () => {
		// A new one takes nothing yet, and one that is there is held by its row.
		const before =
			"tenant" in order.whose ? undefined : await weigh(trx, environment);
		const answer = await carryOut();
		await lockQuota(trx, owner.id);
		const { weight: after, ...account } = await readAccount(
			trx,
			owner.id,
			environment,
		);
		// Nothing came of it.
		if (after === undefined) return answer;
		const { limits, usage } = account;
		const forbidden = findForbidden(limits, before?.choice, after.choice);
		if (forbidden !== undefined) throw refuseChoice(owner, forbidden);
		const grown = subtract(after.own, before?.own);
		const exceeded = findExceeded(limits, grown, usage);
		if (exceeded !== undefined) {
			const used = subtract(usage, grown);
			const passed = { ...exceeded, owner, environment, orderer, used, usage };
			throw await refuseUsage(trx, passed);
		}
		// Of an order that goes another way, `heedPace` is told by `request`.
		if (before === undefined) requirePace(owner, account, orderer);
		return answer;
	});
}

const subtract = (from: Usage, what: Usage | undefined): Usage => ({
	environments: from.environments - (what?.environments ?? 0),
	activeEnvironments: from.activeEnvironments - (what?.activeEnvironments ?? 0),
	cpuMillis: from.cpuMillis - (what?.cpuMillis ?? 0),
	memoryMiB: from.memoryMiB - (what?.memoryMiB ?? 0),
});

/** The quota of who owns an environment that is there. */
export const within = (
	{ id }: { readonly id: EnvironmentId },
	orderer: Orderer,
) => ({ environment: id, whose: { environment: id }, orderer });

/**
 * In the transaction that has just written an operation. Throws `quota_exceeded` when a caller has ordered more of them
 * within an hour than the tenant may. What the service orders by itself counts, and is never refused.
 */
export async function heedPace(
	trx: Db,
	ordered: {
		readonly environment: EnvironmentId;
		readonly kind: OperationKind;
		readonly orderer: Orderer;
	},
): Promise<void> {
	const { environment, kind, orderer } = ordered;
	if (!isCaller(orderer) || isFree(kind)) return;
	const owner = await findLimited(trx, { environment });
	if (owner === undefined) return;
	await lockQuota(trx, owner.id);
	requirePace(owner, await readPace(trx, owner.id), orderer);
}

function requirePace(
	{ name }: Owner,
	{ limits, operations, operationsFreeAt }: Pace,
	orderer: Orderer,
): void {
	const limit = limits.operationsPerHour;
	if (!isCaller(orderer) || limit === null || operations <= limit) return;
	throw new Failure({
		code: "quota_exceeded",
		message: `The quota of ${name} allows ${limit} operations an hour (\`operationsPerHour\`), and there were ${operations - 1} in the last one.`,
		untouched,
		advice:
			limit === 0 || operationsFreeAt === null
				? "Ask the platform admin to raise it."
				: `Order it again after ${operationsFreeAt.toISOString()}, or ask the platform admin to raise it. To destroy and to hibernate is always let through.`,
		retryable: true,
	});
}

const untouched = "Nothing was ordered.";

const words: Readonly<
	Record<Measure, { readonly unit: string; readonly way: string }>
> = {
	environments: { unit: "environments", way: "Destroy" },
	activeEnvironments: {
		unit: "environments that are awake",
		way: "Hibernate or destroy",
	},
	cpuMillis: {
		unit: "thousandths of a CPU asked for by what is awake",
		way: "Hibernate or destroy",
	},
	memoryMiB: {
		unit: "MiB of memory asked for by what is awake",
		way: "Hibernate or destroy",
	},
};

/** How many environments are named where a quota is used up. */
const named = 10;

async function refuseUsage(
	trx: Db,
	passed: {
		readonly measure: Measure;
		readonly limit: number;
		readonly owner: Owner;
		readonly environment: EnvironmentId;
		readonly orderer: Orderer;
		readonly used: Usage;
		readonly usage: Usage;
	},
): Promise<Failure> {
	const { measure, limit, owner, used, usage } = passed;
	const { unit, way } = words[measure];
	return new Failure({
		code: "quota_exceeded",
		message: `The quota of ${owner.name} allows ${limit} ${unit} (\`${measure}\`); ${used[measure]} are used${await listUsers(trx, passed)}, and with this it would be ${usage[measure]}.`,
		untouched,
		advice: `${way} what is not needed, or ask the platform admin to raise it. GET /v1/tenants/${owner.name}/usage tells what is used by what.`,
	});
}

/** Those that the caller may see. Who reads what the service writes of it is not known, so nobody is told of others. */
async function listUsers(
	trx: Db,
	{
		measure,
		owner,
		environment,
		orderer,
	}: {
		readonly measure: Measure;
		readonly owner: Owner;
		readonly environment: EnvironmentId;
		readonly orderer: Orderer;
	},
): Promise<string> {
	if (!isCaller(orderer)) return "";
	const users = await listShares(trx, owner.id, {
		by: measure,
		limit: named + 2,
		pattern: orderer.scope.environments,
	});
	const others = users.filter(({ id }) => id !== environment);
	if (others.length === 0) return "";
	const names = others.slice(0, named).map(({ name }) => name);
	return ` (${names.join(", ")}${others.length > named ? " and others" : ""})`;
}

const refuseChoice = (
	{ name }: Owner,
	forbidden: NonNullable<ReturnType<typeof findForbidden>>,
): Failure => {
	const { what, value, allowed } = forbidden;
	return new Failure({
		code: "quota_exceeded",
		message: `The quota of ${name} allows no ${what} "${value}": ${allowed.join(", ")}.`,
		untouched,
		advice: `Choose ${allowed.length === 1 ? "that" : "one of those"}, or ask the platform admin to allow it.`,
	});
};
