// The audit of packages, with an npm that answers as it is told to.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "../..");

function audit(answer: string) {
	const dir = mkdtempSync(join(tmpdir(), "impresario-audit-"));
	try {
		writeFileSync(join(dir, "answer"), answer);
		// As npm does, where something was found or nothing could be asked.
		writeFileSync(
			join(dir, "npm"),
			`#!/bin/sh\ncat "$(dirname "$0")/answer"\nexit 1\n`,
			{ mode: 0o755 },
		);
		const { status, stdout } = spawnSync(
			process.execPath,
			[join(root, "toolchain", "audit.mjs")],
			{
				encoding: "utf8",
				env: {
					...process.env,
					PATH: [dir, process.env.PATH].join(delimiter),
				},
			},
		);
		return { status, stdout };
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

const reportOf = (severity: string) =>
	JSON.stringify({
		auditReportVersion: 2,
		vulnerabilities: {
			leaky: {
				name: "leaky",
				severity,
				range: "<1.2.3",
				via: [{ title: "Tells what it should not" }, "other"],
			},
		},
		metadata: { vulnerabilities: { [severity]: 1, total: 1 } },
	});

test("a finding fails, and says of which package", () => {
	for (const severity of ["moderate", "high", "critical"]) {
		const { status, stdout } = audit(reportOf(severity));
		assert.equal(status, 1, stdout);
		assert.match(
			stdout,
			new RegExp(
				`leaky <1\\.2\\.3: ${severity}: Tells what it should not; other`,
			),
		);
	}
});

test("nothing grave passes", () => {
	const { status, stdout } = audit(reportOf("low"));
	assert.equal(status, 0, stdout);
	assert.match(stdout, /audit: passed/);
});

test("a registry that cannot be asked is said, and fails nothing", () => {
	for (const answer of [
		JSON.stringify({ message: "405 Method Not Allowed", statusCode: 405 }),
		"not JSON at all",
		"",
	]) {
		const { status, stdout } = audit(answer);
		assert.equal(status, 0, stdout);
		assert.match(stdout, /audit: nothing was checked: /);
	}
});
