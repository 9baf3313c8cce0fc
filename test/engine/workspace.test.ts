import assert from "node:assert/strict";
import {
	existsSync,
	readFileSync,
	realpathSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeCommand } from "../../src/engine/command.ts";
import {
	buildEnvironment,
	clearTemporary,
	makeTemporary,
	openWorkspace,
	prepareHome,
	requireOwnBackend,
} from "../../src/engine/workspace.ts";
import { Failure } from "../../src/failure.ts";
import { makeFileState } from "../support/file-state.ts";
import { givenFolder } from "./given.ts";

const machine = {
	PATH: "/bin",
	HOME: "/home/worker",
	TMPDIR: "/tmp/worker",
	https_proxy: "http://proxy.test:3128",
	SSL_CERT_FILE: "/etc/ca.pem",
	DATABASE_URL: "postgres://user:hush@db.test/impresario",
	SEAL_KEY: "hush",
	AWS_SECRET_ACCESS_KEY: "hush",
	KUBECONFIG: "/home/worker/.kube/config",
	PULUMI_ACCESS_TOKEN: "hush",
	PULUMI_BACKEND_URL: "https://backend.test",
	PULUMI_CONFIG_PASSPHRASE: "hush",
	UNSET: undefined,
};

test("the CLI sees the machine's paths, proxies and certificates and nothing else of our environment", () => {
	const environment = buildEnvironment({
		machine,
		home: "/data/pulumi-home",
		credentials: "/data/scratch/env-1",
		state: {
			url: "file:///data/state",
			environment: { PULUMI_CONFIG_PASSPHRASE: "ours" },
		},
	});
	assert.deepEqual(
		Object.keys(environment)
			.filter((name) => !name.startsWith("PULUMI_"))
			.sort(),
		[
			"GOGC",
			"GOMEMLIMIT",
			"HOME",
			"PATH",
			"SSL_CERT_FILE",
			"TMPDIR",
			"https_proxy",
		],
	);
	assert.doesNotMatch(JSON.stringify(environment), /hush|backend\.test/);
	assert.equal(environment.PULUMI_CONFIG_PASSPHRASE, "ours");
});

for (const url of [
	"file:///data/state",
	"file:///data/state?metadata=skip",
	"http://127.0.0.1:4000",
	"http://127.0.0.1:4000/pulumi",
	"http://[::1]:4000",
	"https://localhost:4000",
]) {
	test(`${url} is a backend of ours`, () => requireOwnBackend(url));
}

for (const url of [
	"https://api.pulumi.com",
	"http://backend.test",
	"http://127.0.0.1.backend.test",
	"http://127.0.0.1@backend.test",
	"s3://bucket",
	"file://~/state",
	"",
	"nonsense",
]) {
	test(`"${url}" is refused as a backend`, () => {
		assert.throws(
			() => requireOwnBackend(url),
			(error: unknown) =>
				error instanceof Failure && error.code === "not_set_up",
		);
	});
}

test("a refused backend's password is not told", () => {
	assert.throws(
		() => requireOwnBackend("https://user:hush@backend.test/x"),
		(error: Error) => !error.message.includes("hush"),
	);
});

test("the Pulumi home leads to the provider, and follows it when it moves", async (t) => {
	const folder = await givenFolder(t);
	const home = join(folder, "home");
	for (const name of ["first", "second"]) {
		const plugin = join(folder, name);
		await writeFile(plugin, "");
		await chmod(plugin, 0o755);
		await prepareHome(home, plugin);
		await prepareHome(home, plugin);
		const link = join(
			home,
			"plugins/resource-kubernetes-v4.26.0/pulumi-resource-kubernetes",
		);
		assert.equal(realpathSync(link), realpathSync(plugin));
	}
});

test("a provider that is not there is told with its path, and nothing is made", async (t) => {
	const folder = await givenFolder(t);
	const home = join(folder, "home");
	await assert.rejects(
		prepareHome(home, join(folder, "nothing")),
		(error: unknown) =>
			error instanceof Failure &&
			error.code === "not_set_up" &&
			error.message.includes(join(folder, "nothing")),
	);
	assert.ok(!existsSync(home));
});

test("a home whose logs are a folder already is left as it is", async (t) => {
	const folder = await givenFolder(t);
	await mkdir(join(folder, "home/logs"), { recursive: true });
	await prepareHome(join(folder, "home"), "/bin/sh");
	assert.ok(statSync(join(folder, "home/logs")).isDirectory());
});

test("a stack has a folder of its own, for us alone, with settings that switch default providers off", async (t) => {
	const folder = await givenFolder(t);
	await openWorkspace({
		project: "impresario-maestro",
		stack: "env-1",
		place: "env-1",
		workRoot: folder,
		temporary: await makeTemporary(folder, "env-1"),
		pulumiHome: join(folder, "home"),
		machine,
		state: makeFileState({ root: folder, passphrase: "hush" }).open({
			project: "impresario-maestro",
			stack: "env-1",
			state: { url: "", environment: {} },
		}),
		command: makeCommand({
			binary: "/nothing/is/run",
			graceMs: 0,
			onProcess: () => assert.fail("a process was started"),
		}),
	});
	const read = (name: string) =>
		readFileSync(join(folder, "env-1", name), "utf8");
	assert.equal(
		read("Pulumi.yaml"),
		"name: impresario-maestro\nruntime: nodejs\n",
	);
	assert.match(
		read("Pulumi.env-1.yaml"),
		/pulumi:disable-default-providers:\s+- '\*'/,
	);
	assert.doesNotMatch(read("Pulumi.env-1.yaml"), /hush/);
	assert.equal(statSync(join(folder, "env-1")).mode & 0o777, 0o700);
});

test("a run's temporary folder is its own, and what earlier ones left is gone", async (t) => {
	const folder = await givenFolder(t);
	const first = await makeTemporary(folder, "env-1");
	writeFileSync(join(first, "kubeconfig"), "planted");
	const second = await makeTemporary(folder, "env-1");
	assert.notEqual(second, first);
	assert.equal(existsSync(first), false);
	// The one that has lost its lease ends late.
	await clearTemporary(first);
	assert.ok(existsSync(second));
});
