// The tests ask by the client, as users do. Raw requests are for what it refuses to send or cannot show, and these files send them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

const mayAskRaw: Record<string, readonly string[]> = {
	"bodies, queries, paths and methods that there are not": [
		"http/api.test.ts",
		"http/audit.test.ts",
		"http/bad-input.test.ts",
		"http/catalogue.test.ts",
		"http/denied.test.ts",
		"http/environments.test.ts",
		"http/fuzz.test.ts",
		"http/headers.test.ts",
		"http/no-secrets.test.ts",
		"http/parameters.test.ts",
		"http/problem-pages.test.ts",
		"http/server.test.ts",
		"http/tenant-events.test.ts",
	],
	"the right fields and wrong ones by one function, in tables": [
		"http/expiry.test.ts",
		"http/idempotency.test.ts",
		"http/leftovers.test.ts",
		"http/oidc.test.ts",
		"http/power.test.ts",
		"http/quota.test.ts",
		"http/refresh.test.ts",
		"http/rollback.test.ts",
		"http/scopes.test.ts",
		"http/tokens.test.ts",
		"http/upgrade.test.ts",
		"http/verbs.ts",
		"http/webhooks.test.ts",
	],
	"the text of a query or a link, as it stands": [
		"http/events.test.ts",
		"http/fields.test.ts",
		"http/lists.test.ts",
		"http/operations.test.ts",
		"http/paging.test.ts",
	],
	"pages, metrics, and commands of the README": [
		"http/docs.test.ts",
		"http/metrics.test.ts",
		"http/readme.test.ts",
	],
};

test("nobody else sends what the client does not", () => {
	const askRaw = readdirSync(root, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
		.map((entry) => join(entry.parentPath, entry.name))
		.filter((file) => /\.sendRaw\(/.test(readFileSync(file, "utf8")))
		.map((file) => relative(root, file))
		.filter((file) => file !== "client/raw.test.ts");
	assert.deepEqual(askRaw.sort(), Object.values(mayAskRaw).flat().sort());
});
