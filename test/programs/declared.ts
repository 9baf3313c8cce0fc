// Runs a program against Pulumi's mock monitor and keeps what it asked the engine for.
import * as pulumi from "@pulumi/pulumi";
import { findProgram } from "../../programs/catalog.ts";
import type { AwsAccess } from "../../src/domain/aws.ts";
import {
	type BlueprintInput,
	type BlueprintOutputs,
	currentVersions,
	type Pace,
} from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { type Secrets, secretNames } from "../../src/domain/secret.ts";
import type { Size } from "../../src/domain/spec.ts";
import { targetSettings } from "../../src/domain/target.ts";

type Labels = Record<string, string>;

export interface Container {
	readonly name: string;
	readonly image: string;
	readonly command?: readonly string[];
	readonly env?: readonly {
		readonly name: string;
		readonly value?: string;
		readonly valueFrom?: {
			readonly secretKeyRef?: { readonly name: string; readonly key: string };
		};
	}[];
	readonly ports?: readonly { readonly containerPort: number }[];
	readonly startupProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly readinessProbe?: Probe;
	readonly resources?: {
		readonly requests?: Labels;
		readonly limits?: Labels;
	};
	readonly securityContext?: {
		readonly runAsNonRoot?: boolean;
		readonly runAsUser?: number;
		readonly allowPrivilegeEscalation?: boolean;
		readonly capabilities?: { readonly drop?: readonly string[] };
	};
}

export interface Probe {
	readonly httpGet?: { readonly path: string; readonly port: number };
	readonly exec?: { readonly command: readonly string[] };
	readonly timeoutSeconds?: number;
	readonly periodSeconds?: number;
	readonly failureThreshold?: number;
}

interface Spread {
	readonly topologyKey: string;
	readonly whenUnsatisfiable: string;
	readonly minDomains?: number;
	readonly labelSelector: { readonly matchLabels: Labels };
}

export interface PodSpec {
	readonly containers: readonly Container[];
	readonly initContainers?: readonly Container[];
	readonly serviceAccountName?: string;
	readonly enableServiceLinks?: boolean;
	readonly automountServiceAccountToken?: boolean;
	readonly securityContext?: {
		readonly seccompProfile?: { readonly type: string };
	};
	readonly terminationGracePeriodSeconds?: number;
	readonly topologySpreadConstraints?: readonly Spread[];
	readonly affinity?: {
		readonly podAntiAffinity?: Record<string, readonly unknown[]>;
	};
}

interface Metadata {
	readonly name?: string;
	readonly namespace?: string;
	readonly labels?: Labels;
	readonly annotations?: Labels;
}

/** The fields of Kubernetes objects that the tests look at. */
export interface Manifest {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: Metadata;
	readonly type?: string;
	readonly automountServiceAccountToken?: boolean;
	readonly imagePullSecrets?: readonly { readonly name: string }[];
	readonly data?: Labels;
	readonly stringData?: Labels;
	readonly spec?: {
		readonly replicas?: number;
		readonly hard?: Labels;
		readonly limits?: readonly {
			readonly type: string;
			readonly max?: Labels;
		}[];
		readonly resources?: { readonly requests: { readonly storage: string } };
		readonly strategy?: { readonly type: string };
		readonly selector?: { readonly matchLabels?: Labels };
		readonly template?: { readonly metadata: Metadata; readonly spec: PodSpec };
		/** Of a CronJob. */
		readonly jobTemplate?: {
			readonly spec: { readonly template: { readonly spec: PodSpec } };
		};
		readonly volumeClaimTemplates?: readonly {
			readonly metadata: Metadata;
			readonly spec: {
				readonly storageClassName?: string;
				readonly resources: { readonly requests: { readonly storage: string } };
			};
		}[];
		readonly persistentVolumeClaimRetentionPolicy?: Labels;
		readonly serviceName?: string;
		readonly podManagementPolicy?: string;
		readonly clusterIP?: string;
		readonly publishNotReadyAddresses?: boolean;
		readonly type?: string;
		readonly ports?: readonly {
			readonly name?: string;
			readonly port: number;
		}[];
		readonly backoffLimit?: number;
		readonly ttlSecondsAfterFinished?: number;
		readonly activeDeadlineSeconds?: number;
		readonly maxUnavailable?: number;
		readonly ingressClassName?: string;
		readonly tls?: readonly {
			readonly hosts: readonly string[];
			readonly secretName?: string;
		}[];
		readonly rules?: readonly {
			readonly host: string;
			readonly http: {
				readonly paths: readonly {
					readonly path: string;
					readonly backend: {
						readonly service: {
							readonly name: string;
							readonly port: { readonly name: string };
						};
					};
				}[];
			};
		}[];
	};
}

/** One resource as the engine was asked for it. */
export interface Declared {
	readonly type: string;
	readonly name: string;
	/** As sent, with secrets laid open. */
	readonly inputs: Manifest;
	/** As sent, with every secret replaced by a mark. */
	readonly shown: string;
	readonly provider: string;
	readonly deletedWith: string;
	readonly dependencies: readonly string[];
}

export interface Declaration {
	readonly resources: readonly Declared[];
	readonly outputs: BlueprintOutputs;
}

/** Values that can be found again wherever they appear. */
export const plantedSecrets = Object.fromEntries(
	secretNames.map((name) => [name, `planted-${name}`]),
) as Secrets;
export const plantedKubeconfig = "planted-kubeconfig";

