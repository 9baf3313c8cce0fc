// What the client was answered, for tests that look at more than the thing itself.
import assert from "node:assert/strict";
import { Problem, type Reply } from "../../client/client.ts";
import { api } from "../../src/contract/api.ts";

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	/** As it was parsed, as text again. */
	readonly text: string;
	/** The JSON value of the body; {} if it has none. */
	readonly body: Record<string, unknown>;
}

/** The problem that it is refused with. */
export async function refused(call: Promise<unknown>): Promise<Problem> {
	const outcome = await call.then(
		(data) => ({ data }),
		(error: unknown) => error,
	);
	if (outcome instanceof Problem) return outcome;
	if (outcome instanceof Error) throw outcome;
	return assert.fail(`It was not refused: ${JSON.stringify(outcome)}`);
}

/** Whatever it is answered with, a refusal as well. */
export async function answered(call: Reply<unknown>): Promise<Answer> {
	try {
		const { data, ...rest } = await call.withResponse();
		const text = data === undefined ? "" : JSON.stringify(data);
		return { ...rest, text, body: (data ?? {}) as Answer["body"] };
	} catch (error) {
		if (!(error instanceof Problem)) throw error;
		const { status, headers, document } = error;
		return {
			status,
			headers,
			text: JSON.stringify(document),
			body: { ...document },
		};
	}
}

/** Spares each client of a test the reading of the whole document: the routes are all that it wants of it. */
export const routes = {
	paths: Object.fromEntries(
		[...Map.groupBy(api, ({ path }) => path)].map(([path, endpoints]) => [
			path,
			Object.fromEntries(
				endpoints.map(({ method, name }) => [
					method.toLowerCase(),
					{ operationId: name },
				]),
			),
		]),
	),
};
