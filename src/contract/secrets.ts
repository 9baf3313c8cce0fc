import { rotateOrder } from "../domain/spec.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { operation } from "./operations.ts";

export const rotateSecrets = {
	name: "rotateSecrets",
	summary:
		"Give secrets of an environment new values, and restart what reads them. A refusal says of each secret why it cannot be rotated, and what its rotation destroys. `rotation.ordered` in the events tells the consequences.",
	method: "POST",
	path: "/v1/environments/{id}:rotate-secrets",
	permission: "environments:rotate-secrets",
	ifMatch: "taken",
	params: byId,
	body: rotateOrder,
	status: 202,
	response: operation,
	orders: true,
	examples: [
		{
			summary: "A new value, which nothing stored depends on",
			body: { which: ["MAESTRO_NOAUTH"] },
		},
	],
} as const satisfies Endpoint;
