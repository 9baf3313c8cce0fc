// Schemathesis judges the running API by its own document, with a token of each role: npm run judge:api. The API and its
// PostgreSQL are real and of its own; what it orders is carried out in the database only.
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
import { givenActor, givenOrder } from "../support/given.ts";
import { startRole } from "../support/service.ts";
import { countAnswers } from "./answers.ts";
import { carryOut } from "./carry-out.ts";
import { tellReport } from "./report.ts";

const { values } = parseArgs({
	options: {
		/** Cases that are made up for each endpoint and role, beside those that follow from the document. */
		examples: { type: "string", default: "20" },
		seed: { type: "string", default: "1" },
		role: { type: "string" },
		/** Walks from link to link, for each role. */
		walks: { type: "string", default: "40" },
	},
});

/** Phases of Schemathesis. Walks are counted by themselves, since each is of many requests. */
const runs = [
	["examples,coverage,fuzzing", values.examples],
	["stateful", values.walks],
] as const;

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
const context = {
	db: database.db,
	sealKey: parseSealKey(sealKey),
	sender: { enqueue: async () => {} },
};
await registerTarget(context, {
	name: "sandbox",
	kubeconfig: "apiVersion: v1\nkind: Config\n",
	clusterIdentifier: "judge",
	domain: "maestro.localhost",
	ingressClass: null,
	storageClass: null,
});
const api = await startRole("api", environment);
const hand = carryOut(database.db);

let wrong = 0;
try {
	for (const role of roles.filter((one) => (values.role ?? one) === one)) {
		const tenant = role === "platform-admin" ? platformTenant : "acme";
		const { actor, token } = await givenActor(database.db, tenant, role);
		// So that lists have something to show to those who cannot order.
		for (let i = 1; i <= 4; i++)
			await givenOrder(context, actor, `${role}-${i}`);
		process.stdout.write(`\n==== ${role} ====\n`);
		for (const [phases, count] of runs) {
			if (count === "0") continue;
			const report = join(dir, `${role}.ndjson`);
			if ((await judge({ token, phases, count, report })) !== 0) wrong++;
			process.stdout.write(await tellReport(report));
		}
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
	await hand.stop();
	await api.stop();
	await database.close();
	await postgres.stop();
	rmSync(dir, { recursive: true, force: true });
}
process.exitCode = wrong === 0 ? 0 : 1;

interface Run {
	readonly token: string;
	readonly phases: string;
	/** Of the cases that are made up for each endpoint, or of the walks. */
	readonly count: string;
	/** Where it is written what was done. */
	readonly report: string;
}

async function judge({ token, phases, count, report }: Run): Promise<number> {
	const child = spawn(
		bin ?? "",
		[
			...["--config-file", join(import.meta.dirname, "schemathesis.toml")],
			...["run", `${api.url}/v1/openapi.json`],
			...["--header", `Authorization: Bearer ${token}`],
			...["--phases", phases, "--max-examples", count],
			...["--seed", values.seed, "--mode", "all"],
			// One: with threads, CPython 3.11 loses count in its parser, which Hypothesis uses.
			...["--workers", "1", "--continue-on-failure", "--no-color"],
			...["--generation-database", "none", "--request-timeout", "90"],
			...["--report", "ndjson", "--report-ndjson-path", report],
		],
		{
			cwd: dir,
			env: {
				...process.env,
				PYTHONPATH: import.meta.dirname,
				PYTHONDONTWRITEBYTECODE: "1",
				SCHEMATHESIS_HOOKS: "hooks",
			},
			stdio: ["ignore", "inherit", "inherit"],
		},
	);
	const [code] = await once(child, "exit");
	return code ?? 1;
}
