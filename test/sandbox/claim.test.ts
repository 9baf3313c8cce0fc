import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { claimFolder } from "../../src/sandbox/claim.ts";
import { findIdentity } from "../../src/sandbox/identity.ts";
import { until } from "../support/until.ts";
import { makeFolder } from "./given.ts";

const folder = makeFolder();
const strangers: ChildProcess[] = [];
afterEach(() => {
	for (const stranger of strangers.splice(0)) stranger.kill("SIGKILL");
});
after(() => folder.remove());
const left = { stopSignal: "SIGTERM", graceMs: 200 } as const;

function startStranger(script: string) {
	const child = spawn(process.execPath, ["-e", script], {
		stdio: ["ignore", "pipe", "ignore"],
	});
	strangers.push(child);
	const pid = child.pid ?? 0;
	return { pid, identity: findIdentity(pid) ?? "", child };
}

const idle = "setInterval(() => {}, 1000); console.log('up')";
const deaf = `process.on("SIGTERM", () => {}); ${idle}`;

test("a folder that a running service owns is refused, and named", async () => {
	const claim = await claimFolder(folder.dir, left);
	await assert.rejects(claimFolder(folder.dir, left), {
		code: "not_set_up",
		message: new RegExp(
			`in use by the running service with process id ${process.pid}`,
		),
	});
	claim.release();
});

test("a folder that was given back can be had again", async () => {
	const claim = await claimFolder(folder.dir, left);
	claim.release();
	assert.ok(!existsSync(join(folder.dir, "owner.json")));
	(await claimFolder(folder.dir, left)).release();
});

test("a dead owner's folder is taken over, and what it left running is ended, by force if need be", async () => {
	const child = startStranger(deaf);
	await new Promise((fulfil) => child.child.stdout.once("data", fulfil));
	const gone = { name: "owner", pid: process.pid, identity: "another life" };
	writeFileSync(join(folder.dir, "owner.json"), JSON.stringify([gone]));
	const record = {
		name: "left over",
		pid: child.pid,
		identity: child.identity,
	};
	writeFileSync(join(folder.dir, "processes.json"), JSON.stringify([record]));
	const claim = await claimFolder(folder.dir, left);
	assert.equal(findIdentity(child.pid), undefined);
	claim.release();
});

test("a process that merely has a left-over's pid is left alone", async () => {
	const child = startStranger(idle);
	const record = {
		name: "left over",
		pid: child.pid,
		identity: "another life",
	};
	writeFileSync(join(folder.dir, "processes.json"), JSON.stringify([record]));
	const claim = await claimFolder(folder.dir, left);
	assert.equal(findIdentity(child.pid), child.identity);
	claim.release();
});

test("records that a crash cut short do not keep the next owner out", async () => {
	writeFileSync(join(folder.dir, "owner.json"), '[{"pid": ');
	writeFileSync(join(folder.dir, "processes.json"), "");
	(await claimFolder(folder.dir, left)).release();
});

test("a process that ended has no identity", async () => {
	const { child, pid } = startStranger("");
	await until("it has ended", () => child.exitCode !== null);
	assert.equal(findIdentity(pid), undefined);
});
