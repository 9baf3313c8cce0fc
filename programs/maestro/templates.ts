// What holds for every template of a pod, a Job or a claim, whichever part declares it. Applied by conventions.ts.
import { placeImage } from "../../src/domain/release.ts";

type Labels = Readonly<Record<string, string>>;

interface Container {
	readonly image?: string;
}

/** The fields of a spec that are looked at; a part gives them as plain values. */
export interface Spec {
	readonly template?: Template;
	/** Of a CronJob: a template of a Job, with the pod's template in it. */
	readonly jobTemplate?: Template;
	readonly volumeClaimTemplates?: readonly Template[];
	/** Of a pod. */
	readonly containers?: readonly Container[];
	readonly initContainers?: readonly Container[];
}

interface Template {
	readonly metadata?: { readonly labels?: Labels };
	readonly spec?: Spec;
}

export interface Completion {
	/** Pods and claims are objects too. */
	readonly labels: Labels;
	/** null: where the image says. */
	readonly registry: string | null;
}

/** The spec with its templates completed; nothing where it has none. */
export function completeTemplates(
	spec: Spec | undefined,
	completion: Completion,
): { readonly spec?: Spec } {
	if (spec === undefined) return {};
	const complete = (template: Template) =>
		completeTemplate(template, completion);
	const { template, jobTemplate, volumeClaimTemplates } = spec;
	if (template === undefined && jobTemplate === undefined) return {};
	return {
		spec: {
			...spec,
			...(template && { template: complete(template) }),
			...(jobTemplate && { jobTemplate: complete(jobTemplate) }),
			...(volumeClaimTemplates && {
				volumeClaimTemplates: volumeClaimTemplates.map(complete),
			}),
		},
	};
}

function completeTemplate(
	template: Template,
	completion: Completion,
): Template {
	const { metadata, spec } = template;
	return {
		...template,
		metadata: {
			...metadata,
			labels: { ...completion.labels, ...metadata?.labels },
		},
		...(spec?.containers === undefined
			? completeTemplates(spec, completion)
			: { spec: completePod(spec, completion) }),
	};
}

function completePod(spec: Spec, { registry }: Completion): Spec {
	const place = <C extends Container>(containers: readonly C[]) =>
		containers.map((container) => ({
			...container,
			...(container.image === undefined
				? {}
				: { image: placeImage(container.image, registry) }),
		}));
	return {
		...spec,
		...(spec.containers && { containers: place(spec.containers) }),
		...(spec.initContainers && {
			initContainers: place(spec.initContainers),
		}),
	};
}
