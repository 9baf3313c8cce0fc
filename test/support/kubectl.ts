// The truth about the cluster, asked by kubectl as a person would.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

function findKubectl(): string {
	const toolchain = process.env.TOOLCHAIN_DIR;
	if (toolchain === undefined)
		throw new Error(
			"TOOLCHAIN_DIR is not set; run tests by `npm test -- <file>`",
		);
	return JSON.parse(readFileSync(join(toolchain, "tools.json"), "utf8"))
		.kubectl;
}

export interface KubernetesObject {
	readonly kind: string;
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
	};
	readonly [field: string]: unknown;
}

/** `kubectl get … -o json`; the items of a list. */
export async function kubectlGet(
	kubeconfig: string,
	...args: string[]
): Promise<KubernetesObject[]> {
	const { stdout } = await run(
		findKubectl(),
		[
			"--kubeconfig",
			kubeconfig,
			"get",
			...args,
			"--ignore-not-found",
			"-o",
			"json",
		],
		{ maxBuffer: 64 * 2 ** 20 },
	);
	if (stdout.trim() === "") return [];
	const answer = JSON.parse(stdout);
	return answer.kind === "List" || Array.isArray(answer.items)
		? answer.items
		: [answer];
}

/** kubectl with any arguments; its standard output. */
export async function kubectl(
	kubeconfig: string,
	...args: string[]
): Promise<string> {
	const { stdout } = await run(
		findKubectl(),
		["--kubeconfig", kubeconfig, ...args],
		{ maxBuffer: 64 * 2 ** 20 },
	);
	return stdout;
}

/** Deployments and StatefulSets of a namespace as `name ready/wanted`. */
export async function listWorkloads(
	kubeconfig: string,
	namespace: string,
): Promise<{ deployments: string[]; statefulSets: string[] }> {
	const items = await kubectlGet(
		kubeconfig,
		"deployments,statefulsets",
		"-n",
		namespace,
	);
	const describe = (kind: string) =>
		items
			.filter((item) => item.kind === kind)
			.map((item) => {
				const status = item.status as { readyReplicas?: number };
				const spec = item.spec as { replicas: number };
				return `${item.metadata.name} ${status.readyReplicas ?? 0}/${spec.replicas}`;
			});
	return {
		deployments: describe("Deployment"),
		statefulSets: describe("StatefulSet"),
	};
}
