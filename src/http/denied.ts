// Who hears of attempts that were refused because of who made them.
import type { Request, Response } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { DoorLog } from "./refuse.ts";

/** An attempt that was refused: `unauthenticated` or `forbidden`. */
export interface Denial {
	readonly endpoint: Endpoint;
	/** undefined: nobody is known by what was brought. */
	readonly actor: Actor | undefined;
	readonly failure: Failure;
}

/** Called before the refusal is sent, and waited for. What it throws is logged; the refusal is sent all the same. */
export type OnDenied = (
	denial: Denial,
	request: Request,
	response: Response,
) => Promise<void>;

export const ignoreDenials: OnDenied = async () => {};

/** Tells of what was thrown, if it is a denial. */
export async function tellDenied(
	context: { readonly onDenied: OnDenied; readonly log: DoorLog },
	attempt: Omit<Denial, "failure"> & {
		readonly error: unknown;
		readonly request: Request;
		readonly response: Response;
	},
): Promise<void> {
	const { error: failure, request, response, ...denial } = attempt;
	if (!(failure instanceof Failure)) return;
	if (failure.code !== "unauthenticated" && failure.code !== "forbidden")
		return;
	try {
		await context.onDenied({ ...denial, failure }, request, response);
	} catch (err) {
		context.log.error({ err }, "a denied attempt was not noted");
	}
}
