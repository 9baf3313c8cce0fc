// A blueprint's program as the SDK runs it: what it returned is kept here, in this process, and what the
// SDK leaves open is closed.
import { setImmediate } from "node:timers/promises";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import log from "@pulumi/pulumi/log/index.js";
// Makes globalThis.asyncLocalStorage, in which the SDK keeps what belongs to one run.
import "@pulumi/pulumi/runtime/state.js";
import type {
	BlueprintInput,
	BlueprintOutputs,
	BlueprintVersion,
	Pace,
} from "../domain/blueprint.ts";
import type { Bundle } from "../domain/bundle.ts";
import type { EngineRun } from "../domain/engine.ts";
import { Failure } from "../failure.ts";
import { failedProgram } from "./failures.ts";

type Factory = (
	input: BlueprintInput,
	pace?: Pace,
) => () => Promise<BlueprintOutputs>;

/** The program of a blueprint version, closed over its input; undefined if there is none. A bundle says which code it must be. */
export type FindProgram = (
	version: BlueprintVersion,
	bundle: Bundle | undefined,
) => Factory | undefined | Promise<Factory | undefined>;

export interface ProgramRun {
	readonly program: PulumiFn;
	/** What the program returned. Throws if it did not come to its end. */
	loadOutputs(): BlueprintOutputs;
	/** What the program threw, if it did, as a Failure. */
	findFailure(): Failure | undefined;
	/** Closes what the SDK opened for this run. */
	close(): void;
}

export interface ProgramOptions {
	readonly findProgram: FindProgram;
	readonly redact: (text: string) => string;
	/** Without it the program declares everything at once. */
	readonly pace?: Pace | undefined;
}

/** Throws `not_set_up` if this installation does not know the blueprint's version. */
export async function makeProgram(
	run: EngineRun,
	{ findProgram, redact, pace }: ProgramOptions,
): Promise<ProgramRun> {
	const label = `${run.blueprint.name}@${run.blueprint.version}`;
	const make = await findProgram(run.blueprint, run.bundle);
	if (make === undefined) {
		throw new Failure({
			code: "not_set_up",
			message: `This worker has no program ${label}.`,
			untouched: "The environment was not touched.",
			advice:
				"Run a version of the service that still carries this blueprint version.",
		});
	}
	let outputs: BlueprintOutputs | undefined;
	let failure: Failure | undefined;
	let store: unknown;
	return {
		async program() {
			store = globalThis.asyncLocalStorage.getStore();
			try {
				// Kept here: asking the CLI for the stack's outputs would take two more processes.
				outputs = await runWhole(make(run.input, pace));
				return { ...outputs };
			} catch (thrown) {
				// Also seen as an unhandled rejection: the SDK forgets about some promises of a failed program.
				failure = describeThrown(thrown, redact);
				throw failure;
			}
		},
		loadOutputs() {
			if (outputs === undefined) throw new Error(`${label} returned nothing.`);
			return outputs;
		},
		findFailure: () => failure,
		close: () => closeClients(store),
	};
}

function describeThrown(
	thrown: unknown,
	redact: (text: string) => string,
): Failure {
	if (thrown instanceof Failure) return thrown;
	const message = thrown instanceof Error ? thrown.message : String(thrown);
	return failedProgram(redact(message));
}

/**
 * Runs a program and throws what it threw, also where it did not look. Without this a program that stopped
 * half-way because of a rejected promise would count as complete to the engine, which then deletes
 * everything that the program did not come to.
 */
async function runWhole<T>(program: () => Promise<T>): Promise<T> {
	const rejections: unknown[] = [];
	const note = (reason: unknown) => rejections.push(reason);
	process.on("unhandledRejection", note);
	try {
		const returned = await program();
		// Node tells of a rejection when all that was pending has run.
		await setImmediate();
		if (rejections.length > 0) throw rejections[0];
		return returned;
	} finally {
		process.off("unhandledRejection", note);
	}
}

/** What each run leaves open: two gRPC clients, which are never collected (grpc-node issue 2893). */
function closeClients(store: unknown): void {
	const { settings } = (store ?? {}) as {
		settings?: Record<"monitor" | "engine", { close(): void } | undefined>;
	};
	settings?.monitor?.close();
	settings?.engine?.close();
}

/**
 * The SDK sends three or four debug messages per resource to the CLI, one after the other, for nobody.
 * They cost more than half of a program's time. Done once per process.
 */
export function silenceDebugLog(): void {
	Object.assign(log, { debug: () => Promise.resolve() });
}
