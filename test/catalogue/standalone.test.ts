// The operator's way out: the plain CLI on Pulumi.yaml. The one thing that is not the real one is the language host.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createSecrets } from "../../src/domain/secret.ts";
import { prepareHome } from "../../src/engine/workspace.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { makeAwsProvider } from "../support/aws.ts";
import {
	type LanguageHost,
	startLanguageHost,
} from "../support/language-host.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const secrets = createSecrets();

let folder: string;
let host: LanguageHost;
before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-standalone-"));
	host = await startLanguageHost();
	await mkdir(join(folder, "state"));
	await prepareHome(join(folder, "home"), pluginBin, makeAwsProvider(folder));
	await pulumi("stack", "init", "qa-1");
	// It writes this one wherever the settings are to be.
	rmSync(join(root, "Pulumi.qa-1.yaml"), { force: true });
});
after(() => {
	host?.stop();
	rmSync(folder, { recursive: true, force: true });
});

/** The CLI in the top folder, with a configuration file of the test's own. Its output and its errors. */
async function pulumi(...args: string[]): Promise<string> {
	const { stdout, stderr } = await run(
		pulumiBin,
		[...args, "--non-interactive", "--color=never"],
		{
			cwd: root,
			maxBuffer: 64 * 2 ** 20,
			env: {
				PATH: process.env.PATH,
				HOME: folder,
				PULUMI_HOME: join(folder, "home"),
				PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
				PULUMI_CONFIG_PASSPHRASE: "test",
				PULUMI_SKIP_UPDATE_CHECK: "true",
				PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
				PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
			},
		},
	);
	return stdout + stderr;
}

const onStack = () => [
	"--stack=qa-1",
	`--config-file=${join(folder, "config.yaml")}`,
];

const preview = () =>
	pulumi("preview", ...onStack(), `--client=${host.address}`, "--diff");

const set = (key: string, value: string, ...flags: string[]) =>
	pulumi("config", "set", ...onStack(), ...flags, key, value);

/** What a CLI that failed has said. */
const saidBy = ({
	stdout,
	stderr,
}: Error & { stdout: string; stderr: string }) => stdout + stderr;

test("a preview without a configuration says what is missing, without a stack trace", async () => {
	await assert.rejects(preview(), (error: Parameters<typeof saidBy>[0]) => {
		assert.match(
			saidBy(error),
			/lacks (secrets|kubeconfig|domain)\. Set it with: pulumi config set/,
		);
		assert.doesNotMatch(saidBy(error), /at readSecrets/);
		return true;
	});
});

test("a preview of a configured stack shows the whole topology, and no secret", async () => {
	await set("domain", "maestro.example");
	await set("size", "ha");
	await set("secrets", JSON.stringify(secrets), "--secret");
	await set(
		"kubeconfig",
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
		"--secret",
	);
	const shown = await preview();
	for (const part of [
		"kubernetes:core/v1:Namespace",
		"kubernetes:apps/v1:StatefulSet",
		"standalone-qa-1",
		"maestro.example",
	]) {
		assert.ok(shown.includes(part), `${part} is not in the preview`);
	}
	assert.ok((shown.match(/apps\/v1:Deployment/g) ?? []).length >= 14);
	for (const value of Object.values(secrets)) {
		assert.ok(!shown.includes(value), "a secret is shown");
	}
});

test("with an AWS account the buckets are part of it, and the account's key is not shown", async () => {
	await set(
		"aws",
		JSON.stringify({
			region: "eu-central-1",
			accessKeyId: "planted-key",
			secretAccessKey: "planted-secret",
			endpoint: "http://127.0.0.1:1",
		}),
		"--secret",
	);
	const shown = await preview();
	for (const kind of ["uploads", "backups"])
		assert.match(shown, new RegExp(`impresario-standalone-qa-1-${kind}`));
	assert.doesNotMatch(shown, /planted-/);
	await set("aws", '{"region": "nowhere"}', "--secret");
	await assert.rejects(preview(), (error: Parameters<typeof saidBy>[0]) => {
		assert.match(
			saidBy(error),
			/region must be a region of AWS; accessKeyId .*; secretAccessKey /,
		);
		return true;
	});
	await pulumi("config", "rm", ...onStack(), "aws");
});

test("a value that is out of range is refused by its name", async () => {
	await set("size", "huge");
	await assert.rejects(preview(), (error: Parameters<typeof saidBy>[0]) => {
		assert.match(saidBy(error), /The configuration is wrong: size/);
		return true;
	});
});
