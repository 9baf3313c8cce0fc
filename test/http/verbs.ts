// Every verb on an environment that is there, with an order that is good in itself.
import assert from "node:assert/strict";
import { type Answer, answered } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import type { Door } from "./door.ts";

const upgrade = { parameters: { theme: "gold" }, onFailure: "keep" };
type Order = readonly [string, string, object?];
const orders: Readonly<Record<string, (backup: string) => Order>> = {
	upgrade: () => ["POST", ":upgrade", upgrade],
	rollback: () => ["POST", ":rollback", {}],
	hibernate: () => ["POST", ":hibernate"],
	wake: () => ["POST", ":wake"],
	backup: () => ["POST", ":backup"],
	restore: (backup) => ["POST", ":restore", { backup }],
	rotate: () => [
		"POST",
		":rotate-secrets",
		{ which: ["MAESTRO_WEBSOCKET_SECRET"] },
	],
	refresh: () => ["POST", ":refresh", {}],
	clone: () => ["POST", ":clone", { name: "copy" }],
	extend: () => ["POST", ":extend", { ttl: "1h" }],
	destroy: () => ["DELETE", ""],
	patch: () => ["PATCH", "", { description: "another" }],
	"preview upgrade": () => ["POST", ":preview", { upgrade }],
	"preview rollback": () => ["POST", ":preview", { rollback: {} }],
	"preview hibernate": () => ["POST", ":preview", { hibernate: {} }],
	"preview wake": () => ["POST", ":preview", { wake: {} }],
	"preview restore": (backup) => ["POST", ":preview", { restore: { backup } }],
	"preview destroy": () => ["POST", ":preview", { destroy: {} }],
	cancel: () => ["POST", ":cancel"],
	retry: () => ["POST", ":retry"],
};

export const verbs = Object.keys(orders);

/** As the operator. `operation` is the one that is cancelled or tried again, `backup` the one that is restored. */
export function askVerb(
	door: Door,
	verb: string,
	subject: {
		readonly environment: string;
		readonly operation: string;
		readonly backup: string;
	},
): Promise<Answer> {
	const { environment, operation, backup } = subject;
	const [method, path, body] = (orders[verb] ?? assert.fail(verb))(backup);
	const place =
		verb === "cancel" || verb === "retry"
			? `/v1/operations/${operation}`
			: `/v1/environments/${environment}`;
	return answered(
		askByPath(door.operator.client, [method, `${place}${path}`, body]),
	);
}
