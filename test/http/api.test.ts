import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { z } from "zod";
import { api } from "../../src/contract/api.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { problem } from "../../src/contract/problem.ts";
import type { EnvironmentId, RolloutId } from "../../src/domain/ids.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { rolloutOrder } from "../../src/domain/rollout.ts";
import { roles } from "../../src/domain/tenant.ts";
import { createTokenText, hashToken } from "../../src/domain/token.ts";
import { orderRollout } from "../../src/operations/order-rollout.ts";
import { placeOrder } from "../../src/operations/place-order.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { createToken, revokeToken } from "../../src/store/tokens.ts";
import { loadOrdered } from "../support/ordered.ts";
import {
	type Door,
	givenBackup,
	givenEnvironment,
	givenReadyEnvironment,
	givenUpgradedEnvironment,
	openDoor,
	type Person,
} from "./door.ts";

let door: Door;
let environment: string;
let operation: string;
let unwantedOperation: string;
let spareToken: string;
let spareEnvironment: string;
let readyEnvironment: string;
let rollout: string;
let preview: string;
let awaitingOperation: string;
let unapprovedOperation: string;
let upgradedEnvironment: string;
let sleepyEnvironment: string;
let keptEnvironment: EnvironmentId;
let keptBackup: string;
let rotatedEnvironment: string;

before(async () => {
	door = await openDoor();
	const given = await givenEnvironment(door);
	environment = given.environment.id;
	operation = given.operation.id;
	readyEnvironment = (await givenReadyEnvironment(door)).id;
	const ordered = await previewOrder(door.installation, door.operator.actor, {
		environment: await givenReadyEnvironment(door),
		order: previewedOrder.parse({ destroy: {} }),
	});
	preview = loadOrdered(ordered).options.preview ?? "";
	upgradedEnvironment = (await givenUpgradedEnvironment(door)).id;
	sleepyEnvironment = (await givenReadyEnvironment(door)).id;
	keptEnvironment = (await givenReadyEnvironment(door)).id;
	rotatedEnvironment = (await givenReadyEnvironment(door)).id;
	keptBackup = (await givenBackup(door, keptEnvironment)).id;
	awaitingOperation = await givenAwaiting();
	unapprovedOperation = await givenAwaiting();
	spareEnvironment = (await givenEnvironment(door)).environment.id;
	rollout = (
		await orderRollout(
			door.db,
			door.platformAdmin.actor,
			rolloutOrder.parse({ release: "0.6.0", selector: {} }),
		)
	).id;
	await door.db
		.updateTable("rollouts")
		.set({ state: "paused" })
		.where("id", "=", rollout as RolloutId)
		.execute();
	unwantedOperation = (await givenEnvironment(door)).operation.id;
	spareToken = (
		await createToken(door.db, {
			tenant: door.admin.actor.tenant.id,
			name: "spare",
			role: "viewer",
			hash: hashToken(createTokenText()),
			expiresAt: null,
		})
	).id;
});
after(() => door.close());

