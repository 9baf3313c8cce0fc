// Of each endpoint one request that succeeds, on things of acme's that are there for it.
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import type { RolloutId } from "../../src/domain/ids.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { rolloutOrder } from "../../src/domain/rollout.ts";
import { wholeScope } from "../../src/domain/scope.ts";
import type { Role } from "../../src/domain/tenant.ts";
import { createTokenText, hashToken } from "../../src/domain/token.ts";
import { publicTargets } from "../../src/domain/webhook.ts";
import { orderRollout } from "../../src/operations/order-rollout.ts";
import { placeOrder } from "../../src/operations/place-order.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { createWebhook, ping } from "../../src/operations/webhooks.ts";
import { createIdentityRule } from "../../src/store/identity-rules.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { createToken } from "../../src/store/tokens.ts";
import { loadOrdered } from "../support/ordered.ts";
import {
	type Door,
	givenBackup,
	givenEnvironment,
	givenReadyEnvironment,
	givenUpgradedEnvironment,
} from "./door.ts";

export interface Example {
	/** Names something of acme's. */
	readonly id?: string;
	/** Names what is known by its name. */
	readonly name?: string;
	/** Of the webhook that `id` names. */
	readonly delivery?: string;
	readonly code?: string;
	readonly body?: unknown;
}

/** By the names of the endpoints. In the order of the list, each leaves what the next one needs. */
export type Examples = Readonly<Record<string, Example>>;

/** An operation that somebody else than the walk's operator has ordered, and nobody has approved. */
async function givenAwaiting(door: Door): Promise<string> {
	const { actor } = door.admin;
	const { name } = actor.tenant;
	const rule = { verbs: ["destroy" as const], sizes: ["small" as const] };
	await changeTenant(door.db, name, { approvals: [rule] });
	const answer = await placeOrder(door.installation, actor, {
		environment: await givenReadyEnvironment(door),
		order: previewedOrder.parse({ destroy: {} }),
		previewId: undefined,
	});
	await changeTenant(door.db, name, { approvals: [] });
	return loadOrdered(answer).id;
}

async function givenPreview(door: Door): Promise<string> {
	const ordered = await previewOrder(door.installation, door.operator.actor, {
		environment: await givenReadyEnvironment(door),
		order: previewedOrder.parse({ destroy: {} }),
	});
	return loadOrdered(ordered).options.preview ?? "";
}

async function givenPausedRollout({ db, platformAdmin }: Door) {
	const { id } = await orderRollout(
		db,
		platformAdmin.actor,
		rolloutOrder.parse({ release: "0.6.0", selector: {} }),
	);
	await db
		.updateTable("rollouts")
		.set({ state: "paused" })
		.where("id", "=", id as RolloutId)
		.execute();
	return id;
}

async function givenSpareRule({ db, admin }: Door): Promise<string> {
	const { id } = await createIdentityRule(db, {
		issuer: "https://id.example.com",
		claims: { sub: "spare" },
		kind: "person",
		tenant: admin.actor.tenant.id,
		role: "viewer",
		scope: wholeScope,
	});
	return id;
}

async function givenWebhook({ installation, admin }: Door) {
	const { webhook } = await createWebhook(
		{ ...installation, policy: publicTargets },
		admin.actor,
		{ url: "https://hooks.example.com/", description: "", active: true },
	);
	const delivery = await ping(installation.db, webhook);
	return { id: webhook.id, delivery: delivery.id };
}

async function givenSpareToken({ db, admin }: Door): Promise<string> {
	const { id } = await createToken(db, {
		tenant: admin.actor.tenant.id,
		name: "spare",
		role: "viewer",
		hash: hashToken(createTokenText()),
		expiresAt: null,
	});
	return id;
}

