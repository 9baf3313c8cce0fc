// What most tests stand on: a tenant, a target, a release, someone who calls, an ordered environment.
import { randomBytes } from "node:crypto";
import { builtInReleases } from "../../src/domain/release.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor, Role } from "../../src/domain/tenant.ts";
import { createTokenText, hashToken } from "../../src/domain/token.ts";
import { createLog, type Log } from "../../src/log.ts";
import {
	createEnvironment,
	type Ordered,
} from "../../src/operations/create.ts";
import type { VerbContext } from "../../src/operations/request.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { parseSealKey } from "../../src/seal.ts";
import type { Db } from "../../src/store/db.ts";
import { ensureReleases } from "../../src/store/releases.ts";
import { createTenant, findTenant } from "../../src/store/tenants.ts";
import { createToken, findActor } from "../../src/store/tokens.ts";

export const silentLog: Log = createLog("silent", "test");
export const testSealKey = parseSealKey(randomBytes(32).toString("hex"));

export interface Installation extends VerbContext {
	/** Ids that were put on the queue. */
	readonly sent: string[];
}

/** A migrated database with the default target and the built-in releases; messages go nowhere. */
export async function givenInstallation(db: Db): Promise<Installation> {
	await ensureReleases(db, builtInReleases);
	await registerTarget(
		{ db, sealKey: testSealKey },
		{
			name: "sandbox",
			kubeconfig: "apiVersion: v1\nkind: Config\n",
			clusterIdentifier: "test-cluster",
			domain: "maestro.localhost",
			ingressClass: null,
			storageClass: null,
		},
	);
	const sent: string[] = [];
	return {
		db,
		sealKey: testSealKey,
		sent,
		sender: {
			async enqueue(id) {
				sent.push(id);
			},
		},
	};
}

/** Someone of the tenant, which is made if need be; with the text of his token. */
export async function givenActor(
	db: Db,
	tenantName: string,
	role: Role = "operator",
): Promise<{ actor: Actor; token: string }> {
	const tenant =
		(await findTenant(db, tenantName)) ?? (await createTenant(db, tenantName));
	const token = createTokenText();
	await createToken(db, {
		tenant: tenant.id,
		name: `${tenantName} ${role}`,
		role,
		hash: hashToken(token),
		expiresAt: null,
	});
	const actor = await findActor(db, hashToken(token));
	if (actor === undefined) throw new Error("the token does not work");
	return { actor, token };
}

export async function givenOrder(
	context: VerbContext,
	actor: Actor,
	name: string,
): Promise<Ordered> {
	return createEnvironment(context, actor, environmentSpec.parse({ name }));
}
