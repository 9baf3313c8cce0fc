// What the members of MongoDB and the nodes of RabbitMQ have in common.
import * as kubernetes from "@pulumi/kubernetes";
import type { Sizing } from "../../src/domain/sizing.ts";
import { labelsOf, selectorOf } from "./conventions.ts";

type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type Claim = kubernetes.types.input.core.v1.PersistentVolumeClaim;
type ClaimSpec = kubernetes.types.input.core.v1.PersistentVolumeClaimSpec;
type ClaimRetention =
	kubernetes.types.input.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy;

/** The claims go with the namespace and in no other way: not with a StatefulSet that must be replaced. */
export const retainClaims: ClaimRetention = {
	whenDeleted: "Retain",
	whenScaled: "Retain",
};

/** What a claim asks for. Without a class the cluster's default is meant, which an empty name would forbid. */
export interface Storage {
	readonly size: string;
	readonly storageClass: string | null;
}

/** Of the members of a store. At zero their claims stay, and the set is what it was when they come back. */
export interface Members {
	readonly storage: Storage;
	/** Whether there are pods. */
	readonly isRunning: boolean;
	/** How often the password was made that a pod reads when it starts; undefined: once. */
	readonly generation?: number | undefined;
}

function describeClaim({ size, storageClass }: Storage): ClaimSpec {
	return {
		accessModes: ["ReadWriteOnce"],
		...(storageClass === null ? {} : { storageClassName: storageClass }),
		resources: { requests: { storage: size } },
	};
}

/** The template of the claim `data`. It cannot be changed in a StatefulSet's life: to be declared with `keepTemplate`. */
export const createClaimTemplate = (storage: Storage): Claim => ({
	metadata: { name: "data" },
	spec: describeClaim(storage),
});

/** A template that differs would have the engine replace the StatefulSet. */
export const keepTemplate = { ignoreChanges: ["spec.volumeClaimTemplates"] };

/**
 * The claims of the members, by the names under which their StatefulSet looks for them: so that a claim can grow,
 * which a template cannot.
 */
export function createClaims(
	part: { readonly name: string; readonly component: string },
	members: number,
	storage: Storage,
): readonly kubernetes.core.v1.PersistentVolumeClaim[] {
	return Array.from({ length: members }, (_, ordinal) => {
		const name = `data-${part.name}-${ordinal}`;
		return new kubernetes.core.v1.PersistentVolumeClaim(
			name,
			{
				metadata: { name, labels: labelsOf(part) },
				spec: describeClaim(storage),
			},
			{
				// They go with the namespace and in no other way.
				retainOnDelete: true,
				// A claim stays in the class that it was made in.
				ignoreChanges: ["spec.storageClassName", "spec.accessModes"],
			},
		);
	});
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