export async function givenExamples(door: Door): Promise<Examples> {
	const given = await givenEnvironment(door);
	const environment = given.environment.id;
	const operation = given.operation.id;
	const readyEnvironment = (await givenReadyEnvironment(door)).id;
	const preview = await givenPreview(door);
	const upgradedEnvironment = (await givenUpgradedEnvironment(door)).id;
	const sleepyEnvironment = (await givenReadyEnvironment(door)).id;
	const keptEnvironment = (await givenReadyEnvironment(door)).id;
	const rotatedEnvironment = (await givenReadyEnvironment(door)).id;
	const keptBackup = (await givenBackup(door, keptEnvironment)).id;
	const awaitingOperation = await givenAwaiting(door);
	const unapprovedOperation = await givenAwaiting(door);
	const spareEnvironment = (await givenEnvironment(door)).environment.id;
	const rollout = await givenPausedRollout(door);
	const unwantedOperation = (await givenEnvironment(door)).operation.id;
	const spareRule = await givenSpareRule(door);
	const spareToken = await givenSpareToken(door);
	const webhook = await givenWebhook(door);
	const { id: spareWebhook } = await givenWebhook(door);
	return {
		createEnvironment: { body: { name: "walked" } },
		listEnvironments: {},
		findEnvironment: { id: environment },
		describeEnvironment: { id: environment, body: { description: "x" } },
		// Before the upgrade, which moves it.
		refreshEnvironment: { id: readyEnvironment, body: { repair: true } },
		upgradeEnvironment: { id: readyEnvironment, body: { size: "ha" } },
		previewEnvironment: { id: readyEnvironment, body: { destroy: {} } },
		findPreview: { id: preview },
		rollbackEnvironment: { id: upgradedEnvironment, body: {} },
		hibernateEnvironment: { id: sleepyEnvironment },
		// It waits behind the order before.
		wakeEnvironment: { id: sleepyEnvironment },
		extendEnvironment: { id: environment, body: { ttl: "2h" } },
		backUpEnvironment: { id: readyEnvironment },
		restoreEnvironment: {
			id: keptEnvironment,
			body: { backup: keptBackup },
		},
		listBackups: { id: keptEnvironment },
		cloneEnvironment: { id: keptEnvironment, body: { name: "copied" } },
		rotateSecrets: {
			id: rotatedEnvironment,
			body: { which: ["MAESTRO_NOAUTH"] },
		},
		destroyEnvironment: { id: spareEnvironment },
		listRevisions: { id: environment },
		listAllOperations: {},
		listOperations: { id: environment },
		listEnvironmentEvents: { id: environment },
		findOperation: { id: operation },
		cancelOperation: { id: unwantedOperation },
		// It was cancelled by the walk, just before.
		retryOperation: { id: unwantedOperation },
		approveOperation: { id: awaitingOperation },
		rejectOperation: { id: unapprovedOperation },
		listTenantEvents: {},
		listOperationEvents: { id: operation },
		listBlueprints: {},
		listReleases: {},
		findRelease: {},
		createRelease: { body: upstreamRelease("9.9.9", "9.9.9") },
		listTargets: {},
		listLeftovers: {},
		createRollout: { body: { release: "0.6.0", selector: {} } },
		listRollouts: {},
		findRollout: { id: rollout },
		resumeRollout: { id: rollout },
		abortRollout: { id: rollout },
		listTenants: {},
		createTenant: { body: { name: "initech" } },
		findTenant: { name: "globex" },
		changeTenant: {
			name: "globex",
			body: { concurrentOperations: 2 },
		},
		findUsage: { name: "acme" },
		listTokens: {},
		createToken: { body: { name: "ci", role: "viewer" } },
		revokeToken: { id: spareToken },
		listIdentityRules: {},
		createIdentityRule: {
			body: {
				issuer: "https://id.example.com",
				claims: { groups: "maestro-*" },
				tenant: "acme",
				role: "operator",
			},
		},
		deleteIdentityRule: { id: spareRule },
		readDocument: {},
		createWebhook: {
			body: { url: "https://hooks.example.com/in?key=hush-hush" },
		},
		listWebhooks: {},
		findWebhook: { id: webhook.id },
		changeWebhook: { id: webhook.id, body: { types: ["operation.*"] } },
		rotateWebhookSecret: { id: webhook.id },
		pingWebhook: { id: webhook.id },
		listDeliveries: { id: webhook.id },
		redeliver: webhook,
		deleteWebhook: { id: spareWebhook },
		listAudit: {},
		listProblems: {},
		findProblem: { code: "conflict" },
		checkAlive: {},
		checkReady: {},
		findVersion: {},
	};
}

export function composeExample(
	examples: Examples,
	endpoint: Endpoint,
	id?: string,
) {
	const example = examples[endpoint.name] ?? {};
	const { body, code, delivery } = example;
	const asked = {
		id: id ?? example.id,
		name: id ?? example.name ?? "0.6.0",
		code,
		delivery,
	};
	const names = Object.keys(endpoint.params?.shape ?? {});
	return {
		path: endpoint.path
			.replace("{id}", id ?? example.id ?? "")
			.replace("{name}", id ?? example.name ?? "0.6.0")
			.replace("{code}", example.code ?? "")
			.replace("{delivery}", example.delivery ?? ""),
		id: example.id ?? example.name,
		body,
		asked: {
			...Object.fromEntries(
				Object.entries(asked).filter(([name]) => names.includes(name)),
			),
			...(body !== undefined && { body }),
		},
	};
}

/** What asks who calls. */
export const guarded = api.flatMap((endpoint) =>
	endpoint.permission === null
		? []
		: [{ endpoint, role: leastRoles[endpoint.permission] as Role }],
);
