// Started once per run of the tests, on free ports of 127.0.0.1: a real PostgreSQL and a real Kubernetes
// control plane. The test processes find them in variables.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";

const root = resolve(import.meta.dirname, "../..");
const toolchain =
	process.env.TOOLCHAIN_DIR ?? join(root, ".impresario", "toolchain");

let sandbox: Sandbox | undefined;
let dir = "";

export async function globalSetup(): Promise<void> {
	dir = mkdtempSync(join(tmpdir(), "impresario-test-"));
	sandbox = await startSandbox({
		dir,
		tools: JSON.parse(readFileSync(join(toolchain, "tools.json"), "utf8")),
		throwAway: true,
		log: (line) => process.stderr.write(`services: ${line}\n`),
	});
	const deployer = join(dir, "deployer.kubeconfig");
	writeFileSync(deployer, sandbox.deployerKubeconfig, { mode: 0o600 });
	Object.assign(process.env, {
		TOOLCHAIN_DIR: toolchain,
		TEST_DATABASE_URL: sandbox.databaseUrl,
		// As the service uses it: an ordinary user.
		TEST_KUBECONFIG: deployer,
		// For a look at the truth behind it.
		TEST_ADMIN_KUBECONFIG: sandbox.kubeconfigPath,
		TEST_CLUSTER_IDENTIFIER: sandbox.clusterIdentifier,
	});
}

export async function globalTeardown(): Promise<void> {
	await sandbox?.stop();
	rmSync(dir, { recursive: true, force: true });
}
