// Schemathesis judges the running API by its own document, with a token of each role: npm run judge:api. The API and its
// PostgreSQL are real and of its own; nobody works on what it orders.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { platformTenant, roles } from "../../src/domain/tenant.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { startPostgres } from "../../src/sandbox/postgres.ts";
import { parseSealKey } from "../../src/seal.ts";
import { openTestDatabase } from "../support/database.ts";
import { givenActor } from "../support/given.ts";
import { startRole } from "../support/service.ts";
import { countAnswers } from "./answers.ts";

const { values } = parseArgs({
	options: {
		/** Cases that are made up for each endpoint and role, beside those that follow from the document. */
		examples: { type: "string", default: "60" },
		seed: { type: "string", default: "1" },
		role: { type: "string" },
		phases: { type: "string", default: "examples,coverage,fuzzing,stateful" },
	},
});

const bin = process.env.SCHEMATHESIS_BIN;
if (bin === undefined)
	throw new Error("SCHEMATHESIS_BIN is not set. Run `npm run judge:api`.");

const dir = mkdtempSync(join(tmpdir(), "impresario-judge-"));
const sealKey = "5e".repeat(32);
const postgres = await startPostgres({
	dataDir: join(dir, "postgres"),
	throwAway: true,
});
const environment = {
	DATA_DIR: join(dir, "data"),
	DATABASE_URL: postgres.url,
	SEAL_KEY: sealKey,
	PORT: "0",
	LOG_LEVEL: "warn",
	RATE_LIMIT_TOKEN: "0",
	RATE_LIMIT_TENANT: "0",
	RATE_LIMIT_FAILURES: "0",
};
const migration = await startRole("migrate", environment);
await migration.stop();
const database = openTestDatabase(postgres.url);
await registerTarget(
	{ db: database.db, sealKey: parseSealKey(sealKey) },
	{
		name: "sandbox",
		kubeconfig: "apiVersion: v1\nkind: Config\n",
		clusterIdentifier: "judge",
		domain: "maestro.localhost",
		ingressClass: null,
		storageClass: null,
	},
);
const api = await startRole("api", environment);

let wrong = 0;
try {
	for (const role of roles.filter((one) => (values.role ?? one) === one)) {
		const tenant = role === "platform-admin" ? platformTenant : "acme";
		const { token } = await givenActor(database.db, tenant, role);
		process.stdout.write(`\n==== ${role} ====\n`);
		if ((await judge(token)) !== 0) wrong++;
		process.stdout.write(`${await countAnswers(api.url)}\n`);
	}
	const complaints = api
		.output()
		.split("\n")
		.filter((line) => line.includes('"level":50'));
	process.stdout.write(
		`mistakes of our own in the log: ${complaints.length}\n${complaints.slice(0, 5).join("\n")}\n`,
	);
	if (complaints.length > 0) wrong++;
} finally {
	await api.stop();
	await database.close();
	await postgres.stop();
	rmSync(dir, { recursive: true, force: true });
}
process.exitCode = wrong === 0 ? 0 : 1;

async function judge(token: string): Promise<number> {
	const child = spawn(
		bin ?? "",
		[
			...["--config-file", join(import.meta.dirname, "schemathesis.toml")],
			...["run", `${api.url}/v1/openapi.json`],
			...["--header", `Authorization: Bearer ${token}`],
			...["--phases", values.phases, "--max-examples", values.examples],
			...["--seed", values.seed, "--checks", "all", "--mode", "all"],
			// One: with threads, CPython 3.11 loses count in its parser, which Hypothesis uses.
			...["--workers", "1", "--continue-on-failure", "--no-color"],
			...["--generation-database", "none", "--request-timeout", "90"],
		],
		{ cwd: dir, stdio: ["ignore", "inherit", "inherit"] },
	);
	const [code] = await once(child, "exit");
	return code ?? 1;
}
