// The hosts of an environment, by the pattern of its target.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	environmentNameLength,
	hostName,
	namespaceName,
	tenantNameLength,
} from "../../src/domain/names.ts";
import { targetSettings } from "../../src/domain/target.ts";

const domain = "apps.example.test";
const namespace = "acme-qa-1-x7k2";
const { hostPattern } = targetSettings.parse({});

const cases: readonly (readonly [
	pattern: string,
	endpoint: string,
	host: string,
])[] = [
	[hostPattern, "server", "acme-qa-1-x7k2-server.apps.example.test"],
	[hostPattern, "client", "acme-qa-1-x7k2.apps.example.test"],
	[
		"{endpoint}-{namespace}.{domain}",
		"server",
		"server-acme-qa-1-x7k2.apps.example.test",
	],
	["{endpoint}-{namespace}.{domain}", "client", `${namespace}.${domain}`],
	[
		"{endpoint}.{namespace}.{domain}",
		"websocket",
		"websocket.acme-qa-1-x7k2.apps.example.test",
	],
	["{endpoint}.{namespace}.{domain}", "client", `${namespace}.${domain}`],
	[
		"m-{namespace}-{endpoint}.maestro.{domain}",
		"server",
		"m-acme-qa-1-x7k2-server.maestro.apps.example.test",
	],
	[
		"m-{namespace}-{endpoint}.maestro.{domain}",
		"client",
		"m-acme-qa-1-x7k2.maestro.apps.example.test",
	],
];

for (const [pattern, endpoint, host] of cases) {
	test(`${endpoint} by ${pattern} is ${host}`, () => {
		assert.ok(targetSettings.safeParse({ hostPattern: pattern }).success);
		const target = { domain, hostPattern: pattern };
		assert.equal(hostName(endpoint, namespace, target), host);
	});
}

const endpoints = ["client", "server", "analytics-front", "websocket"];

test("of the longest names each host's labels still fit, each host is another, and one wildcard covers all", () => {
	const longest = (suffix: string) =>
		namespaceName(
			"t".repeat(tenantNameLength),
			"e".repeat(environmentNameLength),
			suffix,
		);
	const hosts = ["aaaa", "aaab"].flatMap((suffix) =>
		endpoints.map((endpoint) =>
			hostName(endpoint, longest(suffix), { domain, hostPattern }),
		),
	);
	assert.equal(new Set(hosts).size, 8);
	for (const host of hosts) {
		const [label = "", ...rest] = host.split(".");
		assert.ok(label.length <= 63, host);
		assert.match(label, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
		assert.equal(rest.join("."), domain);
	}
});

test("the host of one environment is never the client's host of another", () => {
	// The last part of a namespace has four characters, and no endpoint's name ends in a part of four.
	for (const endpoint of endpoints)
		assert.doesNotMatch(endpoint, /(^|-)[a-z0-9]{4}$/);
});

for (const pattern of [
	"{namespace}.{domain}",
	"{endpoint}.{domain}",
	"{namespace}-{endpoint}.example.test",
	"{domain}",
	"{namespace}_{endpoint}.{domain}",
	"{namespace}-{endpoint}-{tenant}.{domain}",
]) {
	test(`${pattern} is no pattern`, () => {
		assert.equal(
			targetSettings.safeParse({ hostPattern: pattern }).success,
			false,
		);
	});
}
