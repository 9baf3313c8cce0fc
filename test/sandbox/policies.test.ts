// What network policies let through.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type End,
	mayConnect,
	type NetworkPolicy,
} from "../../src/sandbox/policies.ts";

const policy = (spec: NetworkPolicy["spec"]): NetworkPolicy => ({
	metadata: { name: "p", uid: "", resourceVersion: "" },
	spec,
});
const pod = (app: string): End => ({
	labels: { app },
	namespaceLabels: { name: "here" },
	isInside: true,
});
const outside: End = {
	labels: { app: "edge" },
	namespaceLabels: { name: "edge" },
	isInside: false,
};
const at = (end: End, port: number) => ({ ...end, port });
const select = (app: string) => ({ podSelector: { matchLabels: { app } } });

const deny = policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const aMayCallB = policy({
	...select("a"),
	policyTypes: ["Egress"],
	egress: [{ to: [select("b")], ports: [{ port: 80 }] }],
});
const bTakesA = policy({
	...select("b"),
	policyTypes: ["Ingress"],
	ingress: [{ from: [select("a")], ports: [{ protocol: "TCP", port: 80 }] }],
});
const all = [deny, aMayCallB, bTakesA];

test("without a policy everybody may talk to everybody", () => {
	assert.ok(mayConnect(pod("a"), at(pod("b"), 1), []));
});

test("both ends must agree, on the port as well", () => {
	assert.ok(mayConnect(pod("a"), at(pod("b"), 80), all));
	assert.ok(!mayConnect(pod("a"), at(pod("b"), 80), [deny, aMayCallB]));
	assert.ok(!mayConnect(pod("a"), at(pod("b"), 80), [deny, bTakesA]));
	assert.ok(!mayConnect(pod("a"), at(pod("b"), 81), all));
	assert.ok(!mayConnect(pod("b"), at(pod("a"), 80), all));
	assert.ok(!mayConnect(pod("c"), at(pod("b"), 80), all));
});

test("a policy for one direction leaves the other open", () => {
	assert.ok(mayConnect(pod("b"), at(pod("a"), 1), [bTakesA]));
	assert.ok(!mayConnect(pod("c"), at(pod("b"), 80), [bTakesA]));
});

test("a selector of pods means those of the same namespace", () => {
	const taken = policy({
		...select("b"),
		policyTypes: ["Ingress"],
		ingress: [{ from: [select("edge")] }],
	});
	assert.ok(!mayConnect(outside, at(pod("b"), 80), [taken]));
});

test("a namespace is let in by its labels", () => {
	const from = [{ namespaceSelector: { matchLabels: { name: "edge" } } }];
	const taken = policy({
		...select("b"),
		policyTypes: ["Ingress"],
		ingress: [{ from, ports: [{ port: 80 }] }],
	});
	assert.ok(mayConnect(outside, at(pod("b"), 80), [deny, taken]));
	assert.ok(!mayConnect(pod("a"), at(pod("b"), 80), [taken]));
});

test("a rule without peers is for everybody, one without ports for every port", () => {
	const open = policy({
		...select("b"),
		policyTypes: ["Ingress"],
		ingress: [{}],
	});
	assert.ok(mayConnect(pod("c"), at(pod("b"), 9), [open]));
});

test("a block of addresses lets no pod through", () => {
	const block = policy({
		podSelector: {},
		policyTypes: ["Egress"],
		egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
	});
	assert.ok(!mayConnect(pod("a"), at(pod("b"), 80), [block]));
});

test("expressions of a selector count", () => {
	const expression = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist") =>
		policy({
			podSelector: {
				matchExpressions: [{ key: "app", operator, values: ["b"] }],
			},
			policyTypes: ["Ingress"],
		});
	const isTaken = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist") =>
		mayConnect(pod("a"), at(pod("b"), 80), [expression(operator)]);
	assert.deepEqual(
		(["In", "NotIn", "Exists", "DoesNotExist"] as const).map(isTaken),
		[false, true, false, true],
	);
});
