// What one namespace holds, as far as those who play connections in it look: services, pods, policies. Pure.
import type { ApiObject } from "./api.ts";
import { type End, mayConnect, type NetworkPolicy } from "./policies.ts";

export interface Service extends ApiObject {
	readonly spec: {
		readonly clusterIP?: string;
		readonly ports?: readonly {
			readonly name?: string;
			readonly port: number;
		}[];
	};
}

export interface EndpointSlice extends ApiObject {
	readonly ports?:
		| readonly { readonly name?: string; readonly port?: number }[]
		| null;
	readonly endpoints?:
		| readonly {
				readonly conditions?: { readonly ready?: boolean };
				readonly targetRef?: { readonly kind?: string; readonly name?: string };
		  }[]
		| null;
}

export interface Container {
	readonly name: string;
	readonly image: string;
	readonly ports?: readonly {
		readonly name?: string;
		readonly containerPort: number;
	}[];
	readonly command?: readonly string[];
	readonly env?: readonly {
		readonly name: string;
		readonly value?: string;
		readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
	}[];
}

export interface Pod extends ApiObject {
	readonly spec: {
		readonly initContainers?: readonly Container[];
		readonly containers: readonly Container[];
		readonly volumes?: readonly {
			readonly persistentVolumeClaim?: { readonly claimName: string };
		}[];
	};
	readonly status: {
		readonly phase: string;
		readonly conditions?: readonly {
			readonly type: string;
			readonly status: string;
		}[];
	};
}

export interface NamespaceView {
	readonly services: readonly Service[];
	readonly slices: readonly EndpointSlice[];
	readonly pods: readonly Pod[];
	readonly policies: readonly NetworkPolicy[];
}

/** What a client sees of packets that are dropped, after three seconds of waiting. */
export const late = "no answer within 3 s";

export const isReady = ({ metadata, status }: Pod): boolean =>
	metadata.deletionTimestamp === undefined &&
	status.phase === "Running" &&
	(status.conditions ?? []).some(
		({ type, status: value }) => type === "Ready" && value === "True",
	);

/** Whether the policies let one pod of the namespace open a connection to a port of another. */
export const mayReach = (
	from: Pod,
	to: { readonly pod: Pod; readonly port: number },
	{ policies }: NamespaceView,
): boolean =>
	mayConnect(
		presentEnd(from),
		{ ...presentEnd(to.pod), port: to.port },
		policies,
	);

const presentEnd = ({ metadata }: Pod): End => ({
	labels: metadata.labels ?? {},
	namespaceLabels: { "kubernetes.io/metadata.name": metadata.namespace ?? "" },
	isInside: true,
});

/** One pod behind a Service, and the port of it that is meant. */
export interface Endpoint {
	readonly pod: Pod;
	readonly port: number;
}

/** Who would answer a pod at a URL: Ready endpoints only, as a Service balances over them. Or why nobody does. */
export function findEndpoints(
	address: string,
	from: Pod,
	view: NamespaceView,
): { readonly endpoints: readonly Endpoint[] } | { readonly error: string } {
	const url = new URL(address);
	const [host = ""] = url.hostname.split(".");
	const service = view.services.find(({ metadata }) => metadata.name === host);
	if (service === undefined) return { error: `no such host: ${host}` };
	const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
	const servicePort = service.spec.ports?.find((entry) => entry.port === port);
	if (servicePort === undefined) {
		return { error: `no answer: service ${host} has no port ${port}` };
	}
	const ready = listReadyEndpoints(host, servicePort.name, view);
	if (ready.length === 0) return { error: "connection refused" };
	const endpoints = ready.filter((to) => mayReach(from, to, view));
	return endpoints.length === 0 ? { error: late } : { endpoints };
}

function listReadyEndpoints(
	service: string,
	portName: string | undefined,
	view: NamespaceView,
): Endpoint[] {
	const slices = view.slices.filter(
		({ metadata }) =>
			metadata.labels?.["kubernetes.io/service-name"] === service,
	);
	return slices.flatMap((slice) => {
		const port = slice.ports?.find(
			(entry) => (entry.name ?? "") === (portName ?? ""),
		)?.port;
		if (port === undefined) return [];
		return (slice.endpoints ?? [])
			.filter((endpoint) => endpoint.conditions?.ready !== false)
			.flatMap((endpoint) => {
				const pod = view.pods.find(
					({ metadata }) => metadata.name === endpoint.targetRef?.name,
				);
				return pod === undefined ? [] : [{ pod, port }];
			});
	});
}
