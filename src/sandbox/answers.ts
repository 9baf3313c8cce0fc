// What a verification inside a namespace would find, worked out from what really runs there: a check that cannot
// fail would be none. Pure.
import type { Check, VersionCheck } from "../domain/blueprint.ts";
import type { CheckResult } from "../domain/cluster.ts";
import { readImageVersion } from "./faults.ts";
import {
	type Container,
	findEndpoints,
	type NamespaceView,
	type Pod,
} from "./namespace-view.ts";
import { askQueues, askReplicaSet } from "./store-answers.ts";

/** One result per check, in the same order, as the pod `from` would get it. An answer other than the promised one is an error. */
export function answerChecks(
	checks: readonly Check[],
	from: Pod,
	view: NamespaceView,
): CheckResult[] {
	return checks.map((check) => ({
		process: check.process,
		...ask(check, from, view),
	}));
}

type Answer = Omit<CheckResult, "process">;

function ask(check: Check, from: Pod, view: NamespaceView): Answer {
	switch (check.kind) {
		case "replicaSet":
			return { version: null, error: askReplicaSet(check, from, view) };
		case "queues":
			return { version: null, error: askQueues(check, from, view) };
		case "page": {
			const found = findEndpoints(check.url, from, view);
			return { version: null, error: "error" in found ? found.error : null };
		}
		default:
			return askVersion(check, from, view);
	}
}

function askVersion(
	check: VersionCheck,
	from: Pod,
	view: NamespaceView,
): Answer {
	const found = findEndpoints(check.url, from, view);
	if ("error" in found) return { version: null, error: found.error };
	const images = found.endpoints.flatMap(
		({ pod, port }) => findListener(pod.spec.containers, port)?.image ?? [],
	);
	return compare(
		images.map((image) => readImageVersion(image).version),
		check.version,
	);
}

/** The container that names the port; where none does, a pod's first container is taken for the one that listens. */
function findListener(
	containers: readonly Container[],
	port: number,
): Container | undefined {
	const named = containers.find((container) =>
		container.ports?.some((entry) => entry.containerPort === port),
	);
	return named ?? containers[0];
}

/** Of several replicas any may answer, so the first that breaks the promise is the one that is told of. */
function compare(
	versions: readonly (string | null)[],
	promised: string | null,
): Answer {
	if (promised === null) return { version: versions[0] ?? null, error: null };
	const wrong = versions.find((version) => version !== promised);
	if (wrong === undefined) return { version: promised, error: null };
	return {
		version: wrong,
		error: `answered ${wrong ?? "no version"} instead of ${promised}`,
	};
}
