// A whole service whose database and cluster are reached on ways that a test can close.
import type { TestContext } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

export interface Given {
	readonly service: Service;
	readonly api: Role;
	readonly tenant: Caller;
	/** The way to the database. */
	readonly toDatabase: TcpProxy;
	startWorker(environment?: Readonly<Record<string, string>>): Promise<Role>;
}

/** All of it is stopped when the test ends. */
export async function givenService(
	t: TestContext,
	options: { readonly kubeconfig?: string; readonly queueUrl?: string } = {},
): Promise<Given> {
	const database = await createTestDatabase();
	t.after(() => database.close());
	const url = new URL(database.url);
	const toDatabase = await startTcpProxy(Number(url.port));
	t.after(() => toDatabase.close());
	url.port = String(toDatabase.port);
	const service = await installService({
		databaseUrl: url.href,
		kubeconfig: options.kubeconfig ?? process.env.TEST_KUBECONFIG ?? "",
		...(options.queueUrl !== undefined && { queueUrl: options.queueUrl }),
	});
	t.after(() => service.remove());
	const start = async (role: string, environment = {}) => {
		const started = await startRole(role, {
			...service.environment,
			...environment,
		});
		t.after(() => started.stop());
		return started;
	};
	const api = await start("api");
	const findUrl = () => api.url;
	return {
		service,
		api,
		tenant: await givenTenant(
			makeCaller(findUrl, service.adminToken),
			findUrl,
			"acme",
		),
		toDatabase,
		startWorker: (environment) => start("worker", environment),
	};
}

/** Orders an environment and returns its operation's id. Throws unless it was taken. */
export async function order(tenant: Caller, name: string): Promise<string> {
	const { status, body } = await tenant.call("POST", "/v1/environments", {
		name,
	});
	if (status !== 202) throw new Error(`no 202: ${JSON.stringify(body)}`);
	return String(body.id);
}

/** Fulfils as soon as the engine has made something for this operation. */
export async function untilApplying(tenant: Caller, id: string): Promise<void> {
	await until(
		"the engine has begun to create",
		async () => {
			const { body } = await tenant.call("GET", `/v1/operations/${id}/events`);
			return (body.items as { type: string }[]).some(
				({ type }) => type === "resource.created",
			);
		},
		{ everyMs: 10, timeoutMs: 60_000 },
	);
}
