// Environments with backups, by a scripted cluster.
import assert from "node:assert/strict";
import type { KeptBackup } from "../../src/domain/backup.ts";
import type { Environment } from "../../src/domain/environment.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { backUpEnvironment } from "../../src/operations/backup.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { restoreEnvironment } from "../../src/operations/restore.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { findBackupBy, listBackups } from "../../src/store/backups.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "./attempt.ts";
import { makeScriptedWorld, type Script } from "./engine.ts";
import type { Installation } from "./given.ts";
import { loadOrdered } from "./ordered.ts";

/** What a tenant does with environments and their backups. */
export function makeKeeper(installation: Installation, actor: Actor) {
	const { db } = installation;
	let count = 0;
	const keeper = {
		load: (id: Environment["id"]) => loadEnvironment(db, id),
		async find(id: OperationId) {
			const operation = await findOperation(db, id, undefined);
			assert.ok(operation);
			return operation;
		},
		/** One attempt; the calls of the engine and the cluster. */
		async work(id: OperationId, script: Script = {}) {
			const world = makeScriptedWorld(script);
			await attempt(installation, world, id);
			return world;
		},
		/** One that is ready, at revision 1. */
		async givenReady(spec: object = {}): Promise<Environment> {
			const name = `${actor.tenant.name}-${count++}`;
			const create = await createEnvironment(
				installation,
				actor,
				environmentSpec.parse({ name, ...spec }),
			);
			await keeper.work(create.id);
			return keeper.load(create.environment);
		},
		backUp: (environment: Environment) =>
			backUpEnvironment(installation, actor, environment),
		upgrade: async (
			environment: Environment,
			backup: "required" | "skip" = "required",
			change: object = { parameters: { theme: "dark" } },
		) =>
			loadOrdered(
				await upgradeEnvironment(installation, actor, {
					environment,
					change,
					options: { backup },
				}),
			),
		restore: (
			environment: Environment,
			backup: Pick<KeptBackup, "id">,
			options: { backupFirst?: "skip"; allowOtherVersion?: true } = {},
		) =>
			restoreEnvironment(installation, actor, {
				environment,
				order: {
					backup: backup.id,
					backupFirst: "required",
					allowOtherVersion: false,
					...options,
				},
			}),
		/** A ready environment and a backup of it. */
		async givenBackup(spec: object = {}) {
			const environment = await keeper.givenReady(spec);
			const { id } = await keeper.backUp(environment);
			await keeper.work(id);
			const backup = await findBackupBy(db, id);
			assert.ok(backup);
			return { environment, backup };
		},
		list: (environment: Environment) =>
			listBackups(db, environment.id, { limit: 100 }),
		async listEventTypes(id: OperationId) {
			const { environment } = await keeper.find(id);
			const events = await listEvents(
				db,
				{ environment, operation: id },
				{ after: 0, limit: 200 },
			);
			return events.map(({ type }) => type);
		},
	};
	return keeper;
}
