// Why an update failed, as a Failure. No effect besides: the CLI's exit and what the engine reported in,
// a Failure out.
import { Failure } from "../failure.ts";
import type { CliExit } from "./command.ts";
import type { EngineError } from "./events.ts";

export interface FailedRun {
	/** The CLI's exit; undefined when the failure came from elsewhere. */
	readonly exit: CliExit | undefined;
	readonly errors: readonly EngineError[];
	/** What the program threw, if it did. */
	readonly programFailure: Failure | undefined;
	/** Whether the run was asked to end. */
	readonly isCancelled: boolean;
	readonly redact: (text: string) => string;
}

const partly =
	"What was applied before stays as it is, and the next attempt goes on from there.";
const nothing = "Nothing was changed.";

// Any of these may pass by itself: the API server is restarting, overloaded, or out of reach for a moment.
const transient =
	/cluster is unreachable|connection refused|connection reset|broken pipe|no such host|no route to host|network is unreachable|i\/o timeout|TLS handshake timeout|context deadline exceeded|unexpected EOF|etcdserver: |server is currently unable to handle the request|too many requests|the server was unable to return a response in the time allotted|Internal error occurred/i;
// What the engine says of a provider that died under it. All else that it says then is what came of that.
const deadProvider =
	/error reading from server: (?:EOF|read)|connection error: desc = |error reading from server: connection reset|^unknown$/i;
const missingPlugin =
	/no resource plugin '([^']+)' found.*?(?: at version (\S+))?$/im;
const wrongPassphrase = /incorrect passphrase|passphrase must be set/i;
const locked =
	/the stack is currently locked by|Another update is currently in progress/;

/** Maps a run that did not end well. */
export function decideFailure(run: FailedRun): Failure {
	const { exit, errors } = run;
	if (exit?.spawnError !== undefined) return missingCli(exit.spawnError);
	if (run.isCancelled) {
		return new Failure({
			code: "cancelled",
			message: "The update was cancelled.",
			untouched: partly,
		});
	}
	if (exit?.signal) return endedFromOutside(exit.signal);
	const output = run.redact(`${exit?.stderr ?? ""}\n${exit?.stdout ?? ""}`);
	const texts = [...errors.map((error) => error.message), output];
	if (texts.some((text) => fullDisk.test(text))) return diskIsFull();
	return (
		findSetUpFailure(texts) ??
		(texts.some((text) => locked.test(text)) ? lockedStack() : undefined) ??
		(errors.some((error) => deadProvider.test(error.message))
			? lostProvider()
			: undefined) ??
		(errors.length > 0 && errors.every((error) => transient.test(error.message))
			? unreachable(errors)
			: undefined) ??
		failedUpdate(run, output)
	);
}

function missingCli(reason: string): Failure {
	return new Failure({
		code: "not_set_up",
		message: `The Pulumi CLI could not be started (${reason}).`,
		untouched: nothing,
		advice:
			"Build or install it with `node toolchain/build.mjs engine`, or name it by the variable PULUMI_BIN.",
	});
}

const fullDisk = /ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i;

/** A full disk, which passes when somebody makes room; returns other errors as they are. */
export function translateDiskError(error: unknown): unknown {
	return error instanceof Error && fullDisk.test(error.message)
		? diskIsFull(error)
		: error;
}

const diskIsFull = (cause?: Error) =>
	new Failure({
		code: "unavailable",
		message: "The disk of this worker is full.",
		untouched: partly,
		advice: "It is tried again. Make room below the worker's DATA_DIR.",
		retryable: true,
		...(cause && { cause }),
	});

function endedFromOutside(signal: string): Failure {
	return new Failure({
		code: "unavailable",
		message: `The Pulumi CLI was ended from outside (${signal}), as a machine does that runs out of memory.`,
		untouched: partly,
		advice: "It is tried again. If it goes on, give the worker more memory.",
		retryable: true,
	});
}

