import type { Client } from "./client.ts";
import { makeCancelled } from "./failures.ts";
import { type Collection, followObjects } from "./follow.ts";
import type { KubeObject } from "./objects.ts";

/** What a look at the objects leads to: the end, or another look at the next change or after so many milliseconds. */
export type Look<R> =
	| { readonly result: R }
	| { readonly againInMs: number | undefined };

export interface Wait<S, R> {
	readonly signal: AbortSignal;
	readonly sources: { readonly [Name in keyof S]: Collection };
	/** Called once all sources are known and after each change of one. What it throws ends the wait. */
	readonly look: (seen: S) => Look<R>;
	/** Says where things stand, for the message when the signal aborts. */
	readonly presentState: () => string;
}

/**
 * Follows some collections until a look at them gives a result. Throws what `look` throws, `cancelled` as
 * soon as the signal aborts, and the Failure of an API server that refuses or stays away. No watch is left open.
 */
export async function followUntil<
	S extends { readonly [Name in keyof S]: readonly KubeObject[] },
	R,
>(client: Client, wait: Wait<S, R>): Promise<R> {
	const stop = new AbortController();
	const signal = AbortSignal.any([wait.signal, stop.signal]);
	const end = Promise.withResolvers<R>();
	const names = Object.keys(wait.sources) as (keyof S)[];
	const seen: Partial<S> = {};
	const isComplete = (parts: Partial<S>): parts is S =>
		names.every((name) => parts[name] !== undefined);
	let isOver = false;
	let timer: NodeJS.Timeout | undefined;

	function look(): void {
		clearTimeout(timer);
		if (isOver || !isComplete(seen)) return;
		try {
			const next = wait.look(seen);
			if ("result" in next) {
				isOver = true;
				end.resolve(next.result);
			} else if (next.againInMs !== undefined) {
				timer = setTimeout(look, Math.ceil(next.againInMs));
			}
		} catch (error) {
			fail(error);
		}
	}
	function fail(error: unknown): void {
		isOver = true;
		end.reject(error);
	}
	const follow = <Name extends keyof S>(name: Name) =>
		followObjects<S[Name][number]>(client, {
			collection: wait.sources[name],
			signal,
			onChange(objects) {
				seen[name] = [...objects.values()] as readonly KubeObject[] as S[Name];
				look();
			},
		}).catch(fail);
	const cancel = () => fail(makeCancelled(wait.presentState()));

	if (wait.signal.aborted) throw makeCancelled(wait.presentState());
	wait.signal.addEventListener("abort", cancel, { once: true });
	const followings = names.map(follow);
	try {
		return await end.promise;
	} finally {
		clearTimeout(timer);
		wait.signal.removeEventListener("abort", cancel);
		stop.abort();
		await Promise.all(followings);
	}
}
