// What holds for every pod of the topology.
import type * as kubernetes from "@pulumi/kubernetes";
import type { Sizing } from "../../src/domain/sizing.ts";
import type { TargetSettings } from "../../src/domain/target.ts";
import { selectorOf } from "./conventions.ts";

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

/**
 * For images that start as root, write to their root filesystem and step down by themselves: nginx to its own user,
 * npm to `nobody`. Of the runtime's default capabilities they keep those that this takes.
 */
const runAsRoot: SecurityContext = {
	allowPrivilegeEscalation: false,
	capabilities: {
		drop: ["ALL"],
		add: [
			"CHOWN",
			"DAC_OVERRIDE",
			"FOWNER",
			"KILL",
			"NET_BIND_SERVICE",
			"SETGID",
			"SETUID",
		],
	},
};

/** The user `app` of Maestro's Python images: the first one made in a Debian image. */
const appUid = 1000;

/** Where the target enforces `restricted`, its operator brings images that need no root. */
export const runAs = (
	user: "app" | "root",
	level: TargetSettings["podSecurity"],
): SecurityContext =>
	user === "root" && level !== "restricted" ? runAsRoot : runAsUser(appUid);

const tmp = "tmp";

/** What a container needs that may write to nothing but /tmp. */
export const writeToTmp = {
	securityContext: { readOnlyRootFilesystem: true },
	volumeMounts: [{ name: tmp, mountPath: "/tmp" }],
	volumes: [{ name: tmp, emptyDir: {} }],
};

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