function findSetUpFailure(texts: readonly string[]): Failure | undefined {
	for (const text of texts) {
		const plugin = missingPlugin.exec(text);
		if (plugin !== null) {
			return new Failure({
				code: "not_set_up",
				message: `The plugin ${plugin[1]}${plugin[2] === undefined ? "" : ` ${plugin[2]}`} is not installed on this worker.`,
				untouched: partly,
				advice: "Build or install it with `node toolchain/build.mjs engine`.",
			});
		}
	}
	if (texts.some((text) => wrongPassphrase.test(text))) {
		return new Failure({
			code: "not_set_up",
			message:
				"The state's passphrase is not the one that this stack was made with.",
			untouched: nothing,
			advice: "Restore the passphrase in the worker's settings.",
		});
	}
	return undefined;
}

function lockedStack(): Failure {
	return new Failure({
		code: "unavailable",
		message: "Another update holds the stack's lock.",
		untouched: nothing,
		advice: "It is tried again when that update has ended.",
		retryable: true,
	});
}

function lostProvider(): Failure {
	return new Failure({
		code: "unavailable",
		message: "A provider of the engine died in the middle of the update.",
		untouched: partly,
		advice:
			"It is tried again. If it goes on, give the worker more memory: a machine that runs out of it ends processes.",
		retryable: true,
	});
}

function unreachable(errors: readonly EngineError[]): Failure {
	return new Failure({
		code: "unavailable",
		message: `The target's API server did not answer: ${presentErrors(errors)}`,
		untouched: partly,
		advice:
			"It is tried again. If it goes on, check the target's address, its network and its load.",
		retryable: true,
	});
}

function failedUpdate(run: FailedRun, output: string): Failure {
	const ofResources = run.errors.filter((error) => error.kind !== null);
	if (ofResources.length === 0) {
		const [first] = run.errors;
		if (run.programFailure !== undefined) return run.programFailure;
		if (first !== undefined) return failedProgram(first.message);
	}
	return new Failure({
		code: "engine_failed",
		message:
			ofResources.length > 0
				? presentErrors(ofResources)
				: `The update failed: ${lastLine(output)}`,
		untouched: partly,
		advice: adviceFor(ofResources),
	});
}

/** The failure of a program that threw, in its own words. */
export function failedProgram(message: string): Failure {
	return new Failure({
		code: "engine_failed",
		message: `The blueprint's program failed: ${message}`,
		untouched: partly,
		advice:
			"Correct the order or the program; the same attempt would fail again.",
	});
}

/** The first error whole, with its object, and how many more there are. */
function presentErrors(errors: readonly EngineError[]): string {
	const [first] = errors;
	if (first === undefined) return "";
	const object = first.kind === null ? "" : `${first.kind} ${first.name}: `;
	const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
	return `${object}${first.message}${more}`;
}

// The first that fits. Kubernetes says `forbidden` for a quota too, so the special goes before the general.
const advices: readonly (readonly [RegExp, string])[] = [
	[
		/being terminated/,
		"Wait until the namespace of that name is gone, then order again.",
	],
	[
		/apply conflict/,
		"Something else has changed the object. Take that change back, then order again.",
	],
	[
		/must support resize/,
		"Claims of this storage class cannot grow. Order without a change of their size, naming what they have in `parameters.storage`, or let the class allow it (allowVolumeExpansion).",
	],
	[
		/exceeded quota/,
		"Raise the quota or order a smaller size, then order again.",
	],
	[
		// The words of Pod Security, of admission policies and of webhooks.
		/violates PodSecurity|denied request|denied the request/,
		"Change what is ordered, or let the platform change the policy that the message names, then order again.",
	],
	[
		/is forbidden|Unauthorized/i,
		"Give the target's account the missing right, then order again.",
	],
	[
		/is invalid|not declared in schema/i,
		"Correct the object in the program; the same attempt would fail again.",
	],
];

function adviceFor(errors: readonly EngineError[]): string {
	const found = advices.find(([pattern]) =>
		errors.some((error) => pattern.test(error.message)),
	);
	return (
		found?.[1] ?? "Remove the cause that the message names, then order again."
	);
}

const lastLine = (text: string): string =>
	text
		.split("\n")
		.map((line) => line.trim())
		.findLast((line) => line !== "") ?? "the Pulumi CLI gave no reason.";
