// What holds for every object of an environment. It is registered once, by a transformation on the stack, so
// that no part can forget it.
import type * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import {
	environmentLabel,
	managedBy,
	managedByLabel,
	tenantLabel,
} from "../../src/domain/cluster.ts";
import type { Stages } from "./stages.ts";
import { completeTemplates } from "./templates.ts";

type Labels = Readonly<Record<string, string>>;

/** What an object is: which part of the topology, and in which version if that is not the release's. */
export interface Part {
	readonly name: string;
	readonly component: string;
	readonly version?: string;
}

export function labelsOf(part: Part): Record<string, string> {
	return {
		"app.kubernetes.io/name": part.name,
		"app.kubernetes.io/component": part.component,
		...(part.version === undefined
			? {}
			: { "app.kubernetes.io/version": part.version }),
	};
}

/** The version of an image as the value of a label (Kubernetes' recommended labels): its tag; nothing where it has none. */
export function labelVersion(image: string): { readonly version?: string } {
	const [withoutDigest = ""] = image.split("@");
	const name = withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1);
	const tag = name.split(":")[1]?.slice(0, 63);
	const version = tag?.replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
	return version ? { version } : {};
}

/** Selects the pods of a part. The namespace is the environment's alone, so the name is enough. */
export function selectorOf(name: string): Record<string, string> {
	return { "app.kubernetes.io/name": name };
}

/**
 * Labels that never change in an environment's life: claim templates and selectors are immutable. None of them names
 * the release: another release changes what carries its images, and nothing else.
 */
export function ownershipLabels(input: BlueprintInput): Labels {
	return {
		"app.kubernetes.io/instance": input.environmentName,
		"app.kubernetes.io/part-of": "maestro",
		[managedByLabel]: managedBy,
		[tenantLabel]: input.tenant,
		[environmentLabel]: input.environment,
	};
}

/** Of everything in AWS: whose it is. The provider sets them, so that no part can forget it. */
export function tagsOf(
	input: Pick<BlueprintInput, "tenant" | "environment" | "environmentName">,
): Labels {
	return {
		tenant: input.tenant,
		environment: input.environment,
		"environment-name": input.environmentName,
		"managed-by": managedBy,
	};
}

/**
 * How the engine's provider treats an object. It neither waits for it nor for its dependents' deletion: the
 * service watches the namespace itself. It writes always as the same field manager, and wins: otherwise an
 * object that an interrupted create left behind, or one that somebody edited by hand, would be a conflict
 * that only a person can resolve (server-side apply's field management).
 */
export const engineAnnotations: Labels = {
	"pulumi.com/skipAwait": "true",
	"pulumi.com/deletionPropagationPolicy": "background",
	"pulumi.com/patchFieldManager": managedBy,
	"pulumi.com/patchForce": "true",
};

interface Surroundings {
	readonly namespace: kubernetes.core.v1.Namespace;
	readonly provider: kubernetes.Provider;
	/** Learns of every object. */
	readonly stages: Pick<Stages, "note">;
}

/**
 * From here on every Kubernetes object gets the provider, the namespace, labels and annotations. With
 * `deletedWith` a destroy is the deletion of the namespace, and nothing else is called. Returns what makes the
 * workloads and claims that are declared later wait for objects.
 */
export function applyConventions(
	input: BlueprintInput,
	{ namespace, provider, stages }: Surroundings,
): { readonly precede: (...objects: pulumi.Resource[]) => void } {
	const ours = {
		// The output, not the text: it makes every object wait until the namespace is there.
		namespace: namespace.metadata.name,
		labels: ownershipLabels(input),
		annotations: engineAnnotations,
	};
	const preceding: pulumi.Resource[] = [];
	pulumi.runtime.registerStackTransformation((declared) => {
		const { type, props, opts, resource } = declared;
		if (!type.startsWith("kubernetes:")) return undefined;
		stages.note({ type, name: props.metadata?.name, resource });
		const completed = completeTemplates(props.spec, {
			labels: ownershipLabels(input),
			registry: input.target.settings.registry,
		});
		const isClaim = type.endsWith(":PersistentVolumeClaim");
		const waits = completed.spec === undefined && !isClaim ? [] : preceding;
		return {
			props: {
				...props,
				metadata: mergeMetadata(ours, props.metadata),
				...completed,
			},
			opts: {
				...opts,
				provider,
				deletedWith: namespace,
				...pulumi.mergeOptions(pickOrder(opts), { dependsOn: waits }),
			},
		};
	});
	return {
		precede: (...objects) => {
			preceding.push(...objects);
		},
	};
}

const pickOrder = ({ dependsOn = [] }: pulumi.ResourceOptions) => ({
	dependsOn,
});

interface Metadata {
	readonly labels?: Labels;
	readonly annotations?: Labels;
}

/** The part's own words win. */
function mergeMetadata<Common extends Metadata>(
	common: Common,
	own: Metadata | undefined,
) {
	return {
		...common,
		...own,
		labels: { ...common.labels, ...own?.labels },
		annotations: { ...common.annotations, ...own?.annotations },
	};
}
