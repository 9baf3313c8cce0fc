// The end of a destroy is a look: what the engine's state did not know, the engine did not delete.
import { setTimeout as delay } from "node:timers/promises";
import { bucketType, type Cloud, type OwnedStorage } from "../domain/aws.ts";
import { adviseDeletion } from "../domain/leftover.ts";
import { readStorageName } from "../domain/names.ts";
import { Failure } from "../failure.ts";
import { take, type Work } from "./work.ts";

/** In milliseconds. AWS may list for a while what was deleted already (S3, "Data consistency model": of buckets). */
const pausesMs: readonly number[] = [500, 1_000, 2_000, 4_000];

/**
 * Throws `leftovers`, naming each thing, when the target's AWS account still has something of a destroyed environment's
 * that was not to be kept. Throws what `Cloud` throws. Of the namespace the cluster itself has said that it is gone.
 */
export async function requireNothingLeft(work: Work): Promise<void> {
	const { input } = take(work, "run");
	if (!input.target.aws) return;
	const cloud = await work.tools.connectCloud(input.target.aws);
	try {
		let left = await findLeft(work, cloud);
		for (const pauseMs of pausesMs) {
			if (left.length === 0) return;
			await pause(pauseMs, work.signal);
			left = await findLeft(work, cloud);
		}
		if (left.length > 0) throw refuse(left);
	} finally {
		cloud.close();
	}
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
	try {
		await delay(ms, undefined, { signal });
	} catch (cause) {
		throw new Failure({
			code: "cancelled",
			message: "Waiting until nothing was left in AWS was ended.",
			cause,
		});
	}
}

async function findLeft(work: Work, cloud: Cloud): Promise<OwnedStorage[]> {
	const { environment, keepBackups = false } = take(work, "run").input;
	const found = await cloud.findOwned(environment, work.signal);
	const left: OwnedStorage[] = [];
	for (const one of found) {
		const holdsBackups =
			one.kind === bucketType &&
			readStorageName(one.name)?.purpose === "backups";
		const isKept =
			holdsBackups &&
			(keepBackups || (await cloud.isKept(one.name, work.signal)));
		if (!isKept) left.push(one);
	}
	return left;
}

function refuse(left: readonly OwnedStorage[]): Failure {
	const names = left.map(
		({ kind, name }) =>
			`the ${kind === bucketType ? "bucket" : "user"} ${name}`,
	);
	return new Failure({
		code: "leftovers",
		message: `The namespace is gone, but in AWS there still is ${names.join(" and ")}, which the engine's state does not know.`,
		untouched: "It was left as it is; all else of the environment is deleted.",
		advice: `By hand: ${left.map(adviseDeletion).join("; ")}. Then order the destroy again: it ends with the same look.`,
	});
}