/** An operation that somebody else than the walk's operator has ordered, and nobody has approved. */
async function givenAwaiting(): Promise<string> {
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

/** Of each endpoint one request that succeeds. `id` names something of acme's. */
const examples: Record<
	string,
	() => { id?: string; name?: string; body?: unknown }
> = {
	createEnvironment: () => ({ body: { name: "walked" } }),
	listEnvironments: () => ({}),
	findEnvironment: () => ({ id: environment }),
	describeEnvironment: () => ({ id: environment, body: { description: "x" } }),
	// Before the upgrade, which moves it.
	refreshEnvironment: () => ({ id: readyEnvironment, body: { repair: true } }),
	upgradeEnvironment: () => ({ id: readyEnvironment, body: { size: "ha" } }),
	previewEnvironment: () => ({ id: readyEnvironment, body: { destroy: {} } }),
	findPreview: () => ({ id: preview }),
	rollbackEnvironment: () => ({ id: upgradedEnvironment, body: {} }),
	hibernateEnvironment: () => ({ id: sleepyEnvironment }),
	// It waits behind the order before.
	wakeEnvironment: () => ({ id: sleepyEnvironment }),
	extendEnvironment: () => ({ id: environment, body: { ttl: "2h" } }),
	backUpEnvironment: () => ({ id: readyEnvironment }),
	restoreEnvironment: () => ({
		id: keptEnvironment,
		body: { backup: keptBackup },
	}),
	listBackups: () => ({ id: keptEnvironment }),
	cloneEnvironment: () => ({ id: keptEnvironment, body: { name: "copied" } }),
	rotateSecrets: () => ({
		id: rotatedEnvironment,
		body: { which: ["MAESTRO_NOAUTH"] },
	}),
	destroyEnvironment: () => ({ id: spareEnvironment }),
	listRevisions: () => ({ id: environment }),
	listOperations: () => ({ id: environment }),
	listEnvironmentEvents: () => ({ id: environment }),
	findOperation: () => ({ id: operation }),
	cancelOperation: () => ({ id: unwantedOperation }),
	// It was cancelled by the walk, just before.
	retryOperation: () => ({ id: unwantedOperation }),
	approveOperation: () => ({ id: awaitingOperation }),
	rejectOperation: () => ({ id: unapprovedOperation }),
	listOperationEvents: () => ({ id: operation }),
	listBlueprints: () => ({}),
	listReleases: () => ({}),
	findRelease: () => ({}),
	createRelease: () => ({ body: upstreamRelease("9.9.9", "9.9.9") }),
	listTargets: () => ({}),
	listLeftovers: () => ({}),
	createRollout: () => ({ body: { release: "0.6.0", selector: {} } }),
	listRollouts: () => ({}),
	findRollout: () => ({ id: rollout }),
	resumeRollout: () => ({ id: rollout }),
	abortRollout: () => ({ id: rollout }),
	listTenants: () => ({}),
	createTenant: () => ({ body: { name: "initech" } }),
	changeTenant: () => ({
		name: "globex",
		body: { concurrentOperations: 2 },
	}),
	listTokens: () => ({}),
	createToken: () => ({ body: { name: "ci", role: "viewer" } }),
	revokeToken: () => ({ id: spareToken }),
	checkAlive: () => ({}),
	checkReady: () => ({}),
	findVersion: () => ({}),
};

function compose(endpoint: Endpoint, id?: string) {
	const example = examples[endpoint.name]?.() ?? {};
	return {
		path: endpoint.path
			.replace("{id}", id ?? example.id ?? "")
			.replace("{name}", example.name ?? "0.6.0"),
		id: example.id,
		body: example.body,
	};
}

const mayCall = ({ role }: Endpoint): Person | undefined =>
	role === null
		? undefined
		: role === "platform-admin"
			? door.platformAdmin
			: door[role];

const assertProblem = (
	answer: { status: number; headers: Headers; body: unknown },
	status: number,
) => {
	assert.equal(answer.status, status);
	assert.match(
		answer.headers.get("content-type") ?? "",
		/^application\/problem\+json/,
	);
	const parsed = problem.parse(answer.body);
	assert.equal(parsed.status, status);
	assert.equal(parsed.requestId, answer.headers.get("x-request-id"));
};

test("every declaration has an example in this walk", () => {
	assert.deepEqual(
		api.map((endpoint) => endpoint.name).sort(),
		Object.keys(examples).sort(),
	);
});

for (const endpoint of api.filter(({ role }) => role !== null)) {
	const call = (token: string | undefined, id?: string) => {
		const { path, body } = compose(endpoint, id);
		return door.call(endpoint.method, path, { token, body });
	};

	test(`${endpoint.name} refuses a caller without a token`, async () => {
		const answer = await call(undefined);
		assertProblem(answer, 401);
		assert.equal(
			answer.headers.get("www-authenticate"),
			'Bearer realm="impresario"',
		);
	});

	for (const [what, token] of [
		["garbage", () => "garbage"],
		["a token that nobody has", () => createTokenText()],
		["a revoked token", makeRevokedToken],
		["an expired token", makeExpiredToken],
	] as const) {
		test(`${endpoint.name} refuses ${what}`, async () => {
			const answer = await call(await token());
			assertProblem(answer, 401);
			assert.match(
				answer.headers.get("www-authenticate") ?? "",
				/error="invalid_token"/,
			);
		});
	}

	if (endpoint.role !== "viewer") {
		test(`${endpoint.name} refuses a role that is too low`, async () => {
			const lower = endpoint.role === "platform-admin" ? "admin" : "viewer";
			assertProblem(await call(door[lower].token), 403);
		});
	}

	if (endpoint.path.includes("{id}") && endpoint.role !== "platform-admin") {
		test(`${endpoint.name} hides what belongs to another tenant`, async () => {
			const { id = "" } = compose(endpoint);
			const missing = `${id.slice(0, -5)}00000`;
			const foreign = await call(door.stranger.token);
			const absent = await call(door.stranger.token, missing);
			assertProblem(foreign, 404);
			const normalize = (text: string) =>
				text.replaceAll(missing, id).replaceAll(/req_[0-9a-z]+/g, "req");
			assert.equal(normalize(foreign.text), normalize(absent.text));
		});

		test(`${endpoint.name} refuses a path that can name nothing`, async () => {
			const answer = await call(mayCall(endpoint)?.token, "a%00b");
			assertProblem(answer, 400);
			assert.match(answer.text, /"pointer":"\/path\/id"/);
		});
	}

	if (endpoint.body !== undefined) {
		test(`${endpoint.name} refuses a malformed body`, async () => {
			const { path } = compose(endpoint);
			const token = mayCall(endpoint)?.token;
			for (const body of [[], "text", 5, null, { nonsense: true }]) {
				const answer = await door.call(endpoint.method, path, { token, body });
				assertProblem(answer, 400);
			}
		});
	}

	test(`${endpoint.name} refuses a query that it does not know`, async () => {
		const { path, body } = compose(endpoint);
		const token = mayCall(endpoint)?.token;
		const answer = await door.call(
			endpoint.method,
			`${path}?nonsense=1&pageSize=many`,
			{ token, body },
		);
		assertProblem(answer, 400);
		assert.match(answer.text, /"pointer":"\/query\/nonsense"/);
		assert.match(answer.text, /"pointer":"\/query\/pageSize"/);
	});
}

for (const endpoint of api) {
	test(`${endpoint.name} answers as it is declared`, async () => {
		const { path, body } = compose(endpoint);
		const token = mayCall(endpoint)?.token;
		const answer = await door.call(endpoint.method, path, { token, body });
		assert.equal(answer.status, endpoint.status, answer.text);
		if (endpoint.response === null) {
			assert.equal(answer.text, "");
			return;
		}
		assert.match(
			answer.headers.get("content-type") ?? "",
			/^application\/json/,
		);
		const parsed = (endpoint.response as z.ZodType).parse(answer.body);
		assert.deepEqual(parsed, answer.body);
		if (endpoint.orders) {
			const location = `/v1/operations/${answer.body.id}`;
			assert.equal(answer.headers.get("location"), location);
			assert.equal(answer.headers.get("operation-location"), location);
			assert.equal(answer.headers.get("retry-after"), "1");
		}
	});
}

test("nothing went wrong on our side in all of this", () => {
	assert.deepEqual(
		door.log.filter((line) => line.level !== "info"),
		[],
	);
});

async function makeRevokedToken(): Promise<string> {
	const { id, text } = await makeToken(null);
	await revokeToken(door.db, id, { tenant: undefined, roles });
	return text;
}

async function makeExpiredToken(): Promise<string> {
	return (await makeToken(new Date(0))).text;
}

async function makeToken(expiresAt: Date | null) {
	const text = createTokenText();
	const { id } = await createToken(door.db, {
		tenant: door.platformAdmin.actor.tenant.id,
		name: "gone",
		role: "platform-admin",
		hash: hashToken(text),
		expiresAt,
	});
	return { id, text };
}
