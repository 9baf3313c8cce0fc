import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { Failure } from "../failure.ts";

/** The way to one API server. */
export interface Access {
	/** For messages and as the base of every URL: no credentials, no slash at the end. */
	readonly address: string;
	readonly isSecure: boolean;
	/** Adds to a request's options who we are. An `agent` is set if and only if there is a proxy on the way. */
	authenticate(options: RequestOptions): Promise<void>;
}

/**
 * Reads a kubeconfig and takes its current context. Throws `not_set_up`, which quotes nothing of the
 * kubeconfig: it is a secret.
 */
export function loadKubeconfig(text: string): Access {
	const config = new KubeConfig();
	const server = loadServer(config, text);
	const address = `${server.origin}${server.pathname.replace(/\/$/, "")}`;
	const isProxied = Boolean(config.getCurrentCluster()?.proxyUrl);
	return {
		address,
		isSecure: server.protocol === "https:",
		async authenticate(options) {
			try {
				await config.applyToHTTPSOptions(options);
			} catch {
				// Without its cause: a login command's answer, quoted in it, may hold a token.
				throw new Failure({
					code: "not_set_up",
					message: `The deployer's credentials for the Kubernetes API server at ${address} cannot be read.`,
					advice:
						"Check the user in the target's kubeconfig: its files, its login command, its token.",
				});
			}
			if (!isProxied) delete options.agent;
		},
	};
}

function loadServer(config: KubeConfig, text: string): URL {
	try {
		config.loadFromString(text);
		// Without TLS there is nothing to verify, yet the library wants to be told so.
		config.clusters = config.clusters.map((cluster) =>
			cluster.server.startsWith("http:")
				? { ...cluster, skipTLSVerify: true }
				: cluster,
		);
		const server = new URL(config.getCurrentCluster()?.server ?? "");
		if (/^https?:$/.test(server.protocol)) return server;
	} catch {
		// Told below: what the parser says may quote the text.
	}
	throw new Failure({
		code: "not_set_up",
		message:
			"The target's kubeconfig names no cluster: it is no kubeconfig, or its current context leads nowhere.",
		advice:
			"Register the target again with a kubeconfig whose current context has a cluster with an http or https server.",
	});
}
