// Controllers that cannot create pods: quota, Pod Security, webhooks. Pure.
import {
	isBeingDeleted,
	isOwnedBy,
	type KubeEvent,
	type KubeObject,
	type Pod,
} from "./objects.ts";
import { makeStuck, ready, type Stuck, type Verdict } from "./verdict.ts";
import { findEventTime, findLatestEvent } from "./warnings.ts";

/**
 * A controller that cannot create pods, told by its events. An event stays for an hour: it counts only while
 * pods are missing and none was created since.
 */
export function decideFailedCreate(
	owner: KubeObject,
	wanted: number,
	{
		pods,
		events,
	}: { readonly pods: readonly Pod[]; readonly events: readonly KubeEvent[] },
): Verdict {
	const own = pods.filter((pod) => isOwnedBy(pod, owner));
	const event = findLatestEvent(events, owner, ["FailedCreate"]);
	if (event === undefined || own.length >= wanted) return ready;
	const failedAt = findEventTime(event);
	const isOver = own.some(
		(pod) => (pod.metadata?.creationTimestamp ?? "") >= failedAt,
	);
	return isOver ? ready : explainFailedCreate(event.message ?? "", pods);
}

/** Of a ReplicaSet's condition or an event: what the API server said when a pod was to be created. */
export function explainFailedCreate(
	message: string,
	pods: readonly Pod[],
): Stuck {
	const isQuota = message.includes("exceeded quota");
	const isRefused = /forbidden|is invalid|violates PodSecurity/i.test(message);
	// The service account of a new namespace comes a moment after the namespace.
	const isEarly = message.includes("error looking up service account");
	return makeStuck({
		reason: "FailedCreate",
		message,
		advice: isQuota
			? "Order a smaller size, or let the platform raise the namespace's quota."
			: "Check the rules of the namespace (Pod Security level, limits, admission webhooks) against what is ordered.",
		// Pods that are going give back their share of the quota when they are gone.
		lasting: isRefused && !isEarly && !(isQuota && pods.some(isBeingDeleted)),
	});
}
