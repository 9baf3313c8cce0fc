// An emulator of AWS (moto) on a free port, and the stand-in for the AWS provider.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IAMClient } from "@aws-sdk/client-iam";
import { S3Client } from "@aws-sdk/client-s3";
import type { AwsAccess } from "../../src/domain/aws.ts";
import { choosePorts } from "../../src/sandbox/ports.ts";
import { until } from "./until.ts";

export interface Aws {
	/** As a target's: the emulator lets everybody do everything. */
	readonly access: AwsAccess;
	readonly s3: S3Client;
	readonly iam: IAMClient;
	stop(): Promise<void>;
}

export async function startAws(): Promise<Aws> {
	const dir = mkdtempSync(join(tmpdir(), "impresario-aws-"));
	const { aws: port } = await choosePorts(join(dir, "ports.json"), ["aws"]);
	const child = spawn(
		process.env.MOTO_SERVER_BIN ?? "moto_server",
		["-H", "127.0.0.1", "-p", String(port)],
		{ cwd: dir, stdio: "ignore" },
	);
	await once(child, "spawn");
	const endpoint = `http://127.0.0.1:${port}`;
	await until(
		"the AWS emulator answers",
		async () => (await fetch(`${endpoint}/moto-api/`)).ok,
		{ timeoutMs: 60_000, everyMs: 100 },
	);
	const access = {
		region: "eu-central-1",
		accessKeyId: "deployer-key",
		secretAccessKey: "planted-deployer-secret",
		endpoint,
	};
	const client = { region: access.region, credentials: access, endpoint };
	const s3 = new S3Client({ ...client, forcePathStyle: true });
	const iam = new IAMClient(client);
	return {
		access,
		s3,
		iam,
		async stop() {
			s3.destroy();
			iam.destroy();
			child.kill("SIGTERM");
			if (child.exitCode === null && child.signalCode === null) {
				await once(child, "exit");
			}
			rmSync(dir, { recursive: true, force: true });
		},
	};
}

/**
 * The stand-in for the AWS provider as an executable file in `folder`. As long as the file `held` holds a resource's
 * type, those that are made of it never come to their end.
 */
export function makeAwsProvider(folder: string): string {
	const file = join(folder, "pulumi-resource-aws");
	const provider = join(import.meta.dirname, "aws-provider.ts");
	const held = join(folder, "held");
	writeFileSync(
		file,
		`#!/bin/sh\nexec "${process.execPath}" "${provider}" "${held}"\n`,
	);
	chmodSync(file, 0o755);
	return file;
}
