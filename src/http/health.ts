import { checkAlive, checkReady, findVersion } from "../contract/health.ts";
import { Failure } from "../failure.ts";
import { isReachable } from "../store/db.ts";
import { bind, type Route } from "./bind.ts";

export const healthRoutes: readonly Route[] = [
	bind(checkAlive, async () => ({ status: "alive" as const })),

	bind(checkReady, async ({ db }) => {
		if (await isReachable(db)) return { status: "ready" as const };
		throw new Failure({
			code: "unavailable",
			message: "The database cannot be reached.",
			advice: "Look at PostgreSQL and at DATABASE_URL.",
			retryable: true,
			errors: [{ pointer: "/database", message: "does not answer" }],
		});
	}),

	bind(findVersion, async ({ version }) => ({
		name: "impresario" as const,
		version,
	})),
];
