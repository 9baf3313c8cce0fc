import { z } from "zod";
import { backupPlaces, backupReasons } from "../domain/backup.ts";
import { previewReference, restoreOrder } from "../domain/spec.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { operation } from "./operations.ts";
import { pageOf, pageQuery } from "./page.ts";

const time = z.iso.datetime();

export const backup = z.strictObject({
	id: z.string(),
	environment: z.string(),
	/** The one that made it. */
	operation: z.string(),
	/** With the release: what ran when it was taken. */
	revision: z.int(),
	release: z.string(),
	reason: z.enum(backupReasons),
	/** A claim goes with the environment's namespace. */
	place: z.enum(backupPlaces),
	/** Names it in the claim or the bucket. */
	name: z.string(),
	bytes: z.int().min(0),
	parts: z.int().min(0),
	/** Whether it is of one moment. Without MongoDB's oplog each collection is of its own. */
	oplog: z.boolean(),
	/** Of its manifest, which holds the SHA-256 of each part. */
	sha256: z.string(),
	takenAt: time,
	/** After that it may be deleted, and is not listed any more. Follows `backups.retentionDays` of what runs. */
	expiresAt: time,
});

export const backUpEnvironment = {
	name: "backUpEnvironment",
	summary:
		"Back up the databases of an environment, which goes on running. It is kept with the others, for as long as `backups.retentionDays` says.",
	method: "POST",
	path: "/v1/environments/{id}:backup",
	permission: "environments:backup",
	ifMatch: "taken",
	params: byId,
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const restoreEnvironment = {
	name: "restoreEnvironment",
	summary:
		"Put a backup in place of what the databases of its environment hold. It is checked while everything runs; then what writes is stopped, the backup restored, and everything started again. What was written since the backup is lost, but for the backup that is made first.",
	method: "POST",
	path: "/v1/environments/{id}:restore",
	permission: "environments:restore",
	ifMatch: "taken",
	params: byId,
	body: restoreOrder.extend({ previewId: previewReference.optional() }),
	status: 202,
	response: operation,
	orders: true,
	examples: [
		{
			summary: "A backup in place of the data, after one of these",
			body: { backup: "bak_0123456789abcdefghjk" },
		},
	],
} as const satisfies Endpoint;

export const listBackups = {
	name: "listBackups",
	summary:
		"List the backups of an environment that operations made and that are there, newest first.",
	method: "GET",
	path: "/v1/environments/{id}/backups",
	permission: "environments:read",
	params: byId,
	query: pageQuery,
	status: 200,
	response: pageOf(backup),
} as const satisfies Endpoint;
