// Waits until pods are gone. A Deployment at zero counts none any more while its pods still take their time to end, and
// write what they have.
import { partLabel } from "../domain/cluster.ts";
import type { Client } from "./client.ts";
import { followUntil } from "./follow-until.ts";
import { findName, type Pod } from "./objects.ts";
import { makeSource } from "./sources.ts";

/** See `Cluster.waitUntilStopped`. */
export async function waitUntilStopped(
	client: Client,
	goal: { readonly namespace: string; readonly parts: readonly string[] },
	signal: AbortSignal,
): Promise<void> {
	const { namespace, parts } = goal;
	let left: string[] = [];
	await followUntil<{ readonly pods: readonly Pod[] }, undefined>(client, {
		signal,
		sources: { pods: makeSource(namespace, "pods") },
		look({ pods }) {
			left = pods.filter((pod) => isLeft(pod, parts)).map(findName);
			return left.length === 0
				? { result: undefined }
				: { againInMs: undefined };
		},
		presentState: () =>
			`Waiting for pods of namespace ${namespace} to end was ended. Still there: ${left.join(", ") || "nobody had looked"}.`,
	});
}

// A pod that was evicted or completed stays as a record of itself.
const isLeft = ({ metadata, status }: Pod, parts: readonly string[]) =>
	parts.includes(metadata?.labels?.[partLabel] ?? "") &&
	status?.phase !== "Succeeded" &&
	status?.phase !== "Failed";
