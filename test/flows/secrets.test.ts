// No secret of an environment, of a target or of a caller is to be found where it does not belong: logs of
// all processes, events and all plain columns, the queue, the engine's files, the arguments of processes.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectlGet } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

let database: TestDatabase;
let service: Service;
let role: Role;
let tenant: Caller;
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", {
		...service.environment,
		LOG_LEVEL: "trace",
	});
	tenant = await givenTenant(
		makeCaller(() => role.url, service.adminToken),
		() => role.url,
		"acme",
	);
});
after(async () => {
	await role?.stop();
	service?.remove();
	await database?.close();
});

/** The values of the environment's Kubernetes Secrets: where they do belong. */
async function listSecretValues(namespace: string): Promise<string[]> {
	const objects = await kubectlGet(
		process.env.TEST_ADMIN_KUBECONFIG ?? "",
		"secrets",
		"-n",
		namespace,
	);
	const values = objects.flatMap((object) =>
		Object.values((object.data ?? {}) as Record<string, string>).map((value) =>
			Buffer.from(value, "base64").toString(),
		),
	);
	// A URI carries a password in its middle.
	return values
		.flatMap((value) => [value, ...(value.match(/[0-9a-f]{64}/g) ?? [])])
		.filter((value) => value.length >= 32);
}

/** What the kubeconfig authenticates with. */
function listCredentials(): string[] {
	const text = readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8");
	return [
		...text.matchAll(/client-key-data"?:\s*"?([A-Za-z0-9+/=]{64,})/g),
	].map((match) => match[1] ?? "");
}

async function readAllColumns(): Promise<string> {
	const client = new pg.Client({ connectionString: database.url });
	await client.connect();
	const { rows: tables } = await client.query<{ name: string }>(
		"select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
	);
	const texts: string[] = [];
	for (const { name } of tables) {
		const { rows } = await client.query(`select t::text as row from ${name} t`);
		texts.push(...rows.map((row) => row.row));
	}
	await client.end();
	return texts.join("\n");
}

function readAllFiles(folder: string): string {
	return (
		readdirSync(folder, { recursive: true })
			.map((name) => join(folder, String(name)))
			// The sealing key and the admin's token are files of mode 0600 by design; they are not environment secrets.
			.filter(
				(path) => statSync(path).isFile() && !/(seal-key|token)$/.test(path),
			)
			.map((path) => readFileSync(path, "latin1"))
			.join("\n")
	);
}

test("a create and a destroy leave no secret in logs, rows, queue, events, files or arguments", async () => {
	const order = await tenant.call("POST", "/v1/environments", {
		name: "discreet",
	});
	const id = String(order.body.id);
	const argumentLists: string[] = [];
	let over = false;
	const watching = (async () => {
		while (!over) {
			argumentLists.push(
				execFileSync("ps", ["-eo", "args="], {
					encoding: "utf8",
					maxBuffer: 2 ** 24,
				}),
			);
			await delay(100);
		}
	})();
	const operation = await tenant.end(id);
	over = true;
	await watching;
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const { body: environment } = await tenant.call(
		"GET",
		"/v1/environments/discreet",
	);

	const planted = [
		...(await listSecretValues(String(environment.namespace))),
		...listCredentials(),
		service.adminToken,
		tenant.token,
	];
	assert.ok(listCredentials().length > 0, "the kubeconfig has a key");
	assert.ok(planted.length > 15, `${planted.length} secrets are looked for`);
	const places = {
		logs: role.output(),
		rows: await readAllColumns(),
		events: JSON.stringify(await tenant.follow(id)),
		environment: JSON.stringify(environment),
		files: readAllFiles(service.dataDir),
		arguments: argumentLists.join("\n"),
	};
	assert.ok(places.arguments.includes("pulumi"), "the CLI was seen running");
	for (const [place, text] of Object.entries(places)) {
		assert.ok(text.length > 100, `${place} was read`);
		for (const secret of planted.flatMap((value) => [
			value,
			// As PostgreSQL shows a bytea.
			Buffer.from(value).toString("hex"),
		])) {
			assert.ok(
				!text.includes(secret),
				`a secret of ${secret.length} characters is in the ${place}`,
			);
		}
	}
});
