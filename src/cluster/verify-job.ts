// The Job that looks at an environment from inside its namespace. Pure.
import type { Check } from "../domain/blueprint.ts";
import {
	checksVariable,
	environmentLabel,
	jobLabel,
	managedBy,
	managedByLabel,
	queuesPasswordVariable,
	tenantLabel,
	type VerifyRequest,
} from "../domain/cluster.ts";
import { verifyJobName } from "../domain/names.ts";
import { verifyScript } from "./verify-script.ts";

/** The value of the Job's `jobLabel`. */
export const verifyJobKind = "verify";

export const verifyContainer = "verify";

/** Seconds that the Job may take, its image's pull included: less than the phase, so that its own end is seen. */
export const verifyDeadlineSeconds = 240;

/** The Job, as JSON for the API. It takes the labels of its namespace that say whose it is. */
export function makeVerifyJob(
	request: VerifyRequest,
	namespaceLabels: Readonly<Record<string, string>>,
) {
	const labels = {
		...pickLabels(namespaceLabels, [environmentLabel, tenantLabel]),
		[managedByLabel]: managedBy,
		[jobLabel]: verifyJobKind,
	};
	return {
		apiVersion: "batch/v1",
		kind: "Job",
		metadata: {
			name: verifyJobName(request.run),
			namespace: request.namespace,
			labels,
		},
		spec: {
			backoffLimit: 0,
			activeDeadlineSeconds: verifyDeadlineSeconds,
			ttlSecondsAfterFinished: 600,
			template: { metadata: { labels }, spec: makePodSpec(request) },
		},
	};
}

// Fit for the Pod Security level `restricted`, though it asks for no more than a few GETs.
function makePodSpec({ image, checks, serviceAccount }: VerifyRequest) {
	return {
		restartPolicy: "Never",
		// A Service named as a variable of the program would otherwise set that variable.
		enableServiceLinks: false,
		automountServiceAccountToken: false,
		...(serviceAccount === undefined
			? {}
			: { serviceAccountName: serviceAccount }),
		terminationGracePeriodSeconds: 5,
		securityContext: {
			runAsNonRoot: true,
			runAsUser: 1000,
			runAsGroup: 1000,
			seccompProfile: { type: "RuntimeDefault" },
		},
		containers: [
			{
				name: verifyContainer,
				image,
				command: ["node", "-e", verifyScript],
				env: [
					{ name: checksVariable, value: presentValue(checks) },
					...listPasswords(checks),
				],
				terminationMessagePolicy: "File",
				securityContext: {
					allowPrivilegeEscalation: false,
					readOnlyRootFilesystem: true,
					capabilities: { drop: ["ALL"] },
				},
				resources: {
					requests: { cpu: "20m", memory: "64Mi" },
					limits: { cpu: "500m", memory: "128Mi" },
				},
			},
		],
	};
}

/** By reference: a value would be seen by whoever may look at the Job. */
const listPasswords = (checks: readonly Check[]) =>
	checks.flatMap((check) =>
		check.kind === "queues"
			? [
					{
						name: queuesPasswordVariable,
						valueFrom: {
							secretKeyRef: {
								name: check.password.secret,
								key: check.password.key,
							},
						},
					},
				]
			: [],
	);

/** JSON without a dollar: Kubernetes takes `$(…)` in a variable's value for another variable. */
const presentValue = (value: unknown): string =>
	JSON.stringify(value).replaceAll("$", "\\u0024");

const pickLabels = (
	labels: Readonly<Record<string, string>>,
	names: readonly string[],
): Record<string, string> =>
	Object.fromEntries(
		names.flatMap((name) => {
			const value = labels[name];
			return value === undefined ? [] : [[name, value]];
		}),
	);
