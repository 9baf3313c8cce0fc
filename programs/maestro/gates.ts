// Small proxies beside a public process that do what an Ingress cannot be relied on to do. Their rules hold with every
// Ingress controller and without any annotation: those of ingress-nginx that could do the same (snippets) are switched
// off in most clusters, and other controllers have none.
import * as kubernetes from "@pulumi/kubernetes";
import type { Parameters } from "../../src/domain/parameters.ts";
import type { ProcessName, ReleaseImages } from "../../src/domain/release.ts";
import { gateResources, isGated } from "../../src/domain/sizing.ts";
import { labelsOf } from "./conventions.ts";
import { gateScript } from "./gate-script.ts";
import { runAsUser, writeToTmp } from "./pods.ts";
import type { Probes } from "./probes.ts";

type Container = kubernetes.types.input.core.v1.Container;
type Volume = kubernetes.types.input.core.v1.Volume;

/** A gate, as plain values. */
export interface Gate {
	/** Of its container and of its port at the Service. */
	readonly name: "sign-up" | "index";
	readonly port: number;
	/** What browsers reach through it. */
	readonly paths: readonly PublicPath[];
	/** Whether browsers reach nothing of the process past it. */
	readonly takesAll: boolean;
}

export interface PublicPath {
	readonly path: string;
	readonly pathType: "Prefix" | "Exact";
}

const gates: Readonly<Record<Gate["name"], Gate>> = {
	/** Refuses to make accounts. */
	"sign-up": {
		name: "sign-up",
		port: 8889,
		paths: [{ path: "/", pathType: "Prefix" }],
		takesAll: true,
	},
	/** Tells browsers to ask again for the client's page: upstream lets them keep it for ever, with old addresses in it. */
	index: {
		name: "index",
		port: 8081,
		paths: [
			{ path: "/", pathType: "Exact" },
			{ path: "/index.html", pathType: "Exact" },
		],
		takesAll: false,
	},
};

/** null: browsers reach the process itself. */
export function findGate(
	process: ProcessName,
	parameters: Pick<Parameters, "closedSignUp">,
): Gate | null {
	if (!isGated(process, parameters)) return null;
	return process === "client" ? gates.index : gates["sign-up"];
}

const user = 1000;
const configurationName = "client-index";
const configurationFile = "/etc/impresario/index.conf";

/** For nginx, which the client's image has in it. It writes to /tmp only. */
export const indexConfiguration = `pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {}
http {
  access_log off;
  server_tokens off;
  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server {
    listen ${gates.index.port};
    location / {
      proxy_pass http://127.0.0.1:80;
      proxy_set_header Host $host;
      proxy_hide_header Cache-Control;
      proxy_hide_header Expires;
      add_header Cache-Control no-cache always;
    }
  }
}
`;

/** Declares what the gates of the client read. */
export function createIndexConfiguration(): void {
	new kubernetes.core.v1.ConfigMap(configurationName, {
		metadata: {
			name: configurationName,
			labels: labelsOf({ name: "client", component: "frontend" }),
		},
		data: { "index.conf": indexConfiguration },
	});
}

export interface Sidecar {
	readonly containers: readonly Container[];
	readonly volumes: readonly Volume[];
}

/** The gate's container, with the volumes that it needs. `target` is the port of the process. */
export function createGate(
	gate: Gate,
	target: number,
	images: ReleaseImages,
): Sidecar {
	return gate.name === "index"
		? createIndexGate(gate, images.client)
		: createSignUpGate(gate, target, images.server);
}

function createIndexGate(gate: Gate, image: string): Sidecar {
	return {
		containers: [
			{
				...describe(gate),
				image,
				command: [
					"nginx",
					"-e",
					"/dev/stderr",
					"-c",
					configurationFile,
					"-g",
					"daemon off;",
				],
				volumeMounts: [
					...writeToTmp.volumeMounts,
					{
						name: "configuration",
						mountPath: configurationFile,
						subPath: "index.conf",
						readOnly: true,
					},
				],
			},
		],
		volumes: [
			...writeToTmp.volumes,
			{ name: "configuration", configMap: { name: configurationName } },
		],
	};
}

function createSignUpGate(gate: Gate, target: number, image: string): Sidecar {
	return {
		containers: [
			{
				...describe(gate),
				image,
				command: ["node", "-e", gateScript],
				env: [
					{ name: "GATE_PORT", value: String(gate.port) },
					{ name: "GATE_TARGET", value: String(target) },
				],
			},
		],
		volumes: [],
	};
}

/** What all gates have in common. They are ready when the process behind them answers. */
function describe(gate: Gate) {
	const httpGet = { path: "/", port: gate.port };
	return {
		name: gate.name,
		ports: [{ name: gate.name, containerPort: gate.port }],
		lifecycle: { preStop: { exec: { command: ["sleep", "5"] } } },
		readinessProbe: { httpGet, periodSeconds: 5, timeoutSeconds: 4 },
		livenessProbe: { tcpSocket: { port: gate.port }, periodSeconds: 15 },
		resources: gateResources,
		securityContext: { ...runAsUser(user), ...writeToTmp.securityContext },
	} satisfies Partial<Container> & Partial<Probes>;
}
