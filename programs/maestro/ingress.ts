// The four public hosts. Everything else stays inside the namespace.
import * as kubernetes from "@pulumi/kubernetes";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import type { TargetSettings } from "../../src/domain/target.ts";
import { publicHost } from "./addresses.ts";
import { labelsOf } from "./conventions.ts";
import type { PublicPath } from "./gates.ts";
import type { Tailored } from "./tailor.ts";

/** One Ingress for each public process: their annotations differ, and annotations hold for a whole Ingress. */
export function createIngress(
	process: Tailored,
	publicPath: string,
	input: Pick<BlueprintInput, "namespace" | "target">,
): void {
	const { name } = process;
	const host = publicHost(name, input);
	const { ingressClass, settings } = input.target;
	const tls = decideTls(name, settings.tls);
	new kubernetes.networking.v1.Ingress(name, {
		metadata: {
			name,
			labels: labelsOf({ name, component: process.role }),
			annotations: {
				...process.ingressAnnotations,
				...tls.annotations,
				...settings.ingressAnnotations,
			},
		},
		spec: {
			...(ingressClass === null ? {} : { ingressClassName: ingressClass }),
			tls: [{ hosts: [host], ...tls.secret }],
			rules: [
				{
					host,
					http: {
						paths: listPaths(process, publicPath).map(
							({ port, ...publicPath }) => ({
								...publicPath,
								backend: { service: { name, port: { name: port } } },
							}),
						),
					},
				},
			],
		},
	});
}

/** What browsers reach, and at which port of the Service. */
function listPaths(
	{ gate }: Pick<Tailored, "gate">,
	publicPath: string,
): (PublicPath & { readonly port: string })[] {
	const throughGate =
		gate?.paths.map((path) => ({ ...path, port: gate.name })) ?? [];
	return gate?.takesAll
		? throughGate
		: [...throughGate, { path: publicPath, pathType: "Prefix", port: "http" }];
}

interface Tls {
	readonly annotations: Readonly<Record<string, string>>;
	/** Empty: the controller answers with its own certificate. */
	readonly secret: { readonly secretName?: string };
}

function decideTls(name: string, tls: TargetSettings["tls"]): Tls {
	if (tls === null) return { annotations: {}, secret: {} };
	if ("secretName" in tls)
		return { annotations: {}, secret: { secretName: tls.secretName } };
	const annotation = tls.kind === "Issuer" ? "issuer" : "cluster-issuer";
	return {
		annotations: { [`cert-manager.io/${annotation}`]: tls.issuer },
		secret: { secretName: `${name}-tls` },
	};
}
