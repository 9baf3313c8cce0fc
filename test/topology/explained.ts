// What kube-score finds and why it stays. A finding that is not here fails the tests, and so does an explanation that
// explains nothing any more.
import type { Size } from "../../src/domain/spec.ts";

export interface Explanation {
	/** The id of kube-score's check. */
	readonly check: string;
	/** The objects concerned, as `Kind/name`. */
	readonly objects: RegExp;
	/** undefined: of both. */
	readonly size?: Size;
	readonly reason: string;
}

const workloads = /^(Deployment|StatefulSet|Job|CronJob)\//;

export const explanations: readonly Explanation[] = [
	{
		check: "container-ephemeral-storage-request-and-limit",
		objects: workloads,
		reason:
			"The namespace's LimitRange gives every container its share of the node's disk, the same to all of them.",
	},
	{
		check: "container-image-pull-policy",
		objects: workloads,
		reason:
			"A release names images that do not change, by version or by digest. To ask the registry at every start would let its outage stop a pod that could start.",
	},
	{
		check: "container-security-context-user-group-id",
		objects: workloads,
		reason:
			"The images bring their users: 1000 in Maestro's Python images, 999 in MongoDB's and RabbitMQ's, root where the image starts as root. A higher number would not own the image's files.",
	},
	{
		check: "container-security-context-readonlyrootfilesystem",
		objects:
			/^(Deployment\/(client|server|analytics-front|audit|websocket)|Job\/migrate-3)$/,
		reason:
			"Upstream's nginx, Node and Centrifugo images write to their own root filesystem when they start: index.html, pm2's files, /config.json.",
	},
	{
		check: "container-security-context-readonlyrootfilesystem",
		objects: /^StatefulSet\/rabbitmq$/,
		reason:
			"RabbitMQ's start script writes below /etc/rabbitmq and /var/log, whatever is mounted there.",
	},
	{
		check: "deployment-has-host-podantiaffinity",
		objects: /^Deployment\//,
		reason:
			"Topology spread constraints do the same and more: replicas must be on different nodes in `ha` and go to different zones where they can, in a roll-out as well.",
	},
	{
		check: "deployment-has-poddisruptionbudget",
		objects:
			/^Deployment\/(discovery|reports|analytics|audit|analytics-front|(discovery|reports|scheduler|analytics)-worker)$/,
		reason:
			"Maestro's documentation asks for budgets where a user would notice: server, client and data. What the others do is asynchronous, and a drain must not wait for a worker's task.",
	},
	{
		check: "deployment-replicas",
		objects: /^Deployment\/websocket$/,
		reason:
			"Centrifugo keeps its subscribers in memory: two would each know half of them.",
	},
	{
		check: "deployment-replicas",
		objects: /^Deployment\/(server|analytics-front)$/,
		reason:
			"Without a bucket uploads are local files, which a second pod would not see. The environment says so in its warnings.",
	},
	{
		check: "deployment-replicas",
		objects: /^Deployment\//,
		size: "small",
		reason: "`small` is one of each, for tests that last minutes to hours.",
	},
	{
		check: "deployment-strategy",
		objects: /^Deployment\/websocket$/,
		reason:
			"Never two, not even during a roll-out: the old one ends before the new one starts.",
	},
	{
		check: "networkpolicy-targets-pod",
		objects: /^NetworkPolicy\/verify$/,
		reason:
			"Its pod is made by the service after every deploy, and is not among what the program declares.",
	},
	{
		check: "networkpolicy-targets-pod",
		objects: /^NetworkPolicy\/acme-solver$/,
		reason: "Its pods are made by cert-manager when it answers a challenge.",
	},
	{
		check: "pod-probes-identical",
		objects: /^Deployment\//,
		reason:
			"Maestro's processes have one endpoint to ask. The probes differ in patience: a pod that is slow gets no more requests long before it is started again.",
	},
];
