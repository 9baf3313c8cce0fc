// Kubeconfigs that hold all they need, as texts.
import type { Pair } from "./x509.ts";

export interface KubeconfigRequest {
	/** https://host:port */
	readonly server: string;
	/** PEM text of the authority that signed the server's certificate. */
	readonly authority: string;
	readonly user: string;
	readonly client: Pair;
}

/** A kubeconfig for one user of one cluster, with the client's key in it: a secret. */
export function composeKubeconfig(request: KubeconfigRequest): string {
	const base64 = (text: string) => Buffer.from(text).toString("base64");
	return `apiVersion: v1
kind: Config
clusters:
- name: sandbox
  cluster:
    server: ${request.server}
    certificate-authority-data: ${base64(request.authority)}
users:
- name: ${request.user}
  user:
    client-certificate-data: ${base64(request.client.certificate)}
    client-key-data: ${base64(request.client.key)}
contexts:
- name: sandbox
  context:
    cluster: sandbox
    user: ${request.user}
current-context: sandbox
`;
}
