// What there is of an environment that did not come to be as ordered.

/** The objects of one kind. Those that others made of ours, such as the pods of a Deployment, do not count. */
export interface Existing {
	/** `apiVersion/Kind`, or the engine's type for anything but a Kubernetes object. */
	readonly kind: string;
	readonly count: number;
	/** Those that are not as they should be; the first ten. */
	readonly notReady: readonly NotReady[];
}

export interface NotReady {
	readonly name: string;
	/** For a reader: "1 of 2 replicas are available". */
	readonly condition: string;
}

export const notReadyLimit = 10;

/** `kubernetes:apps/v1:Deployment` → `apps/v1/Deployment`; any other type stays as it is. */
export function presentKind(type: string): string {
	const [, apiVersion, kind] = /^kubernetes:([^:]+):([^:]+)$/.exec(type) ?? [];
	return apiVersion === undefined
		? type
		: `${apiVersion.replace(/^core\//, "")}/${kind}`;
}

/** The engine's bookkeeping: nothing of it exists anywhere. */
export const isBookkeeping = (type: string): boolean =>
	type === "pulumi:pulumi:Stack" || type.startsWith("pulumi:providers:");
