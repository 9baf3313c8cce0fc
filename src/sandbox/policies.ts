// What network policies let through, by the words of the API (networking.k8s.io/v1). Nothing enforces them in the
// sandbox, where no packet is sent; so whoever plays a connection asks here whether it would have come about. Pure.
import type { ApiObject } from "./api.ts";

type Labels = Readonly<Record<string, string>>;

export interface LabelSelector {
	readonly matchLabels?: Labels;
	readonly matchExpressions?: readonly {
		readonly key: string;
		readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
		readonly values?: readonly string[];
	}[];
}

interface Peer {
	readonly podSelector?: LabelSelector;
	readonly namespaceSelector?: LabelSelector;
	readonly ipBlock?: { readonly cidr: string };
}
interface Rule {
	readonly ports?: readonly {
		readonly protocol?: string;
		readonly port?: number | string;
		readonly endPort?: number;
	}[];
}

export interface NetworkPolicy extends ApiObject {
	readonly spec: {
		readonly podSelector: LabelSelector;
		readonly policyTypes?: readonly ("Ingress" | "Egress")[];
		readonly ingress?: readonly (Rule & { readonly from?: readonly Peer[] })[];
		readonly egress?: readonly (Rule & { readonly to?: readonly Peer[] })[];
	};
}

/** A pod as a policy sees it. */
export interface End {
	readonly labels: Labels;
	readonly namespaceLabels: Labels;
	/** Whether it is in the namespace of the policies. */
	readonly isInside: boolean;
}

/** Whether a pod's connection to a TCP port of another would come about, by the policies of the one namespace that has any. */
export function mayConnect(
	from: End,
	to: End & { readonly port: number },
	policies: readonly NetworkPolicy[],
): boolean {
	return (
		(!from.isInside || mayLeave(from, to, policies)) &&
		(!to.isInside || mayEnter(from, to, policies))
	);
}

function mayLeave(
	from: End,
	to: End & { readonly port: number },
	policies: readonly NetworkPolicy[],
): boolean {
	const concerned = selectPolicies(from, "Egress", policies);
	return (
		concerned.length === 0 ||
		concerned.some(({ spec }) =>
			(spec.egress ?? []).some(
				(rule) => matchesPeer(rule.to, to) && matchesPort(rule, to.port),
			),
		)
	);
}

function mayEnter(
	from: End,
	to: End & { readonly port: number },
	policies: readonly NetworkPolicy[],
): boolean {
	const concerned = selectPolicies(to, "Ingress", policies);
	return (
		concerned.length === 0 ||
		concerned.some(({ spec }) =>
			(spec.ingress ?? []).some(
				(rule) => matchesPeer(rule.from, from) && matchesPort(rule, to.port),
			),
		)
	);
}

const selectPolicies = (
	{ labels }: End,
	type: "Ingress" | "Egress",
	policies: readonly NetworkPolicy[],
) =>
	policies.filter(
		({ spec }) =>
			matches(spec.podSelector, labels) &&
			(spec.policyTypes ?? ["Ingress"]).includes(type),
	);

/** No list means everybody. A block of addresses is not for pods: whether it holds theirs, no policy may rely on that. */
const matchesPeer = (peers: readonly Peer[] | undefined, end: End): boolean =>
	peers === undefined ||
	peers.length === 0 ||
	peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
		if (ipBlock !== undefined) return false;
		const isNamespace =
			namespaceSelector === undefined
				? end.isInside
				: matches(namespaceSelector, end.namespaceLabels);
		return (
			isNamespace &&
			(podSelector === undefined || matches(podSelector, end.labels))
		);
	});

/** By numbers only: a port's name would have to be looked up in the pod. */
const matchesPort = ({ ports = [] }: Rule, wanted: number): boolean =>
	ports.length === 0 ||
	ports.some(
		({ protocol = "TCP", port, endPort }) =>
			protocol === "TCP" &&
			(port === undefined ||
				(typeof port === "number" &&
					wanted >= port &&
					wanted <= (endPort ?? port))),
	);

type Expression = NonNullable<LabelSelector["matchExpressions"]>[number];

const matches = (
	{ matchLabels = {}, matchExpressions = [] }: LabelSelector,
	labels: Labels,
): boolean =>
	Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
	matchExpressions.every((expression) => holds(expression, labels));

function holds(
	{ key, operator, values = [] }: Expression,
	labels: Labels,
): boolean {
	const value = labels[key];
	switch (operator) {
		case "In":
			return value !== undefined && values.includes(value);
		case "NotIn":
			return value === undefined || !values.includes(value);
		case "Exists":
			return value !== undefined;
		case "DoesNotExist":
			return value === undefined;
	}
}
