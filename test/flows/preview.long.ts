// A preview as a tenant sees it: what an order would change, worked out by the real engine and the real API server, while
// nothing changes; and an order that is bound to it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type ProcessName,
	type ReleaseImages,
	upstreamRelease,
} from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type KubernetesObject, kubectlGet } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { until } from "../support/until.ts";

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";
const smtp = {
	host: "mail.example.test",
	sender: "maestro@example.test",
	username: "maestro",
	password: "planted-password",
};
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let admin: Caller;
let tenant: Caller;
let namespace: string;

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	admin = makeCaller(url, service.adminToken);
	tenant = await givenTenant(admin, url, "acme");
	const order = await tenant.call("POST", "/v1/environments", {
		name: "qa",
		parameters: { smtp },
	});
	assert.equal((await tenant.end(String(order.body.id))).state, "succeeded");
	namespace = String((await look()).namespace);
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

const look = async () => (await tenant.call("GET", "/v1/environments/qa")).body;

const base = upstreamRelease("0.6.0", "0.15.0").images;

/** A release whose images of these processes have other tags than 0.6.0. */
async function addRelease(
	name: string,
	tags: Partial<Record<ProcessName, string>>,
): Promise<void> {
	const images: ReleaseImages = { ...base };
	for (const [process, tag] of Object.entries(tags))
		images[process as ProcessName] =
			`${base[process as ProcessName].split(":")[0]}:${tag}`;
	const { status } = await admin.call("POST", "/v1/releases", { name, images });
	assert.equal(status, 201);
}

interface Shown {
	readonly id: string;
	readonly basis: { readonly stateVersion: number };
	readonly result: {
		readonly changes: Record<string, number>;
		readonly resources: readonly {
			readonly kind: string;
			readonly name: string;
			readonly step: string;
			readonly changes: readonly { readonly path: string }[];
		}[];
		readonly processes: readonly {
			readonly name: string;
			readonly image: { readonly from: string; readonly to: string } | null;
			readonly replicas: unknown;
			readonly settings: readonly { readonly name: string }[];
			readonly downtime: boolean;
		}[];
		readonly risk: string;
		readonly reasons: readonly { readonly message: string }[];
	};
}

async function order(body: object): Promise<string> {
	const answer = await tenant.call("POST", "/v1/environments/qa:preview", body);
	assert.equal(answer.status, 202, JSON.stringify(answer.body));
	return String(answer.body.id);
}

async function find(operationId: string): Promise<Shown> {
	const operation = await tenant.end(operationId);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const { preview } = operation.options as { preview: string };
	const { status, body } = await tenant.call("GET", `/v1/previews/${preview}`);
	assert.equal(status, 200, JSON.stringify(body));
	return body as unknown as Shown;
}

const isComplete = ({ status }: KubernetesObject) =>
	(
		(status as { conditions?: { type: string; status: string }[] })
			.conditions ?? []
	).some(({ type, status }) => type === "Complete" && status === "True");

/**
 * Everything of the environment in the cluster, as far as somebody could have touched it. The cluster writes
 * into a Job until it is told complete, which is a moment after its pods succeeded.
 */
async function record(): Promise<Map<string, string>> {
	const objects = await until("the Jobs are told complete", async () => {
		const found = await kubectlGet(
			kubeconfig,
			"deployments,statefulsets,services,configmaps,secrets,jobs,persistentvolumeclaims",
			"-n",
			namespace,
		);
		return found.every((it) => it.kind !== "Job" || isComplete(it)) && found;
	});
	return new Map(
		objects.map(({ kind, metadata }) => [
			`${kind} ${metadata.name}`,
			String((metadata as { resourceVersion?: string }).resourceVersion),
		]),
	);
}

const changed = { server: "0.6.1", data: "0.6.1", scheduler: "0.6.1" } as const;

test("the preview of another release lists exactly the images that would change, and changes nothing", async () => {
	await addRelease("0.6.1", changed);
	const before = await record();
	const { lifecycle } = await look();
	const { result } = await find(await order({ upgrade: { release: "0.6.1" } }));
	assert.deepEqual(
		Object.fromEntries(
			result.processes.flatMap(({ name, image }) =>
				image === null ? [] : [[name, image]],
			),
		),
		Object.fromEntries(
			Object.entries(changed).map(([name, tag]) => {
				const from = base[name as ProcessName];
				return [name, { from, to: `${from.split(":")[0]}:${tag}` }];
			}),
		),
	);
	assert.deepEqual(await record(), before);
	assert.equal((await look()).lifecycle, lifecycle);
});

test("secrets are never in it, neither those that stay nor one that changes", async () => {
	const { id, result } = await find(
		await order({
			upgrade: {
				parameters: { smtp: { ...smtp, password: "planted-next-password" } },
			},
		}),
	);
	assert.ok(
		result.resources.some(({ kind }) => kind === "v1/Secret"),
		"the Secret would change",
	);
	const rows = await database.db.selectFrom("previews").selectAll().execute();
	const shown = JSON.stringify(
		(await tenant.call("GET", `/v1/previews/${id}`)).body,
	);
	const secrets = await kubectlGet(kubeconfig, "secrets", "-n", namespace);
	const planted = [
		smtp.password,
		"planted-next-password",
		...secrets.flatMap(({ data }) =>
			Object.values((data ?? {}) as Record<string, string>).map((value) =>
				Buffer.from(value, "base64").toString(),
			),
		),
	].filter((secret) => secret.length >= 12);
	assert.ok(planted.length > 5);
	for (const text of [shown, JSON.stringify(rows), worker.output()]) {
		for (const secret of planted) assert.ok(!text.includes(secret));
	}
});

test("a destroy is previewed while an upgrade runs, and an order that is bound to an older preview is refused", async () => {
	const old = await find(await order({ destroy: {} }));
	assert.equal(old.result.risk, "data");
	assert.ok(old.result.resources.every(({ step }) => step === "delete"));
	assert.ok(old.result.resources.length > 50);

	await addRelease("0.6.2", { client: "0.15.0-never-ready" });
	const { body } = await tenant.call("POST", "/v1/environments/qa:upgrade", {
		release: "0.6.2",
	});
	const upgrade = String(body.id);
	const findUpgrade = async () =>
		(await tenant.call("GET", `/v1/operations/${upgrade}`)).body;
	await until("the upgrade applies", async () =>
		(await findUpgrade()).phase === "applying" ? true : undefined,
	);
	const beside = await find(await order({ destroy: {} }));
	assert.equal((await findUpgrade()).state, "running");
	assert.equal(beside.basis.stateVersion, old.basis.stateVersion);

	const refused = await tenant.call(
		"DELETE",
		`/v1/environments/qa?previewId=${old.id}`,
	);
	assert.equal(refused.status, 409);
	assert.match(String(refused.body.detail), /has moved since the preview/);
	await tenant.call("POST", `/v1/operations/${upgrade}:cancel`);
	assert.equal((await tenant.end(upgrade)).state, "cancelled");
});
