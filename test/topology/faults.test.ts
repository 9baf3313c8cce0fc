// What a cluster may have against an environment: told within ten seconds, with the part, the reason and what to do;
// and the operation fails instead of waiting for its deadline.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { upstreamRelease } from "../../src/domain/release.ts";
import { sample } from "../support/sample.ts";
import {
	adminKubeconfig,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

let stage: Stage;
const ordered = new Map<string, Promise<Ordered>>();

async function loadOrdered(what: string): Promise<Ordered> {
	const found = await ordered.get(what);
	if (found === undefined) throw new Error(`not ordered: ${what}`);
	return found;
}

before(async () => {
	stage = await openStage();
	await applyPolicies();
	await stage.addTarget({ name: "no-class", storageClass: "no-such-class" });
	const { images } = upstreamRelease("0.6.0", "0.15.0");
	const made = await stage.admin.call("POST", "/v1/releases", {
		name: "0.6.0-no-such-image",
		images: { ...images, audit: `${images.audit}-no-such-image` },
	});
	assert.equal(made.status, 201, JSON.stringify(made.body));
	// Side by side: each of them waits for most of its time.
	for (const [index, { what, order }] of [...stuck, ...refused].entries()) {
		const ordering = stage.order({ name: `fault-${index}`, ...order });
		ordering.catch(() => undefined);
		ordered.set(what, ordering);
	}
});
after(async () => {
	await stage?.close();
	await kubectlWith("delete");
});

/** An admission policy of the cluster, for environments whose order carries the label `fault` with this value. */
interface Rule {
	readonly fault: string;
	/** What it looks at. */
	readonly resources: readonly [group: string, version: string, plural: string];
	readonly condition: string;
	/** Changes the object by a JSON Patch in CEL; without it, the object is refused. */
	readonly patch?: string;
}

const rules: readonly Rule[] = [
	{
		fault: "quota-pods",
		resources: ["", "v1", "resourcequotas"],
		condition: "object.metadata.name == 'pods'",
		patch: "[JSONPatch{op: 'replace', path: '/spec/hard/pods', value: '5'}]",
	},
	{
		fault: "quota-claims",
		resources: ["", "v1", "resourcequotas"],
		condition: "object.metadata.name == 'claims'",
		patch:
			"[JSONPatch{op: 'replace', path: '/spec/hard/persistentvolumeclaims', value: '1'}]",
	},
	{
		fault: "pod-security",
		resources: ["", "v1", "namespaces"],
		condition: "true",
		patch:
			"[JSONPatch{op: 'replace', path: '/metadata/labels/pod-security.kubernetes.io~1enforce', value: 'restricted'}]",
	},
	{
		fault: "policy-pods",
		resources: ["", "v1", "pods"],
		condition:
			"object.metadata.?labels['app.kubernetes.io/name'].orValue('') == 'audit'",
	},
	{
		fault: "policy-objects",
		resources: ["apps", "v1", "deployments"],
		condition: "object.metadata.name == 'audit'",
	},
];
const refusal = "the platform does not admit this";

function listPolicies(): object[] {
	return rules.flatMap(({ fault, resources, condition, patch }) => {
		const name = `test-fault-${fault}`;
		const [group, version, plural] = resources;
		const kind =
			patch === undefined
				? "ValidatingAdmissionPolicy"
				: "MutatingAdmissionPolicy";
		const selector = { matchLabels: { fault } };
		const common = {
			apiVersion: "admissionregistration.k8s.io/v1",
			metadata: { name },
		};
		return [
			{
				...common,
				kind,
				spec: {
					failurePolicy: "Fail",
					matchConstraints: {
						resourceRules: [
							{
								apiGroups: [group],
								apiVersions: [version],
								resources: [plural],
								operations: ["CREATE", "UPDATE"],
							},
						],
					},
					matchConditions: [{ name: "concerned", expression: condition }],
					...(patch === undefined
						? { validations: [{ expression: "false", message: refusal }] }
						: {
								reinvocationPolicy: "Never",
								mutations: [
									{ patchType: "JSONPatch", jsonPatch: { expression: patch } },
								],
							}),
				},
			},
			{
				...common,
				kind: `${kind}Binding`,
				spec: {
					policyName: name,
					...(patch === undefined ? { validationActions: ["Deny"] } : {}),
					matchResources:
						plural === "namespaces"
							? { objectSelector: selector }
							: { namespaceSelector: selector },
				},
			},
		];
	});
}

async function kubectlWith(...args: string[]): Promise<string> {
	const tools = JSON.parse(
		readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
	);
	const child = spawn(tools.kubectl, [
		"--kubeconfig",
		adminKubeconfig(),
		...args,
		"-f",
		"-",
	]);
	let said = "";
	for (const stream of [child.stdout, child.stderr])
		stream.on("data", (chunk) => {
			said += chunk;
		});
	child.stdin.end(
		JSON.stringify({ apiVersion: "v1", kind: "List", items: listPolicies() }),
	);
	const [code] = await once(child, "close");
	assert.equal(code, 0, said);
	return said;
}

const applyPolicies = () => kubectlWith("apply", "--server-side");

interface Fault {
	readonly what: string;
	readonly order: Readonly<Record<string, unknown>>;
	/** Of the stuck workload, as the event names it. */
	readonly part: RegExp;
	readonly says: RegExp;
	readonly advises: RegExp;
}

const allStuck: readonly Fault[] = [
	{
		what: "an image that cannot be pulled",
		order: { release: "0.6.0-no-such-image" },
		part: /^audit$/,
		says: /Deployment audit: (ErrImagePull|ImagePullBackOff)\..*no-such-image/,
		advises: /image .*audit-app-maestro:0\.6\.0-no-such-image exists/,
	},
	{
		what: "a claim that cannot be bound",
		order: { target: "no-class" },
		part: /^data-(mongodb|rabbitmq)-0$|^backups$/,
		says: /PersistentVolumeClaim data-mongodb-0: ProvisioningFailed\..*"no-such-class" not found/,
		advises: /storage class/,
	},
	{
		what: "a quota that is too small for the pods",
		order: { labels: { fault: "quota-pods" } },
		part: /./,
		says: /: FailedCreate\..*exceeded quota: pods/,
		advises: /smaller size, or let the platform raise the namespace's quota/,
	},
	{
		what: "a namespace with a stricter Pod Security than the target says",
		order: { labels: { fault: "pod-security" } },
		part: /^(analytics-front|audit|client|server|websocket|migrate-1)$/,
		says: /Deployment audit: FailedCreate\..*violates PodSecurity "restricted/,
		advises: /Pod Security level/,
	},
	{
		what: "a policy of the cluster against pods of one process",
		order: { labels: { fault: "policy-pods" } },
		part: /^audit$/,
		says: /Deployment audit: FailedCreate\..*the platform does not admit this/,
		advises: /rules of the namespace/,
	},
];

// An image that cannot be pulled is in the tests of upgrades too.
const stuck = sample(allStuck, (_, index) => index === 2);

interface Phase {
	readonly name: string;
	readonly startedAt: string;
}
interface Told {
	readonly code: string;
	readonly message: string;
	readonly advice?: string;
	readonly retryable: boolean;
}

for (const { what, part, says, advises } of stuck) {
	test(`${what} is told within ten seconds and fails the operation`, async () => {
		const { operation, environment } = await loadOrdered(what);
		const error = operation.error as Told;
		assert.equal(operation.state, "failed", JSON.stringify(operation));
		assert.equal(operation.phase, "waiting");
		assert.equal(error.code, "workload_stuck", error.message);
		assert.match(error.message, says);
		assert.match(error.advice ?? "", advises);

		const waiting = (operation.phases as readonly Phase[]).find(
			({ name }) => name === "waiting",
		);
		const begun = Date.parse(waiting?.startedAt ?? "");
		const { body } = await stage.tenant.call(
			"GET",
			`/v1/operations/${operation.id}/events?pageSize=200`,
		);
		const told = (
			body.items as readonly {
				readonly type: string;
				readonly at: string;
				readonly data: Readonly<Record<string, string>>;
			}[]
		).filter(({ type }) => type === "workload.stuck");
		const first = told.find(({ data }) => part.test(data.name ?? ""));
		assert.ok(first, JSON.stringify(told));
		assert.ok(Date.parse(first.at) - begun < 10_000);
		assert.ok(first.data.reason && first.data.message && first.data.advice);
		// A reason that may still pass is given eight seconds.
		assert.ok(Date.parse(String(operation.finishedAt)) - begun < 30_000);
		assert.equal(environment.lifecycle, "failed");
	});
}

const refused: readonly Omit<Fault, "part">[] = [
	{
		what: "a quota that is too small for the claims",
		order: { labels: { fault: "quota-claims" } },
		says: /PersistentVolumeClaim \S+: .*exceeded quota: claims/,
		advises: /Raise the quota/,
	},
	{
		what: "a policy of the cluster against an object",
		order: { labels: { fault: "policy-objects" } },
		says: /Deployment audit: .*the platform does not admit this/,
		advises: /policy/,
	},
];
for (const { what, says, advises } of sample(
	refused,
	(_, index) => index === 1,
)) {
	test(`${what} fails the operation as soon as it is met`, async () => {
		const { operation } = await loadOrdered(what);
		const error = operation.error as Told;
		assert.equal(operation.state, "failed", JSON.stringify(operation));
		assert.equal(operation.phase, "applying");
		assert.equal(error.code, "engine_failed", error.message);
		assert.equal(error.retryable, false);
		assert.match(error.message, says);
		assert.match(error.advice ?? "", advises);
	});
}

test("each of them can be destroyed", async () => {
	const { body } = await stage.tenant.call(
		"GET",
		"/v1/environments?pageSize=100",
	);
	const environments = body.items as readonly { readonly id: string }[];
	assert.equal(environments.length, stuck.length + refused.length);
	const ends = await Promise.all(
		environments.map(async ({ id }) => {
			const destroy = await stage.tenant.call(
				"DELETE",
				`/v1/environments/${id}`,
			);
			return stage.tenant.end(String(destroy.body.id));
		}),
	);
	assert.deepEqual(
		ends.map(({ state }) => state),
		environments.map(() => "succeeded"),
	);
});
