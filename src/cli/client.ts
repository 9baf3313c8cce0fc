// Requests that say no more than a method and a path, beside the typed client.
import { randomUUID } from "node:crypto";

export interface Service {
	readonly url: string;
	readonly token: string;
}

export interface Answer {
	readonly status: number;
	readonly body: Record<string, unknown>;
}

/** One request. Any status is an answer; only a service that cannot be reached throws. */
export async function callApi(
	service: Service,
	method: string,
	path: string,
	body?: unknown,
): Promise<Answer> {
	const response = await fetch(`${service.url}${path}`, {
		method,
		headers: {
			authorization: `Bearer ${service.token}`,
			// Whatever the thing is by now.
			...(method === "PATCH" && { "if-match": "*" }),
			// Each call is a request of its own.
			...(method !== "GET" && { "idempotency-key": `"${randomUUID()}"` }),
			...(body !== undefined && { "content-type": "application/json" }),
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
	});
	const text = await response.text();
	return {
		status: response.status,
		body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
	};
}
