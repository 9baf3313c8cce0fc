// Orders an environment that repeats another: its content, and if that is wished for the data of one of its backups. All
// secrets are fresh but those without which these data could not be read.
import type { KeptBackup } from "../domain/backup.ts";
import {
	dataWarnings,
	keptWithData,
	refuseClone,
	refuseSharing,
	rotatedWarning,
} from "../domain/clone.ts";
import type { Environment } from "../domain/environment.ts";
import { planExpiry, writeDuration } from "../domain/expiry.ts";
import {
	createEnvironmentId,
	createOperationId,
	createSuffix,
} from "../domain/ids.ts";
import { namespaceName, namespaceSuffixLength } from "../domain/names.ts";
import type { Origin } from "../domain/origin.ts";
import { knowsPower } from "../domain/power.ts";
import type { Secrets } from "../domain/secret.ts";
import type { BlueprintName, CloneOrder } from "../domain/spec.ts";
import type { Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { findBackup, listBackups } from "../store/backups.ts";
import { type Db, transact } from "../store/db.ts";
import {
	loadEnvironmentTarget,
	loadEnvironmentTenant,
	lockEnvironment,
} from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { loadSurroundings } from "../store/expiries.ts";
import { loadRevision, type StoredRevision } from "../store/revisions.ts";
import { wasRotatedSince } from "../store/secrets.ts";
import { loadTargetAccess } from "../store/targets.ts";
import { type Ordered, orderWithin, refuseTtl } from "./create.ts";
import { loadParameters, sealParameters } from "./parameters.ts";
import { nudge, type VerbContext } from "./request.ts";
import { openSecrets, sealNewSecrets } from "./secrets.ts";

/** The operation that creates the copy, and what that is made of. */
export interface Cloned extends Ordered {
	readonly clonedFrom: Origin;
}

/**
 * Throws `conflict` when the state of the environment or where its backups are forbids it, or the name is taken, and
 * `invalid_request` when there is no such backup, and `quota_exceeded` when the tenant may not have one more of it.
 */
export async function cloneEnvironment(
	context: VerbContext,
	actor: Orderer,
	wish: {
		readonly environment: Pick<Environment, "id">;
		readonly order: CloneOrder;
	},
): Promise<Cloned> {
	const cloned = await transact(context.db, async (trx) => {
		const inside = { ...context, db: trx };
		const source = await lockEnvironment(trx, wish.environment.id);
		const reason = refuseClone(source);
		if (reason !== undefined || source.revision === null)
			throw refuse(reason ?? "Nothing is known to work.", wait);
		const backup = await findWantedBackup(trx, source, wish.order.data);
		const revision = await loadRevision(
			trx,
			source.id,
			// What ran when it was taken is what its data fit.
			backup?.revision ?? source.revision,
		);
		if (backup !== undefined) await refuseUnreachable(trx, backup, revision);
		return writeOrder(inside, actor, {
			source,
			revision,
			backup,
			order: wish.order,
		});
	});
	nudge(context, cloned);
	return cloned;
}

/** Undefined: the copy is to begin empty. */
async function findWantedBackup(
	trx: Db,
	{ id, name }: Environment,
	data: CloneOrder["data"],
): Promise<KeptBackup | undefined> {
	if (data === "none") return undefined;
	if (data === "latest") {
		const [latest] = await listBackups(trx, id, { limit: 1 });
		if (latest !== undefined) return latest;
		throw refuse(
			`There is no backup of ${name} that an operation made and that is still there.`,
			`Make one with POST /v1/environments/${id}:backup, or order the copy with "data": "none".`,
		);
	}
	const tenant = await loadEnvironmentTenant(trx, id);
	const backup = await findBackup(trx, data, tenant);
	if (backup?.environment === id) return backup;
	throw new Failure({
		code: "invalid_request",
		message: `/data names no backup of ${name} that is there: ${data}.`,
		untouched,
		advice: `GET /v1/environments/${id}/backups lists those that are.`,
		errors: [{ pointer: "/data", message: "names no backup of it" }],
	});
}

/** A pod mounts no claim of another namespace; from a bucket AWS copies into another one. */
async function refuseUnreachable(
	trx: Db,
	{ id, place, environment }: KeptBackup,
	{ blueprintVersion }: StoredRevision,
): Promise<void> {
	const target = await loadEnvironmentTarget(trx, environment);
	const { aws } = await loadTargetAccess(trx, target);
	if (place === "claim" || aws === null) {
		throw refuse(
			place === "claim"
				? `The backup ${id} lies in a claim in the namespace of its environment, and no other namespace can mount it. Only on a target with AWS, where backups lie in buckets, can a copy have data.`
				: `The backup ${id} lies in a bucket, and the target has no access to AWS any more.`,
			'Order the copy with "data": "none".',
		);
	}
	if (!knowsPower(blueprintVersion)) {
		throw refuse(
			`The backup ${id} is of the blueprint version ${blueprintVersion}, which cannot be started without the processes that write to the databases.`,
			"Upgrade the environment, back it up, and make the copy of that backup.",
		);
	}
}

async function writeOrder(
	context: VerbContext,
	actor: Orderer,
	{
		source,
		revision,
		backup,
		order: { name, ttl },
	}: {
		readonly source: Environment;
		readonly revision: StoredRevision;
		readonly backup: KeptBackup | undefined;
		readonly order: Pick<CloneOrder, "name" | "ttl">;
	},
): Promise<Cloned> {
	const { db, sealKey } = context;
	const { settings } = await loadSurroundings(db, source.id);
	refuseTtl(ttl, settings);
	const parameters = await loadParameters(context, source.id, revision);
	const shared = refuseSharing(parameters);
	if (shared !== undefined)
		throw refuse(
			shared,
			"Order an environment with stores of its own, or with other external ones.",
		);
	const hasData = backup !== undefined;
	const rotated = hasData ? await listRotated(db, backup) : [];
	const clonedFrom: Origin = {
		environment: source.id,
		name: source.name,
		revision: revision.number,
		backup: backup?.id ?? null,
		keptSecrets: hasData ? keptWithData : [],
		warnings: [
			...(hasData ? dataWarnings : []),
			...(rotated.length > 0 ? [rotatedWarning(rotated)] : []),
		],
	};
	const id = createEnvironmentId();
	const { shown, sealed } = sealParameters(sealKey, {
		environment: id,
		number: 1,
		parameters,
	});
	const kept = pickKept(clonedFrom, await openSecrets(context, source.id));
	const ordered = await orderWithin(db, actor, {
		id,
		tenant: await loadEnvironmentTenant(db, source.id),
		target: source.target,
		name,
		blueprint: source.blueprint as BlueprintName,
		blueprintVersion: revision.blueprintVersion,
		release: revision.release.name,
		size: revision.size,
		parameters: shown,
		description: source.description,
		labels: source.labels,
		namespace: namespaceName(
			source.tenant,
			name,
			createSuffix(namespaceSuffixLength),
		),
		secrets: new Map([...sealNewSecrets(sealKey, id, kept), ...sealed]),
		// When the other sleeps is for whoever uses it to know.
		schedule: null,
		onDrift: source.onDrift,
		expiry: planExpiry(
			{
				ttl,
				onExpiry: source.onExpiry,
				failureTtl:
					source.failureTtlSeconds === null
						? null
						: writeDuration(source.failureTtlSeconds),
			},
			settings,
		),
		operation: createOperationId(),
		requestedBy: actor.name,
		clonedFrom,
		...(hasData && { options: { fromBackup: backup.id } }),
	});
	if (ordered === undefined) {
		throw new Error(`the release or the target of ${source.id} is gone`);
	}
	const { operation, place } = ordered;
	await appendEvents(db, { environment: id, operation: operation.id }, [
		{ type: "environment.cloned", data: clonedFrom },
	]);
	return { ...operation, place, clonedFrom };
}

/** The secrets that its data need and that are other ones by now. */
async function listRotated(
	db: Db,
	{ environment, takenAt }: KeptBackup,
): Promise<string[]> {
	const rotated: string[] = [];
	for (const { name } of keptWithData)
		if (await wasRotatedSince(db, { environment, name }, takenAt))
			rotated.push(name);
	return rotated;
}

const pickKept = ({ keptSecrets }: Origin, secrets: Secrets) =>
	Object.fromEntries(
		keptSecrets.map(({ name }) => [name, secrets[name]]),
	) as Partial<Secrets>;

const untouched = "Nothing was ordered.";
const wait = "Wait for the end of what goes on, or order a new environment.";

const refuse = (message: string, advice: string): Failure =>
	new Failure({ code: "conflict", message, untouched, advice });
