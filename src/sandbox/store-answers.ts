// What MongoDB and RabbitMQ would tell a verification, worked out from their pods and from those who work with them.
// In the words of its script. Pure.
import type { QueuesCheck, ReplicaSetCheck } from "../domain/blueprint.ts";
import { partLabel } from "../domain/cluster.ts";
import {
	type Endpoint,
	findEndpoints,
	isReady,
	late,
	mayReach,
	type NamespaceView,
	type Pod,
} from "./namespace-view.ts";

/** What is wrong with the set; null if nothing is. */
export function askReplicaSet(
	check: ReplicaSetCheck,
	from: Pod,
	view: NamespaceView,
): string | null {
	const all = check.hosts.length;
	const faults = check.hosts.flatMap((host) => {
		const fault = askMember(host, { check, from, view });
		return fault === null ? [] : [`${host} ${fault}`];
	});
	return faults.length === 0
		? null
		: `${all - faults.length} of ${all} members: ${faults.join(", ")}`;
}

interface Question {
	readonly check: ReplicaSetCheck;
	readonly from: Pod;
	readonly view: NamespaceView;
}

function askMember(
	host: string,
	{ check, from, view }: Question,
): string | null {
	const [address = "", port = ""] = host.split(":");
	const [name, service] = address.split(".");
	const pod = view.pods.find(({ metadata }) => metadata.name === name);
	const isNamed = view.services.some(
		({ metadata }) => metadata.name === service,
	);
	if (pod === undefined || !isNamed) return "no such host";
	if (!mayReach(from, { pod, port: Number(port) }, view)) return late;
	if (pod.status.phase !== "Running") return "connection refused";
	const set = findSetName(pod);
	if (set !== check.set) {
		return set === undefined ? "is in no set" : `is in the set ${set}`;
	}
	// A member's readiness probe asks just this.
	return isReady(pod) ? null : "is neither primary nor secondary";
}

/** The set that the pod's server was started for. */
function findSetName({ spec }: Pod): string | undefined {
	const words = spec.containers.flatMap(({ command = [] }) => command);
	return /--replSet[ =](\S+)/.exec(words.join(" "))?.[1];
}

/** What is wrong with the queues; null if nothing is. */
export function askQueues(
	check: QueuesCheck,
	from: Pod,
	view: NamespaceView,
): string | null {
	const found = findEndpoints(check.url, from, view);
	if ("error" in found) return found.error;
	const idle = check.queues.filter(
		(queue) =>
			!view.pods.some((pod) => worksOn(queue, pod, found.endpoints, view)),
	);
	return idle.length === 0
		? null
		: `nobody works on the queue ${idle.join(", ")}`;
}

/** A worker takes from the queue that is named after its part, if it runs and reaches a node of the broker. */
function worksOn(
	queue: string,
	pod: Pod,
	nodes: readonly Endpoint[],
	view: NamespaceView,
): boolean {
	return (
		pod.metadata.labels?.[partLabel] === `${queue}-worker` &&
		isReady(pod) &&
		nodes.some((node) => {
			const port = findBrokerPort(node.pod);
			return port !== undefined && mayReach(pod, { ...node, port }, view);
		})
	);
}

const findBrokerPort = ({ spec }: Pod): number | undefined =>
	spec.containers
		.flatMap(({ ports = [] }) => ports)
		.find(({ name }) => name === "amqp")?.containerPort;
