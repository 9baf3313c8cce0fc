// What is missing or wrong at the start is said in one line that tells what to do, at once and without a
// stack trace.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { ensureSealCheck } from "../../src/operations/seal-check.ts";
import { parseSealKey } from "../../src/seal.ts";
import { refused } from "../support/answers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const root = resolve(import.meta.dirname, "../..");
let dir: string;
let database: TestDatabase;
before(async () => {
	dir = mkdtempSync(join(tmpdir(), "impresario-wrong-"));
	database = await createTestDatabase();
	const key = randomBytes(32).toString("hex");
	writeFileSync(join(dir, "seal-key"), key, { mode: 0o600 });
	await ensureSealCheck({ db: database.db, sealKey: parseSealKey(key) });
});
after(async () => {
	await database.close();
	rmSync(dir, { recursive: true, force: true });
});

async function start(role: string, environment: Record<string, string>) {
	const child = spawn(process.execPath, ["src/main.ts", role], {
		cwd: root,
		env: {
			...process.env,
			NODE_TEST_CONTEXT: "",
			DATA_DIR: dir,
			PORT: "0",
			...environment,
		},
		stdio: ["ignore", "pipe", "pipe"],
		timeout: 60_000,
	});
	let output = "";
	child.stdout.on("data", (chunk) => {
		output += chunk;
	});
	child.stderr.on("data", (chunk) => {
		output += chunk;
	});
	const [code] = await once(child, "close");
	return { code, output };
}

function file(name: string, text: string): string {
	const path = join(dir, name);
	writeFileSync(path, text);
	return path;
}

const unreachableCluster = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: "planted-token"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;

const cases: Record<
	string,
	{
		role: string;
		environment: () => Record<string, string>;
		says: RegExp;
		does: RegExp;
	}
> = {
	"no database named": {
		role: "api",
		environment: () => ({ DATABASE_URL: "" }),
		says: /DATABASE_URL is not set/,
		does: /npm start/,
	},
	"a database that is not there": {
		role: "serve",
		environment: () => ({ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" }),
		says: /127\.0\.0\.1:1 cannot be used/,
		does: /DATABASE_URL/,
	},
	"a database without its schema": {
		role: "worker",
		environment: () => ({
			DATABASE_URL: database.url.replace(/[^/]+$/, "postgres"),
		}),
		says: /lacks \d+ of the \d+ migrations/,
		does: /migrate/,
	},
	"several wrong variables": {
		role: "serve",
		environment: () => ({
			PORT: "abc",
			WORKER_CHILDREN: "0",
			QUEUE_URL: "amqp://x",
			LOG_LEVEL: "loud",
		}),
		says: /PORT must be .*WORKER_CHILDREN must be .*|QUEUE_URL must be/,
		does: /Correct the variables/,
	},
	"a domain that is no host name": {
		role: "api",
		environment: () => ({ TARGET_DOMAIN: "apps_example" }),
		says: /TARGET_DOMAIN must be a domain name/,
		does: /Correct the variables/,
	},
	"no toolchain": {
		role: "worker",
		environment: () => ({
			DATABASE_URL: database.url,
			TOOLCHAIN_DIR: join(dir, "nothing"),
		}),
		says: /toolchain is not there/,
		does: /toolchain\/build\.mjs/,
	},
	"a toolchain that is half built": {
		role: "worker",
		environment: () => ({
			DATABASE_URL: database.url,
			TOOLCHAIN_DIR: resolve(
				file("tools.json", JSON.stringify({ pulumi: "/nonexistent/pulumi" })),
				"..",
			),
		}),
		says: /pulumi is not there/,
		does: /toolchain\/build\.mjs/,
	},
	"a kubeconfig that is not there": {
		role: "serve",
		environment: () => ({
			DATABASE_URL: database.url,
			TARGET_KUBECONFIG: join(dir, "none"),
		}),
		says: /cannot be read/,
		does: /TARGET_KUBECONFIG/,
	},
	"a kubeconfig that is none": {
		role: "serve",
		environment: () => ({
			DATABASE_URL: database.url,
			TARGET_KUBECONFIG: file("garbage", "}{"),
		}),
		says: /kubeconfig/,
		does: /again/,
	},
	"a cluster that does not answer": {
		role: "serve",
		environment: () => ({
			DATABASE_URL: database.url,
			TARGET_KUBECONFIG: file("unreachable", unreachableCluster),
		}),
		says: /127\.0\.0\.1:1 .*refuses the connection/,
		does: /reached/,
	},
	"a seal key of the wrong length": {
		role: "api",
		environment: () => ({ DATABASE_URL: database.url, SEAL_KEY: "short" }),
		says: /32 bytes/,
		does: /openssl rand/,
	},
	"a role that does not exist": {
		role: "conductor",
		environment: () => ({}),
		says: /no role "conductor"/,
		does: /serve/,
	},
};

for (const [what, { role, environment, says, does }] of Object.entries(cases)) {
	test(`${what} is said, with what to do`, async () => {
		const { code, output } = await start(role, environment());
		assert.equal(code, 1, output);
		assert.match(output, says);
		assert.match(output, does);
		assert.doesNotMatch(output, /^\s+at /m, "no stack trace");
		assert.doesNotMatch(output, /planted-token/);
		assert.ok(output.trim().split("\n").length <= 2, output);
	});
}

test("an API whose database is away starts, says so and answers 503 until it is back", async () => {
	const { makeCaller, startRole } = await import("../support/service.ts");
	const role = await startRole("api", {
		DATA_DIR: dir,
		PORT: "0",
		DATABASE_URL: "postgres://nobody@127.0.0.1:1/none",
		LOG_LEVEL: "warn",
	});
	try {
		const { client } = makeCaller(() => role.url, `imp_${"x".repeat(43)}`);
		assert.equal((await client.checkAlive()).status, "alive");
		const ready = await refused(client.checkReady());
		assert.equal(ready.status, 503);
		assert.match(JSON.stringify(ready.document), /database/);
		const list = await refused(client.listEnvironments());
		assert.equal(list.status, 503);
		assert.ok(list.headers.get("retry-after"));
	} finally {
		await role.stop();
	}
});
