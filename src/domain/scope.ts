// What a caller is narrowed to, below what his role may do.
import { z } from "zod";
import { covers, fits } from "./glob.ts";
import { permissions } from "./permission.ts";
import type { Scope } from "./tenant.ts";

export const wholeScope: Scope = { permissions: null, environments: null };

export const isWhole = ({ permissions, environments }: Scope): boolean =>
	permissions === null && environments === null;

export const permissionPattern = z
	.string()
	.max(64)
	.refine(
		(pattern) => permissions.some((one) => fits(pattern, one)),
		"fits no permission",
	)
	.describe(
		"A permission such as `environments:read`, or a pattern of them: `environments:*`, `*:read`.",
	);

export const permissionPatterns = z
	.array(permissionPattern)
	.min(1)
	.max(50)
	.describe("What it may do, within its role. Without it: all of the role's.");

export const environmentPattern = z
	.string()
	.regex(
		/^[a-z0-9*-]{1,63}$/,
		"must be a name or a pattern of names, such as qa-*",
	)
	.describe(
		"Names of the environments that it may see and change: `qa-*`. Without it: all of the tenant's.",
	);

export const admitsPermission = (scope: Scope, permission: string): boolean =>
	scope.permissions?.some((one) => fits(one, permission)) ?? true;

export const admitsEnvironment = (scope: Scope, name: string): boolean =>
	scope.environments === null || fits(scope.environments, name);

/** Which parts of it are beyond the other one; none: whoever has the other one may give it away. */
export function listBeyond(
	inner: Scope,
	outer: Scope,
): readonly (keyof Scope)[] {
	const isBeyond = {
		permissions:
			outer.permissions !== null &&
			!(inner.permissions ?? ["*"]).every((one) =>
				outer.permissions?.some((other) => covers(other, one)),
			),
		environments:
			outer.environments !== null &&
			!covers(outer.environments, inner.environments ?? "*"),
	};
	return (["permissions", "environments"] as const).filter(
		(part) => isBeyond[part],
	);
}

/** For whoever is refused because of it. */
export function describeScope({ permissions, environments }: Scope): string {
	const parts = [
		permissions && `the permissions ${permissions.join(", ")}`,
		environments && `environments named ${environments}`,
	].filter((part) => part !== null);
	return parts.length === 0 ? "everything" : parts.join(" and ");
}
