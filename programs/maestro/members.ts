// What the members of MongoDB and the nodes of RabbitMQ have in common.
import type * as kubernetes from "@pulumi/kubernetes";
import { selectorOf } from "./conventions.ts";
import type { Sizing } from "./sizing.ts";

type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type Claim = kubernetes.types.input.core.v1.PersistentVolumeClaim;
type ClaimRetention =
	kubernetes.types.input.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy;

/** The claims go with the namespace and in no other way: not with a StatefulSet that must be replaced. */
export const retainClaims: ClaimRetention = {
	whenDeleted: "Retain",
	whenScaled: "Retain",
};

/** The claim `data`. Without a class the cluster's default is meant, which an empty name would forbid. */
export function createClaim(
	storage: string,
	storageClass: string | null,
): Claim {
	return {
		metadata: { name: "data" },
		spec: {
			accessModes: ["ReadWriteOnce"],
			...(storageClass === null ? {} : { storageClassName: storageClass }),
			resources: { requests: { storage } },
		},
	};
}

/** The members of a store never share a node in `ha`; they are not rolled by surging, so a plain rule will do. */
export function separateMembers(
	name: string,
	sizing: Sizing,
): Pick<PodSpec, "affinity" | "topologySpreadConstraints"> {
	const term = {
		topologyKey: "kubernetes.io/hostname",
		labelSelector: { matchLabels: selectorOf(name) },
	};
	return {
		affinity: {
			podAntiAffinity: sizing.separateHosts
				? { requiredDuringSchedulingIgnoredDuringExecution: [term] }
				: {
						preferredDuringSchedulingIgnoredDuringExecution: [
							{ weight: 100, podAffinityTerm: term },
						],
					},
		},
		topologySpreadConstraints: [
			{
				maxSkew: 1,
				topologyKey: "topology.kubernetes.io/zone",
				whenUnsatisfiable: "ScheduleAnyway",
				labelSelector: { matchLabels: selectorOf(name) },
			},
		],
	};
}
