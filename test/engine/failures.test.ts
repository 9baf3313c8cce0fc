import assert from "node:assert/strict";
import { test } from "node:test";
import type { CliExit } from "../../src/engine/command.ts";
import {
	decideFailure,
	type FailedRun,
	failedProgram,
} from "../../src/engine/failures.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import { translateRecorded } from "./recorded.ts";

const exit: CliExit = { code: 1, signal: null, stdout: "", stderr: "" };

function given(part: Partial<FailedRun> = {}): FailedRun {
	return {
		exit,
		errors: [],
		programFailure: undefined,
		isCancelled: false,
		redact: (text) => text,
		...part,
	};
}

interface Case {
	readonly run: FailedRun;
	readonly code: FailureCode;
	readonly retryable?: boolean;
	readonly message: RegExp;
	readonly advice?: RegExp;
}

const recorded = (name: string) =>
	given({ errors: translateRecorded(name).errors });

const cases: Record<string, Case> = {
	"an API server that does not answer": {
		run: recorded("unreachable"),
		code: "unavailable",
		retryable: true,
		message:
			/^The target's API server did not answer: v1\/Namespace acme-qa-x: .*connection refused$/,
	},
	"a provider that was killed": {
		run: given({
			errors: [
				{
					kind: "v1/Service",
					name: "discovery",
					message: "error reading from server: EOF",
				},
				{
					kind: null,
					name: "acme",
					message: "resource monitor shut down while waiting",
				},
			],
		}),
		code: "unavailable",
		retryable: true,
		message: /^A provider of the engine died/,
	},
	"a missing plugin": {
		run: recorded("missing-plugin"),
		code: "not_set_up",
		message:
			/^The plugin pulumi-resource-kubernetes v4\.26\.0 is not installed on this worker\.$/,
		advice: /toolchain\/build\.mjs engine/,
	},
	"a missing right": {
		run: recorded("forbidden"),
		code: "engine_failed",
		message:
			/^v1\/Namespace acme-qa-1-x7k2: namespaces "acme-qa-1-x7k2" is forbidden: User "dev" cannot patch/,
		advice: /missing right/,
	},
	"an exceeded quota": {
		run: recorded("quota"),
		code: "engine_failed",
		message:
			/^v1\/Secret (one|two): secrets ".*exceeded quota.*\(and 1 more\)$/,
		advice: /Raise the quota/,
	},
	"an object that a policy of the cluster refuses": {
		run: given({
			errors: [
				{
					kind: "apps/v1/Deployment",
					name: "audit",
					message:
						"deployments.apps \"audit\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' denied request: not here",
				},
			],
		}),
		code: "engine_failed",
		message: /^apps\/v1\/Deployment audit: .*denied request: not here$/,
		advice: /change the policy that the message names/,
	},
	"an object that something else has changed": {
		run: recorded("conflict"),
		code: "engine_failed",
		message:
			/^v1\/ConfigMap settings: The resource managed by field manager ".*" had an apply conflict: .*\.data\.a$/s,
		advice: /Take that change back/,
	},
	"an invalid object": {
		run: recorded("invalid"),
		code: "engine_failed",
		message: /^v1\/Service server: Service "server" is invalid: /,
		advice: /Correct the object/,
	},
	"a program that throws": {
		run: given({
			errors: translateRecorded("throws").errors,
			programFailure: failedProgram("No storage class."),
		}),
		code: "engine_failed",
		message: /^The blueprint's program failed: No storage class\.$/,
	},
	"a program with a rejection that nobody looked at": {
		run: recorded("rejects"),
		code: "engine_failed",
		message: /^The blueprint's program failed: Nobody looked at this\.$/,
	},
	"a run that was told to end": {
		run: given({
			errors: translateRecorded("interrupted").errors,
			isCancelled: true,
		}),
		code: "cancelled",
		message: /cancelled/,
	},
	"a claim whose class does not let it grow": {
		run: given({
			errors: [
				{
					kind: "v1/PersistentVolumeClaim",
					name: "data-mongodb-0",
					message:
						'persistentvolumeclaims "data-mongodb-0" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
				},
			],
		}),
		code: "engine_failed",
		message:
			/^v1\/PersistentVolumeClaim data-mongodb-0: .*must support resize$/,
		advice: /allowVolumeExpansion/,
	},
	"a missing CLI": {
		run: given({ exit: { ...exit, code: null, spawnError: "ENOENT" } }),
		code: "not_set_up",
		message: /could not be started \(ENOENT\)/,
		advice: /PULUMI_BIN/,
	},
	"a CLI that was killed": {
		run: given({ exit: { ...exit, code: null, signal: "SIGKILL" } }),
		code: "unavailable",
		retryable: true,
		message: /ended from outside \(SIGKILL\)/,
	},
	"a locked stack": {
		run: given({
			exit: {
				...exit,
				stderr:
					"error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end",
			},
		}),
		code: "unavailable",
		retryable: true,
		message: /holds the stack's lock/,
	},
	"a wrong passphrase": {
		run: given({ exit: { ...exit, stderr: "error: incorrect passphrase" } }),
		code: "not_set_up",
		message: /passphrase/,
	},
	"an error of which only the output tells": {
		run: given({ exit: { ...exit, stderr: "one\nerror: something else\n" } }),
		code: "engine_failed",
		message: /^The update failed: error: something else$/,
	},
	"no word at all": {
		run: given(),
		code: "engine_failed",
		message: /^The update failed: the Pulumi CLI gave no reason\.$/,
	},
};

for (const [name, { run, code, retryable, message, advice }] of Object.entries(
	cases,
)) {
	test(`${name}: ${code}${retryable ? ", may be tried again" : ""}`, () => {
		const failure = decideFailure(run);
		assert.equal(failure.code, code);
		assert.equal(failure.retryable, retryable ?? false);
		assert.match(failure.message, message);
		assert.ok(failure.untouched, "it does not say what was left untouched");
		assert.match(failure.advice ?? "", advice ?? /.*/);
	});
}

test("one object's own fault is not hidden by an API server that faltered", () => {
	const failure = decideFailure(
		given({
			errors: [
				...translateRecorded("unreachable").errors,
				...translateRecorded("forbidden").errors,
			],
		}),
	);
	assert.deepEqual([failure.code, failure.retryable], ["engine_failed", false]);
});

test("a Failure that the program threw is passed on as it is", () => {
	const thrown = new Failure({ code: "invalid_request", message: "No." });
	assert.equal(decideFailure(given({ programFailure: thrown })), thrown);
});

test("a resource's failure says more than the program that stumbled over it", () => {
	const failure = decideFailure(
		given({
			errors: translateRecorded("forbidden").errors,
			programFailure: failedProgram("an output was never known"),
		}),
	);
	assert.match(failure.message, /is forbidden/);
});

test("the CLI's output passes the redaction", () => {
	const failure = decideFailure(
		given({
			redact: (text) => text.replaceAll("hush", "[secret]"),
			exit: { ...exit, stderr: "bad hush" },
		}),
	);
	assert.match(failure.message, /bad \[secret\]$/);
});
