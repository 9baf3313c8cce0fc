// Rows → public JSON. Field by field: what is not named here is not told.
import type { listBackups } from "../contract/backups.ts";
import type { cloneEnvironment } from "../contract/clones.ts";
import type { Endpoint, Output } from "../contract/endpoint.ts";
import type { listRevisions } from "../contract/environments.ts";
import type { listEnvironmentEvents } from "../contract/events.ts";
import type { listLeftovers } from "../contract/leftovers.ts";
import type { findOperation } from "../contract/operations.ts";
import type { findRelease } from "../contract/releases.ts";
import type { listTargets } from "../contract/targets.ts";
import type { createTenant } from "../contract/tenants.ts";
import type { listTokens } from "../contract/tokens.ts";
import type { KeptBackup } from "../domain/backup.ts";
import { findDataLoss } from "../domain/data-loss.ts";
import type { Environment } from "../domain/environment.ts";
import type { Event } from "../domain/event.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";

import type { Origin } from "../domain/origin.ts";
import type { QueuePlace } from "../domain/queue.ts";
import { type BlueprintName, blueprintNames } from "../domain/spec.ts";
import type { Target } from "../domain/target.ts";
import type { Tenant, Token } from "../domain/tenant.ts";
import type { LeftoverLook } from "../operations/leftovers.ts";
import type { StoredRelease } from "../store/releases.ts";
import type { StoredRevision } from "../store/revisions.ts";

type Item<E extends Endpoint> =
	Output<E> extends { items: (infer T)[] } ? T : never;

export const presentTime = (time: Date): string => time.toISOString();
export const presentOptionalTime = (time: Date | null): string | null =>
	time?.toISOString() ?? null;

export function presentBlueprint(name: string, version: string) {
	const known = blueprintNames.find((one) => one === name);
	if (known === undefined) throw new Error(`no blueprint is named ${name}`);
	return { name: known satisfies BlueprintName, version };
}

export const presentOrigin = (
	origin: Origin,
): Output<typeof cloneEnvironment>["clonedFrom"] => ({
	environment: origin.environment,
	name: origin.name,
	revision: origin.revision,
	backup: origin.backup,
	keptSecrets: origin.keptSecrets.map(({ name, reason }) => ({ name, reason })),
	warnings: [...origin.warnings],
});

export const presentRevision = (
	environment: Environment,
	revision: StoredRevision,
): Item<typeof listRevisions> => ({
	environment: environment.id,
	number: revision.number,
	blueprint: presentBlueprint(environment.blueprint, revision.blueprintVersion),
	release: revision.release.name,
	size: revision.size,
	parameters: revision.parameters,
	power: revision.power,
	basedOn: revision.basedOn,
	createdAt: presentTime(revision.createdAt),
});

const presentOptions = ({
	secrets,
	...options
}: OperationOptions): Output<typeof findOperation>["options"] => ({
	...options,
	...(secrets && { secrets: [...secrets] }),
});

export const presentOperation = (
	operation: Operation,
	place: QueuePlace,
): Output<typeof findOperation> => ({
	id: operation.id,
	environment: operation.environment,
	kind: operation.kind,
	state: operation.state,
	phase: operation.phase,
	attempt: operation.attempt,
	revision: { from: operation.revisionFrom, to: operation.revisionTo },
	phases: [...operation.phases],
	changes: operation.changes,
	queue: place,
	requestedBy: operation.requestedBy,
	createdAt: presentTime(operation.createdAt),
	startedAt: presentOptionalTime(operation.startedAt),
	finishedAt: presentOptionalTime(operation.finishedAt),
	deadlineAt: presentOptionalTime(operation.deadlineAt),
	error: operation.error,
	retryOf: operation.retryOf,
	cancellation: operation.cancellation && {
		requestedBy: operation.cancellation.requestedBy,
		requestedAt: presentTime(operation.cancellation.requestedAt),
		forced: operation.cancellation.forced,
	},
	options: presentOptions(operation.options),
	causedBy: operation.causedBy,
	approvedBy: operation.approvedBy,
	dataLoss: findDataLoss(operation, new Date()),
	exists:
		operation.exists?.map(({ kind, count, notReady }) => ({
			kind,
			count,
			notReady: notReady.map(({ name, condition }) => ({ name, condition })),
		})) ?? null,
});

export const presentBackup = (
	backup: KeptBackup,
): Item<typeof listBackups> => ({
	id: backup.id,
	environment: backup.environment,
	operation: backup.operation,
	revision: backup.revision,
	release: backup.release,
	reason: backup.reason,
	place: backup.place,
	name: backup.name,
	bytes: backup.bytes,
	parts: backup.parts,
	oplog: backup.oplog,
	sha256: backup.sha256,
	takenAt: presentTime(backup.takenAt),
	expiresAt: presentTime(backup.expiresAt),
});

export const presentEvent = (
	event: Event,
): Item<typeof listEnvironmentEvents> => ({
	id: event.id,
	type: event.type,
	at: presentTime(event.at),
	environment: event.environment,
	operation: event.operation,
	data: { ...event.data },
});

export const presentRelease = (
	release: StoredRelease,
): Output<typeof findRelease> => ({
	name: release.name,
	images: release.images,
	createdAt: presentTime(release.createdAt),
});

export const presentTarget = (target: Target): Item<typeof listTargets> => ({
	name: target.name,
	domain: target.domain,
	ingressClass: target.ingressClass,
	storageClass: target.storageClass,
	settings: target.settings,
	isDefault: target.isDefault,
	createdAt: presentTime(target.createdAt),
});

export const presentTenant = (tenant: Tenant): Output<typeof createTenant> => ({
	id: tenant.id,
	name: tenant.name,
	settings: tenant.settings,
	approvals: [...tenant.approvals],
	createdAt: presentTime(tenant.createdAt),
});

export const presentToken = (token: Token): Item<typeof listTokens> => ({
	id: token.id,
	name: token.name,
	tenant: token.tenant,
	role: token.role,
	permissions: token.permissions && [...token.permissions],
	environments: token.environments,
	createdAt: presentTime(token.createdAt),
	lastUsedAt: presentOptionalTime(token.lastUsedAt),
	expiresAt: presentOptionalTime(token.expiresAt),
	revokedAt: presentOptionalTime(token.revokedAt),
});

export const presentLeftovers = (
	look: LeftoverLook,
): Output<typeof listLeftovers> => ({
	lookedAt: presentTime(look.lookedAt),
	targets: look.targets.map(({ name, reachable, error }) => ({
		name,
		reachable,
		error,
	})),
	items: look.items.map((item) => ({
		finding: item.finding,
		target: item.target,
		environment: item.environment,
		tenant: item.tenant,
		namespace: item.namespace,
		kind: item.kind,
		name: item.name,
		advice: item.advice,
	})),
	isCut: look.isCut,
	leftOut: [...look.leftOut],
	nextPageToken: null,
});
