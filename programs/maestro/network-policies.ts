// Network policies: nobody may talk to anybody, except by the call graph. One policy for each part, with whom it may
// call and who may call it: both ends must agree.
import * as kubernetes from "@pulumi/kubernetes";
import type { TargetSettings } from "../../src/domain/target.ts";
import { labelsOf } from "./conventions.ts";
import { type Entrance, type Part, type Reach, selectPart } from "./reach.ts";

type NetworkPolicySpec = kubernetes.types.input.networking.v1.NetworkPolicySpec;
type Peer = kubernetes.types.input.networking.v1.NetworkPolicyPeer;
type Port = kubernetes.types.input.networking.v1.NetworkPolicyPort;
type Egress = kubernetes.types.input.networking.v1.NetworkPolicyEgressRule;
type Ingress = kubernetes.types.input.networking.v1.NetworkPolicyIngressRule;

const component = "network-policy";

export function createNetworkPolicies(
	reach: Reach,
	settings: Pick<TargetSettings, "ingressFrom" | "monitoring" | "tls">,
): void {
	createPolicy("default-deny", {
		podSelector: {},
		policyTypes: ["Ingress", "Egress"],
	});
	createPolicy("dns", {
		podSelector: {},
		policyTypes: ["Egress"],
		egress: [
			{ to: nameServers, ports: [tcp(53), { protocol: "UDP", port: 53 }] },
		],
	});
	const sources = listSources(settings);
	for (const part of listParts(reach)) {
		createPolicy(part, {
			podSelector: { matchLabels: selectPart(part) },
			policyTypes: ["Ingress", "Egress"],
			ingress: [
				...listIngress(part, reach),
				...listEntrances(part, reach, sources),
			],
			egress: listEgress(part, reach),
		});
	}
	if (settings.tls !== null && "issuer" in settings.tls)
		createSolverPolicy(sources.edge);
}

function createPolicy(name: string, spec: NetworkPolicySpec): void {
	new kubernetes.networking.v1.NetworkPolicy(name, {
		metadata: { name, labels: labelsOf({ name, component }) },
		spec,
	});
}

// Name servers are pods in some namespace, or a cache on each node, which always has this address.
const nameServers: Peer[] = [
	{ namespaceSelector: {} },
	{ ipBlock: { cidr: "169.254.20.10/32" } },
];

// The addresses of a cloud's metadata, and with them its credentials, are among the second.
const anywhere: Peer[] = [
	{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } },
	{ ipBlock: { cidr: "::/0", except: ["fe80::/10", "fd00:ec2::254/128"] } },
];

const tcp = (port: number): Port => ({ protocol: "TCP", port });

const inNamespace = (name: string): Peer => ({
	namespaceSelector: {
		matchLabels: { "kubernetes.io/metadata.name": name },
	},
});

type Sources = Readonly<Record<Entrance["from"], readonly Peer[]>>;

const listSources = ({
	ingressFrom,
	monitoring,
}: Pick<TargetSettings, "ingressFrom" | "monitoring">): Sources => ({
	edge: [
		...ingressFrom.namespaces.map(inNamespace),
		...ingressFrom.cidrs.map((cidr) => ({ ipBlock: { cidr } })),
	],
	monitoring: [inNamespace(monitoring.namespace)],
});

const listParts = ({ edges, exits, entrances }: Reach): Part[] => [
	...new Set([
		...edges.flatMap(({ from, to }) => [from, to]),
		...exits.map(({ from }) => from),
		...entrances.map(({ to }) => to),
	]),
];

function listIngress(part: Part, { edges }: Reach): Ingress[] {
	const calls = edges.filter(({ to }) => to === part);
	return groupBy(calls, ({ port }) => port).map(([port, callers]) => ({
		from: callers.map(({ from }) => ofPart(from)),
		ports: [tcp(port)],
	}));
}

function listEntrances(
	part: Part,
	{ entrances }: Reach,
	sources: Sources,
): Ingress[] {
	return entrances
		.filter(({ to }) => to === part)
		.filter(({ from }) => sources[from].length > 0)
		.map(({ from, port }) => ({
			from: [...sources[from]],
			ports: [tcp(port)],
		}));
}

function listEgress(part: Part, { edges, exits }: Reach): Egress[] {
	const calls = edges.filter(({ from }) => from === part);
	const ways = exits.filter(({ from }) => from === part);
	const ports = ways.flatMap(({ port }) => (port === undefined ? [] : [port]));
	return [
		...groupBy(calls, ({ to }) => to).map(([to, targets]) => ({
			to: [ofPart(to)],
			ports: targets.map(({ port }) => tcp(port)),
		})),
		...(ways.length === 0
			? []
			: [
					{
						to: anywhere,
						// Without a list, every port.
						...(ports.length < ways.length
							? {}
							: { ports: [...new Set(ports)].map(tcp) }),
					},
				]),
	];
}

const ofPart = (part: Part): Peer => ({
	podSelector: { matchLabels: selectPart(part) },
});

function groupBy<Item, Key>(
	items: readonly Item[],
	keyOf: (item: Item) => Key,
): [Key, Item[]][] {
	const groups = new Map<Key, Item[]>();
	for (const item of items) {
		const key = keyOf(item);
		groups.set(key, [...(groups.get(key) ?? []), item]);
	}
	return [...groups];
}

/** cert-manager answers a challenge by a pod of its own in the namespace of the Ingress. */
function createSolverPolicy(edge: readonly Peer[]): void {
	createPolicy("acme-solver", {
		podSelector: {
			matchLabels: { "acme.cert-manager.io/http01-solver": "true" },
		},
		policyTypes: ["Ingress"],
		ingress: [{ from: [...edge], ports: [tcp(8089)] }],
	});
}
