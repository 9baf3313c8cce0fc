// The four public hosts. Everything else stays inside the namespace.
import * as kubernetes from "@pulumi/kubernetes";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { publicHost } from "./addresses.ts";
import { labelsOf } from "./conventions.ts";
import type { Tailored } from "./tailor.ts";

/** One Ingress for each public process: their annotations differ, and annotations hold for a whole Ingress. */
export function createIngress(
	process: Tailored,
	publicPath: string,
	input: Pick<BlueprintInput, "namespace" | "target">,
): void {
	const { name } = process;
	const host = publicHost(name, input);
	const { ingressClass } = input.target;
	new kubernetes.networking.v1.Ingress(name, {
		metadata: {
			name,
			labels: labelsOf({ name, component: process.role }),
			annotations: process.ingressAnnotations,
		},
		spec: {
			...(ingressClass === null ? {} : { ingressClassName: ingressClass }),
			// Without a Secret: the controller answers with its own certificate.
			tls: [{ hosts: [host] }],
			rules: [
				{
					host,
					http: {
						paths: [
							{
								path: publicPath,
								pathType: "Prefix",
								backend: { service: { name, port: { name: "http" } } },
							},
						],
					},
				},
			],
		},
	});
}
