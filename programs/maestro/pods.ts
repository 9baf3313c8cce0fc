// What holds for every pod of the topology.
import type * as kubernetes from "@pulumi/kubernetes";
import { selectorOf } from "./conventions.ts";
import type { Sizing } from "./sizing.ts";

type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type SecurityContext = kubernetes.types.input.core.v1.SecurityContext;
type Spread = kubernetes.types.input.core.v1.TopologySpreadConstraint;

/** The account of all pods. */
export const accountName = "maestro";

/** A pod with the traps closed. */
export function createPodSpec(
	pod: Omit<
		PodSpec,
		"enableServiceLinks" | "automountServiceAccountToken" | "serviceAccountName"
	>,
): PodSpec {
	return {
		...pod,
		serviceAccountName: accountName,
		// Kubernetes would add variables such as MAESTRO_PORT=tcp://… for a Service named `maestro`, and Maestro reads them.
		enableServiceLinks: false,
		automountServiceAccountToken: false,
		securityContext: {
			seccompProfile: { type: "RuntimeDefault" },
			...pod.securityContext,
		},
	};
}

/** A number, because an image that only names its user cannot be checked by the kubelet. */
export function runAsUser(uid: number): SecurityContext {
	return {
		runAsNonRoot: true,
		runAsUser: uid,
		runAsGroup: uid,
		allowPrivilegeEscalation: false,
		capabilities: { drop: ["ALL"] },
	};
}

/** For images that start as root, write to their root filesystem and step down by themselves. */
export const runAsRoot: SecurityContext = { allowPrivilegeEscalation: false };

/**
 * Replicas go to different zones where they can. In `ha` they must go to different nodes, and stay pending on a
 * cluster that has too few: a promise that is not kept shows.
 */
export function spreadReplicas(
	name: string,
	replicas: number,
	sizing: Sizing,
): Spread[] {
	const constraint = {
		maxSkew: 1,
		labelSelector: { matchLabels: selectorOf(name) },
		// Counts a roll-out by itself, so that its first pod may sit beside an old one.
		matchLabelKeys: ["pod-template-hash"],
		// A lost node is no place to balance against.
		nodeTaintsPolicy: "Honor",
	};
	const strict = sizing.separateHosts && replicas > 1;
	return [
		{
			...constraint,
			topologyKey: "topology.kubernetes.io/zone",
			whenUnsatisfiable: "ScheduleAnyway",
		},
		{
			...constraint,
			topologyKey: "kubernetes.io/hostname",
			whenUnsatisfiable: strict ? "DoNotSchedule" : "ScheduleAnyway",
			// No more than the size promises: whoever asks for many replicas may have few nodes.
			...(strict ? { minDomains: Math.min(replicas, sizing.replicas) } : {}),
		},
	];
}
