// An environment with a service of its own, whose worker is killed and replaced.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { MongoClient } from "mongodb";
import {
	type ReleaseImages,
	upstreamRelease,
} from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { openPhasePoints, type PhasePoints } from "./phase-points.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	startRole,
} from "./service.ts";

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";

/** An environment with a service of its own: whoever kills its worker disturbs nobody else. */
export interface House {
	readonly database: TestDatabase;
	readonly tenant: Caller;
	readonly points: PhasePoints;
	/** SIGKILL to the worker, `meanwhile`, and a new one. */
	replaceWorker(meanwhile: () => Promise<void>): Promise<void>;
	readonly namespace: string;
	readonly documents: MongoClient;
}

/** `t` takes it down again. */
export async function openHouse(
	t: TestContext,
	release: string,
): Promise<House> {
	// The last that was opened is the first to be closed.
	const closings: (() => unknown)[] = [];
	t.after(async () => {
		for (const close of closings) await close();
	});
	const database = await createTestDatabase();
	closings.unshift(() => database.close());
	const service = await installService({
		databaseUrl: database.url,
		kubeconfig,
	});
	closings.unshift(() => service.remove());
	const points = await openPhasePoints(database.url);
	closings.unshift(() => points.close());
	const api = await startRole("api", service.environment);
	closings.unshift(() => api.stop());
	let worker: Role = await startRole("worker", service.environment);
	closings.unshift(() => worker.stop());
	const admin = makeCaller(() => api.url, service.adminToken);
	const tenant = await givenTenant(admin, () => api.url, "kills");
	const images: ReleaseImages = {
		...upstreamRelease("0.6.0", "0.15.0").images,
		server: upstreamRelease(release, "0.15.0").images.server,
	};
	await admin.call("POST", "/v1/releases", { name: release, images });
	await succeed(tenant, "POST", "/v1/environments", {
		name: "qa",
		size: "small",
	});
	// The environment's stand-in for its database runs once a Job has needed it.
	await succeed(tenant, "POST", "/v1/environments/qa:backup");
	const { body } = await tenant.call("GET", "/v1/environments/qa");
	const namespace = String(body.namespace);
	const documents = new MongoClient(findMongodb(namespace));
	closings.unshift(() => documents.close());
	return {
		database,
		tenant,
		points,
		namespace,
		documents,
		async replaceWorker(meanwhile) {
			await worker.kill();
			await meanwhile();
			worker = await startRole("worker", service.environment);
		},
	};
}

function findMongodb(namespace: string): string {
	const sandbox = dirname(process.env.TEST_ADMIN_KUBECONFIG ?? "");
	const path = join(
		sandbox,
		"control-plane",
		"namespaces",
		namespace,
		"ports.json",
	);
	return `mongodb://127.0.0.1:${JSON.parse(readFileSync(path, "utf8")).mongodb}/`;
}

/** Orders, and returns the operation's id. */
export async function order(
	tenant: Caller,
	...call: Parameters<Caller["call"]>
) {
	const { status, body } = await tenant.call(...call);
	assert.equal(status, 202, JSON.stringify(body));
	return String(body.id);
}

/** Orders, and returns the operation that succeeded. */
export async function succeed(
	tenant: Caller,
	...call: Parameters<Caller["call"]>
) {
	const operation = await tenant.end(await order(tenant, ...call), 300_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	return operation;
}
