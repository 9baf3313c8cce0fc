// What a run of the engine would do, resource by resource. Of each it holds what a reader of a preview wants to know and
// nothing that is secret.
import { parseGiB, parseQuantity } from "./quantity.ts";

/** `replace`: deleted and made anew. `same`: left alone. */
export const planSteps = [
	"create",
	"update",
	"replace",
	"delete",
	"same",
] as const;
export type PlanStep = (typeof planSteps)[number];

/** A place of an object with its values; null where there is none. A secret is `[secret]`, before and after. */
export interface PlannedChange {
	/** As in `spec.template.spec.containers[server].image`: what has a name in a list is named by it. */
	readonly path: string;
	readonly before: unknown;
	readonly after: unknown;
}

export interface PlannedResource {
	/** `apiVersion/Kind`, or the engine's type for anything but a Kubernetes object. */
	readonly kind: string;
	readonly name: string;
	readonly step: PlanStep;
	readonly changes: readonly PlannedChange[];
	/** What it is now; null for what is not there. */
	readonly before: Shape | null;
	/** What it would be; null for what would be deleted. */
	readonly after: Shape | null;
}

/** What an object runs and takes. */
export interface Shape {
	/** Of what has pods that last. */
	readonly replicas?: number;
	/** Its pods are ended before others are started. */
	readonly isRecreated?: boolean;
	/** Container → image. */
	readonly images?: Readonly<Record<string, string>>;
	/** What it asks for, all its replicas together. */
	readonly use?: Use;
}

export interface Use {
	readonly cpu: number;
	readonly memoryGiB: number;
	readonly storageGiB: number;
}

export const noUse: Use = { cpu: 0, memoryGiB: 0, storageGiB: 0 };

export const addUse = (a: Use, b: Use): Use => ({
	cpu: a.cpu + b.cpu,
	memoryGiB: a.memoryGiB + b.memoryGiB,
	storageGiB: a.storageGiB + b.storageGiB,
});

/** A workload whose pods last, as it was declared. Only what is asked about here. */
interface Declared {
	readonly spec?: {
		readonly replicas?: number;
		readonly strategy?: { readonly type?: string };
		readonly template?: {
			readonly spec?: { readonly containers?: readonly Container[] };
		};
		readonly volumeClaimTemplates?: readonly Declared[];
		readonly resources?: { readonly requests?: Requests };
	};
}
interface Container {
	readonly name?: string;
	readonly image?: string;
	readonly resources?: { readonly requests?: Requests };
}
type Requests = Readonly<Record<string, string>>;

/** Reads what an object runs and takes off what was declared of it. */
export function shapeOf(kind: string, declared: Declared): Shape {
	const spec = declared.spec ?? {};
	if (kind === "v1/PersistentVolumeClaim")
		return { use: { ...noUse, storageGiB: sumStorage([declared]) } };
	if (kind !== "apps/v1/Deployment" && kind !== "apps/v1/StatefulSet")
		return {};
	const replicas = spec.replicas ?? 1;
	const containers = spec.template?.spec?.containers ?? [];
	const ask = (name: string, parse: (text: string) => number) =>
		containers.reduce(
			(sum, { resources }) => sum + parse(resources?.requests?.[name] ?? "0"),
			0,
		);
	return {
		replicas,
		isRecreated: spec.strategy?.type === "Recreate",
		images: Object.fromEntries(
			containers.map(({ name = "", image = "" }) => [name, image]),
		),
		use: {
			cpu: replicas * ask("cpu", parseQuantity),
			memoryGiB: replicas * ask("memory", parseGiB),
			storageGiB: replicas * sumStorage(spec.volumeClaimTemplates ?? []),
		},
	};
}

const sumStorage = (claims: readonly Declared[]): number =>
	claims.reduce(
		(sum, { spec }) =>
			sum + parseGiB(spec?.resources?.requests?.storage ?? "0"),
		0,
	);
