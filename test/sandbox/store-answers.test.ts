// What the sandbox has MongoDB and RabbitMQ say of themselves: no more than what their pods could.
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
	QueuesCheck,
	ReplicaSetCheck,
} from "../../src/domain/blueprint.ts";
import type { NamespaceView, Pod } from "../../src/sandbox/namespace-view.ts";
import { askQueues, askReplicaSet } from "../../src/sandbox/store-answers.ts";

const metadata = (name: string, labels: Record<string, string> = {}) => ({
	name,
	namespace: "ns",
	labels,
	uid: "",
	resourceVersion: "",
});

interface Run {
	readonly isReady?: boolean;
	readonly phase?: string;
	readonly command?: readonly string[];
	readonly ports?: Pod["spec"]["containers"][number]["ports"];
}

function pod(
	name: string,
	part: string,
	{ isReady = true, phase = "Running", command = [], ports = [] }: Run = {},
): Pod {
	return {
		metadata: metadata(name, { "app.kubernetes.io/name": part }),
		spec: { containers: [{ name: part, image: "image:1", command, ports }] },
		status: {
			phase,
			conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
		},
	};
}

const asker: Pod = {
	...pod("verify-x", ""),
	metadata: metadata("verify-x", { "impresario.dev/job": "verify" }),
};
const start = (set: string) => [
	"bash",
	"-c",
	`exec mongod --replSet ${set} --bind_ip_all`,
];
const member = (ordinal: number, run: Run = {}) =>
	pod(`mongodb-${ordinal}`, "mongodb", { command: start("maestro"), ...run });

const view = (
	pods: readonly Pod[],
	policies: NamespaceView["policies"] = [],
): NamespaceView => ({
	services: [
		{ metadata: metadata("mongodb"), spec: { ports: [{ port: 27017 }] } },
		{ metadata: metadata("rabbitmq"), spec: { ports: [{ port: 15672 }] } },
	],
	slices: [
		{
			metadata: metadata("rabbitmq-1", {
				"kubernetes.io/service-name": "rabbitmq",
			}),
			ports: [{ port: 15672 }],
			endpoints: pods
				.filter(({ metadata: { name } }) => name.startsWith("rabbitmq"))
				.map(({ metadata: { name }, status }) => ({
					conditions: { ready: status.conditions?.[0]?.status === "True" },
					targetRef: { kind: "Pod", name },
				})),
		},
	],
	pods,
	policies,
});

const set: ReplicaSetCheck = {
	kind: "replicaSet",
	process: "mongodb",
	set: "maestro",
	hosts: [0, 1, 2].map((ordinal) => `mongodb-${ordinal}.mongodb:27017`),
	version: null,
};
const denyAll: NamespaceView["policies"] = [
	{
		metadata: metadata("default-deny"),
		spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
	},
];

test("three members that are ready are a set", () => {
	const pods = [0, 1, 2].map((ordinal) => member(ordinal));
	assert.equal(askReplicaSet(set, asker, view(pods)), null);
});

const third = [member(0), member(1)];
const missing: readonly (readonly [string, readonly Pod[], string])[] = [
	["is not there", third, "no such host"],
	[
		"has not started",
		[...third, member(2, { phase: "Pending", isReady: false })],
		"connection refused",
	],
	[
		"is not ready",
		[...third, member(2, { isReady: false })],
		"is neither primary nor secondary",
	],
	[
		"was started for another set",
		[...third, member(2, { command: start("other") })],
		"is in the set other",
	],
	[
		"was started for no set",
		[...third, member(2, { command: ["mongod"] })],
		"is in no set",
	],
];
for (const [what, pods, fault] of missing) {
	test(`a member that ${what} is missing in the set`, () => {
		assert.equal(
			askReplicaSet(set, asker, view(pods)),
			`2 of 3 members: mongodb-2.mongodb:27017 ${fault}`,
		);
	});
}

test("members that the policies hide do not answer", () => {
	const pods = [0, 1, 2].map((ordinal) => member(ordinal));
	assert.match(
		askReplicaSet(set, asker, view(pods, denyAll)) ?? "",
		/^0 of 3 members: .*no answer within 3 s/,
	);
});

const queues: QueuesCheck = {
	kind: "queues",
	process: "rabbitmq",
	url: "http://rabbitmq:15672/api/queues",
	queues: ["discovery", "reports"],
	user: "maestro",
	password: { secret: "datastores", key: "RABBITMQ_PASSWORD" },
	version: null,
};
const node = pod("rabbitmq-0", "rabbitmq", {
	ports: [{ name: "amqp", containerPort: 5672 }],
});
const worker = (feature: string, run: Run = {}) =>
	pod(`${feature}-worker-1`, `${feature}-worker`, run);

test("queues whose workers run have consumers", () => {
	const pods = [node, worker("discovery"), worker("reports")];
	assert.equal(askQueues(queues, asker, view(pods)), null);
});

test("a queue whose worker is away or not ready has nobody", () => {
	assert.equal(
		askQueues(queues, asker, view([node, worker("discovery")])),
		"nobody works on the queue reports",
	);
	const lame = [
		node,
		worker("discovery", { isReady: false }),
		worker("reports", { phase: "Pending" }),
	];
	assert.equal(
		askQueues(queues, asker, view(lame)),
		"nobody works on the queue discovery, reports",
	);
});

test("without a broker nobody can be asked", () => {
	assert.equal(
		askQueues(queues, asker, view([worker("discovery"), worker("reports")])),
		"connection refused",
	);
});

test("a worker that the policies keep from the broker works on nothing", () => {
	const allowAsker: NamespaceView["policies"] = [
		{
			metadata: metadata("rabbitmq"),
			spec: {
				podSelector: { matchLabels: { "app.kubernetes.io/name": "rabbitmq" } },
				policyTypes: ["Ingress"],
				ingress: [
					{
						from: [
							{
								podSelector: {
									matchLabels: { "impresario.dev/job": "verify" },
								},
							},
						],
						ports: [{ port: 15672 }],
					},
				],
			},
		},
	];
	const pods = [node, worker("discovery"), worker("reports")];
	assert.equal(
		askQueues(queues, asker, view(pods, allowAsker)),
		"nobody works on the queue discovery, reports",
	);
});
