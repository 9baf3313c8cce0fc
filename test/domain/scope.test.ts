import assert from "node:assert/strict";
import { test } from "node:test";
import { permissions } from "../../src/domain/permission.ts";
import {
	admitsEnvironment,
	admitsPermission,
	describeScope,
	listBeyond,
	permissionPattern,
	wholeScope,
} from "../../src/domain/scope.ts";
import type { Scope } from "../../src/domain/tenant.ts";

const scope = (permissions: string[] | null, environments: string | null) =>
	({ permissions, environments }) satisfies Scope;

test("the whole scope admits every permission and every environment", () => {
	for (const one of permissions) assert.ok(admitsPermission(wholeScope, one));
	assert.ok(admitsEnvironment(wholeScope, "any"));
});

test("a scope admits what one of its patterns takes", () => {
	const narrow = scope(["environments:*", "operations:read"], "qa-*");
	const admitted = permissions.filter((one) => admitsPermission(narrow, one));
	assert.deepEqual(
		admitted,
		permissions.filter(
			(one) => one.startsWith("environments:") || one === "operations:read",
		),
	);
	assert.ok(admitsEnvironment(narrow, "qa-1"));
	assert.ok(!admitsEnvironment(narrow, "prod"));
});

for (const [inner, outer, beyond] of [
	[wholeScope, wholeScope, []],
	[scope(["*:read"], "qa-*"), wholeScope, []],
	[wholeScope, scope(["*:read"], "qa-*"), ["permissions", "environments"]],
	[scope(["environments:read"], "qa-1"), scope(["*:read"], "qa-*"), []],
	[scope(["*:read"], "qa-*"), scope(["*:read"], "qa-*"), []],
	[scope(["environments:*"], null), scope(["*:read"], null), ["permissions"]],
	[scope(null, "*"), scope(null, "qa-*"), ["environments"]],
	[scope(null, "*-*"), scope(null, "qa-*"), ["environments"]],
	[scope(null, null), scope(["*"], "*"), []],
	// All that there is today, but not what there may be tomorrow.
	[scope(["*"], null), scope([...permissions], null), ["permissions"]],
] as const) {
	test(`${JSON.stringify(inner)} has ${beyond.join(" and ") || "nothing"} beyond ${JSON.stringify(outer)}`, () => {
		assert.deepEqual(listBeyond(inner, outer), beyond);
	});
}

test("a pattern that fits no permission is refused", () => {
	assert.ok(permissionPattern.safeParse("environments:*").success);
	assert.ok(!permissionPattern.safeParse("environment:*").success);
});

test("a scope is told in words", () => {
	assert.equal(describeScope(wholeScope), "everything");
	assert.equal(
		describeScope(scope(["*:read"], "qa-*")),
		"the permissions *:read and environments named qa-*",
	);
});
