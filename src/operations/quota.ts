// Lets an order through only within what its tenant may have. What it would use is found out by carrying it out: whatever it
// wrote is taken back when that is too much. The tenant's lock is held from before the first count to the end of the
// transaction, so however many orders come at once, together they stay within the limit.
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
	countOperations,
	findChoice,
	listShares,
	loadQuota,
	lockQuota,
	measureUsage,
	type Owner,
	type QuotaOf,
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
	const owner = await lockQuota(trx, order.whose);
	if (owner === undefined) return carryOut();
	const look = async () => ({
		usage: await measureUsage(trx, owner.id),
		choice: await findChoice(trx, order.environment),
	});
	return undoIfThrown(trx, async () => {
		const limits = await loadQuota(trx, owner.id);
		const before = await look();
		const answer = await carryOut();
		const after = await look();
		// Nothing came of it.
		if (after.choice === undefined) return answer;
		const forbidden = findForbidden(limits, before.choice, after.choice);
		if (forbidden !== undefined) throw refuseChoice(owner, forbidden);
		const exceeded = findExceeded(limits, before.usage, after.usage);
		if (exceeded === undefined) return answer;
		throw await refuseUsage(trx, {
			...exceeded,
			...order,
			owner,
			before: before.usage,
			after: after.usage,
		});
	});
}

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
	const owner = await lockQuota(trx, { environment });
	if (owner === undefined) return;
	const { operationsPerHour: limit } = await loadQuota(trx, owner.id);
	if (limit === null) return;
	const { used, freeAt } = await countOperations(trx, owner.id);
	if (used <= limit) return;
	throw new Failure({
		code: "quota_exceeded",
		message: `The quota of ${owner.name} allows ${limit} operations an hour (\`operationsPerHour\`), and there were ${used - 1} in the last one.`,
		untouched,
		advice:
			limit === 0 || freeAt === null
				? "Ask the platform admin to raise it."
				: `Order it again after ${freeAt.toISOString()}, or ask the platform admin to raise it. To destroy and to hibernate is always let through.`,
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
		readonly before: Usage;
		readonly after: Usage;
	},
): Promise<Failure> {
	const { measure, limit, owner, before, after } = passed;
	const { unit, way } = words[measure];
	return new Failure({
		code: "quota_exceeded",
		message: `The quota of ${owner.name} allows ${limit} ${unit} (\`${measure}\`); ${before[measure]} are used${await listUsers(trx, passed)}, and with this it would be ${after[measure]}.`,
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
