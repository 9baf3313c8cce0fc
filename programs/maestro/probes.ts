// How the kubelet learns that a container has started, works and may be sent to.
import type * as kubernetes from "@pulumi/kubernetes";
import type { Process } from "./processes.ts";

type Container = kubernetes.types.input.core.v1.Container;
export type Probes = Pick<
	Container,
	"startupProbe" | "livenessProbe" | "readinessProbe"
>;

/**
 * The probes of a process. Upstream's time-out of one second is too short for both kinds: a worker alone needs
 * longer to start the command that asks.
 */
export function createProbes(process: Pick<Process, "probe" | "port">): Probes {
	switch (process.probe.kind) {
		case "http":
			return createHttpProbes(process.probe.path, process.port ?? 80);
		case "celery":
			return createCeleryProbes();
		case "none":
			return {};
	}
}

function createHttpProbes(path: string, port: number): Probes {
	const httpGet = { path, port };
	return {
		// Node answers 503 until its first attempt at MongoDB ended.
		startupProbe: {
			httpGet,
			periodSeconds: 3,
			timeoutSeconds: 4,
			failureThreshold: 40,
		},
		readinessProbe: {
			httpGet,
			periodSeconds: 5,
			timeoutSeconds: 4,
			failureThreshold: 3,
		},
		livenessProbe: {
			httpGet,
			periodSeconds: 15,
			timeoutSeconds: 5,
			failureThreshold: 4,
		},
	};
}

function createCeleryProbes(): Probes {
	// Asks this worker by its name. `celery status` would pass as soon as one worker on the broker answers.
	const exec = {
		command: [
			"sh",
			"-c",
			'exec celery -A app.celery inspect ping -t 10 -d "celery@$HOSTNAME"',
		],
	};
	return {
		startupProbe: {
			exec,
			periodSeconds: 10,
			timeoutSeconds: 30,
			failureThreshold: 18,
		},
		// Asking costs a Python start and a broker connection: rarely.
		livenessProbe: {
			exec,
			periodSeconds: 60,
			timeoutSeconds: 30,
			failureThreshold: 5,
		},
	};
}
