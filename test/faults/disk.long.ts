// The disk of a worker is full: it says so, and the order is done once there is room.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { givenService, order } from "./given.ts";

const root = join(import.meta.dirname, "../..");

test("a worker whose disk is full waits for room and then does what was ordered", async (t) => {
	const { service, tenant } = await givenService(t);
	const work = join(service.dataDir, "work");
	mkdirSync(work);
	// In a mount namespace of its own: the small disk is the worker's alone and goes with it.
	const worker = spawn(
		"unshare",
		[
			...(process.getuid?.() === 0 ? ["-m"] : ["-r", "-m"]),
			"sh",
			"-c",
			'mount -t tmpfs -o size=64m tmpfs "$1" && shift && exec "$@"',
			"sh",
			work,
			process.execPath,
			"src/main.ts",
			"worker",
		],
		{
			cwd: root,
			env: { ...process.env, NODE_TEST_CONTEXT: "", ...service.environment },
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	t.after(async () => {
		worker.kill("SIGTERM");
		if (worker.exitCode === null) await once(worker, "exit");
	});
	for await (const line of createInterface({ input: worker.stdout })) {
		if (line.startsWith("working")) break;
	}
	const disk = `/proc/${worker.pid}/root${work}`;
	const filler = join(disk, "filler");
	fill(filler, disk);

	const id = await order(tenant, "crowded");
	const told = await until("it is told", async () => {
		const { body } = await tenant.call("GET", `/v1/operations/${id}/events`);
		return (body.items as { type: string; data: unknown }[]).find(
			({ type }) => type === "operation.postponed",
		);
	});
	assert.match(JSON.stringify(told.data), /disk/);
	rmSync(filler);
	const operation = await tenant.end(id, 120_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
});

function fill(path: string, disk: string): void {
	const { bavail, bsize } = statfsSync(disk);
	try {
		writeFileSync(path, Buffer.alloc(bavail * bsize + bsize));
	} catch (error) {
		// That there is no more room is what is wanted.
		assert.match(String(error), /ENOSPC/);
	}
}
