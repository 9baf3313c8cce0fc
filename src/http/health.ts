import { checkAlive, checkReady, findVersion } from "../contract/health.ts";
import { Failure } from "../failure.ts";
import { bind, type Route } from "./bind.ts";
import type { CheckResult } from "./readiness.ts";

export const healthRoutes: readonly Route[] = [
	bind(checkAlive, async () => ({ status: "alive" as const })),

	bind(checkReady, async ({ askReadiness, isDraining }) => {
		const results = await askReadiness();
		const failed = results.filter(({ status }) => status === "failed");
		if (isDraining() || failed.some(({ isRequired }) => isRequired))
			throw notReady(isDraining() ? [draining, ...failed] : failed);
		return {
			status: failed.length === 0 ? ("ready" as const) : ("degraded" as const),
			checks: results.map(({ name, status, message }) => ({
				name,
				status,
				message,
			})),
		};
	}),

	bind(findVersion, async ({ version }) => ({
		name: "impresario" as const,
		version,
	})),
];

const draining = {
	name: "draining",
	message: "The process is about to stop, and takes no new callers.",
};

function notReady(
	missing: readonly Pick<CheckResult, "name" | "message">[],
): Failure {
	return new Failure({
		code: "unavailable",
		message: `Requests cannot be served here: ${missing.map(({ name, message }) => `${name}: ${message}`).join(" ")}`,
		advice: "Look at what `errors` names; the log says more.",
		retryable: true,
		errors: missing.map(({ name, message }) => ({
			pointer: `/${name}`,
			message,
		})),
	});
}
