// What the version endpoints inside a namespace would answer, worked out from what really runs there: a check
// that cannot fail would be none. Pure.
import type { VersionCheck } from "../domain/blueprint.ts";
import type { CheckResult } from "../domain/cluster.ts";
import type { ApiObject } from "./api.ts";
import { readImageVersion } from "./faults.ts";

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

/** What one namespace holds. */
export interface NamespaceView {
	readonly services: readonly Service[];
	readonly slices: readonly EndpointSlice[];
	readonly pods: readonly Pod[];
}

/** One result per check, in the same order. An answer other than the promised one is an error. */
export function answerChecks(
	checks: readonly VersionCheck[],
	view: NamespaceView,
): CheckResult[] {
	return checks.map((check) => {
		const answer = ask(check, view);
		return { process: check.process, ...answer };
	});
}

type Answer = Omit<CheckResult, "process">;

function ask(check: VersionCheck, view: NamespaceView): Answer {
	const refuse = (error: string): Answer => ({ version: null, error });
	const url = new URL(check.url);
	const [host = ""] = url.hostname.split(".");
	const service = view.services.find(({ metadata }) => metadata.name === host);
	if (service === undefined) return refuse(`no such host: ${host}`);
	const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
	const servicePort = service.spec.ports?.find((entry) => entry.port === port);
	if (servicePort === undefined) {
		return refuse(`no answer: service ${host} has no port ${port}`);
	}
	const images = findReadyImages(host, servicePort.name, view);
	if (images.length === 0) return refuse("connection refused");
	return compare(
		images.map((image) => readImageVersion(image).version),
		check.version,
	);
}

/** The images of the containers that would be reached: of Ready endpoints only, as a Service balances over them. */
function findReadyImages(
	service: string,
	portName: string | undefined,
	view: NamespaceView,
): string[] {
	const slices = view.slices.filter(
		({ metadata }) =>
			metadata.labels?.["kubernetes.io/service-name"] === service,
	);
	return slices.flatMap((slice) => {
		const port = slice.ports?.find(
			(entry) => (entry.name ?? "") === (portName ?? ""),
		)?.port;
		return (slice.endpoints ?? [])
			.filter((endpoint) => endpoint.conditions?.ready !== false)
			.flatMap((endpoint) => {
				const pod = view.pods.find(
					({ metadata }) => metadata.name === endpoint.targetRef?.name,
				);
				return findListener(pod?.spec.containers ?? [], port)?.image ?? [];
			});
	});
}

/** The container that names the port; where none does, a pod's first container is taken for the one that listens. */
function findListener(
	containers: readonly Container[],
	port: number | undefined,
): Container | undefined {
	const named = containers.find((container) =>
		container.ports?.some((entry) => entry.containerPort === port),
	);
	return named ?? containers[0];
}

/** Of several replicas any may answer, so the first that breaks the promise is the one that is told of. */
function compare(
	versions: readonly (string | null)[],
	promised: string | null,
): Answer {
	if (promised === null) return { version: versions[0] ?? null, error: null };
	const wrong = versions.find((version) => version !== promised);
	if (wrong === undefined) return { version: promised, error: null };
	return {
		version: wrong,
		error: `answered ${wrong ?? "no version"} instead of ${promised}`,
	};
}