export const plantedAws: AwsAccess = {
	region: "eu-central-1",
	accessKeyId: "planted-deployer-key",
	secretAccessKey: "planted-deployer-secret",
	endpoint: null,
};

export function givenInput(
	size: Size,
	changes: Partial<BlueprintInput> = {},
): BlueprintInput {
	return {
		environment: "env_0123456789abcdefghjk",
		environmentName: "qa-1",
		tenant: "acme",
		namespace: "acme-qa-1-x7k2",
		revision: 3,
		size,
		release: upstreamRelease("0.6.0", "0.15.0"),
		labels: { purpose: "testing" },
		parameters: parameters.parse({}),
		secrets: plantedSecrets,
		target: {
			kubeconfig: plantedKubeconfig,
			clusterIdentifier: "sandbox",
			domain: "apps.example.test",
			ingressClass: null,
			storageClass: null,
			settings: targetSettings.parse({}),
			pullSecret: null,
		},
		...changes,
	};
}

let registered: Declared[] = [];

/** What a declaration that is under way has asked for so far, as `Kind name`. */
export const listSoFar = (): readonly string[] =>
	registered.map(({ inputs }) => `${inputs.kind} ${inputs.metadata?.name}`);

/** Declares the current version of the program, and waits until every resource was registered. */
export async function declare(
	input: BlueprintInput,
	pace?: Pace,
): Promise<Declaration> {
	const program = findProgram({
		name: "maestro",
		version: currentVersions.maestro,
	});
	if (program === undefined) throw new Error("there is no such program");
	registered = [];
	await listen();
	const outputs = await pulumi.runtime.runInPulumiStack(program(input, pace));
	await pulumi.runtime.disconnect();
	// The order in which resources reach the engine is not ours to promise.
	const key = ({ type, name }: Declared) => `${type} ${name}`;
	const resources = registered.toSorted((one, other) =>
		key(one).localeCompare(key(other)),
	);
	return { resources, outputs: outputs as BlueprintOutputs };
}

/** Mocks, and an ear at their monitor: mocks alone tell neither options nor what is secret. */
async function listen(): Promise<void> {
	await pulumi.runtime.setMocks(
		{
			newResource: (resource) => ({
				id: resource.name,
				state: resource.inputs,
			}),
			call: (call) => call.inputs,
		},
		"impresario-maestro",
		"env-test",
	);
	const monitor = pulumi.runtime.getMonitor();
	if (monitor === undefined) throw new Error("there is no monitor");
	const register = monitor.registerResource.bind(monitor);
	Object.assign(monitor, {
		registerResource: (...call: Parameters<typeof register>) => {
			const [request] = call;
			const inputs = request.getObject()?.toJavaScript() ?? {};
			if (request.getCustom())
				registered.push({
					type: request.getType(),
					name: request.getName(),
					inputs: layOpen(inputs, (value) => value) as Manifest,
					shown: JSON.stringify(layOpen(inputs, () => "[secret]")),
					provider: request.getProvider(),
					deletedWith: request.getDeletedwith(),
					dependencies: request.getDependenciesList(),
				});
			return register(...call);
		},
	});
}

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Walks a value as it goes over the wire and replaces each secret by what `present` makes of it. */
function layOpen(
	value: unknown,
	present: (secret: unknown) => unknown,
): unknown {
	if (Array.isArray(value))
		return value.map((item: unknown) => layOpen(item, present));
	if (typeof value !== "object" || value === null) return value;
	const entries: Record<string, unknown> = { ...value };
	if (entries[signatureKey] === secretSignature)
		return layOpen(present(entries.value), present);
	return Object.fromEntries(
		Object.entries(entries).map(([key, item]) => [key, layOpen(item, present)]),
	);
}

export function listObjects(
	declaration: Declaration,
	kind?: string,
): readonly Manifest[] {
	return declaration.resources
		.filter((resource) => resource.type.startsWith("kubernetes:"))
		.map((resource) => resource.inputs)
		.filter((object) => kind === undefined || object.kind === kind);
}

export function loadObject(
	declaration: Declaration,
	kind: string,
	name: string,
): Manifest {
	const found = listObjects(declaration, kind).find(
		(object) => object.metadata.name === name,
	);
	if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
	return found;
}

export function loadPod(workload: Manifest): PodSpec {
	const pod = workload.spec?.template?.spec;
	if (pod === undefined)
		throw new Error(`${workload.metadata.name} has no pods`);
	return pod;
}

/** The pods of all Deployments, StatefulSets and Jobs, by the name of their owner. */
export function listPods(
	declaration: Declaration,
): readonly (readonly [string, PodSpec])[] {
	return listObjects(declaration)
		.filter((object) => object.spec?.template !== undefined)
		.map((object) => [object.metadata.name ?? "", loadPod(object)] as const);
}

export function listContainers(pod: PodSpec): readonly Container[] {
	return [...(pod.initContainers ?? []), ...pod.containers];
}

/** The process's own container, and its variables that have a plain value. */
export function loadContainer(pod: PodSpec): Container {
	const [container] = pod.containers;
	if (container === undefined) throw new Error("the pod has no container");
	return container;
}

export function listPlainVariables(container: Container): Labels {
	const entries = (container.env ?? []).flatMap((variable) =>
		variable.value === undefined ? [] : [[variable.name, variable.value]],
	);
	return Object.fromEntries(entries) as Labels;
}

export function listSecretVariables(container: Container): readonly string[] {
	return (container.env ?? [])
		.filter((variable) => variable.valueFrom?.secretKeyRef !== undefined)
		.map((variable) => variable.name)
		.sort();
}
