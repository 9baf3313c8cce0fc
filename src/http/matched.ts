// What a request makes depend on the ETag of the thing that it changes (RFC 9110 §13.1.1). By the time that a handler is called
// the thing that the path names is locked, since the audit log has read it (`operations/audited`): what it is held against
// stays so until the handler has changed it.
import type { byId, Endpoint } from "../contract/endpoint.ts";
import type { Actor } from "../domain/tenant.ts";
import { composeAnswer } from "./answer.ts";
import {
	bind,
	type Call,
	type Context,
	type Handler,
	type Route,
} from "./bind.ts";
import { requireMatch } from "./etag.ts";

/** How a thing is shown, and so what its ETag is made of. */
interface Shown {
	/** The endpoint that shows it. */
	readonly as: Endpoint;
	/** The thing that the path names, as that answers it. undefined: it was there, and is no more. */
	show(context: Context, call: Named): Promise<unknown>;
}

interface Named {
	readonly actor: Actor;
	readonly params: { readonly id: string };
}

/** Binds what is refused when the request has an If-Match and the thing another ETag by now. */
export const bindMatchedTo =
	({ as, show }: Shown) =>
	<E extends Endpoint & { readonly params: typeof byId }>(
		endpoint: E,
		handler: Handler<E>,
	): Route =>
		bind(endpoint, async (context, call) => {
			const { match, ...named } = call as Named & Pick<Call<E>, "match">;
			if (match === undefined) return handler(context, call);
			const shown = await show(context, named);
			const isThere = shown !== undefined;
			const answer = isThere ? composeAnswer(context, as, shown) : undefined;
			requireMatch(match, as, answer?.body);
			return handler(context, call);
		});
