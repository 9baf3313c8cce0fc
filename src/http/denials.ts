// Denied attempts in the audit log, so few that nobody can fill it: of what is the same (who, what, why) the first is written
// at once, and the others of a minute are one line that counts them. Of callers whom nobody knows only so many origins are
// told apart.
import { problemKinds } from "../contract/problems.ts";
import {
	describeActor,
	type NewAuditLine,
	unknownActor,
} from "../domain/audit.ts";
import { appendAudit } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { readOrigin } from "./address.ts";
import { describeRequest, locateThing } from "./audit.ts";
import type { OnDenied } from "./denied.ts";
import type { DoorLog } from "./refuse.ts";

/** How long attempts are counted before the line that stands for them. */
const defaultWindowMs = 60_000;
/** Unknown callers' origins and endpoints that are told apart within that time. */
const defaultMostUnknown = 100;

interface Counted {
	readonly isUnknown: boolean;
	/** The last of those that are not written. */
	line: NewAuditLine;
	unwritten: number;
}

export interface Denials {
	readonly note: OnDenied;
	/** Writes what was counted by now. */
	flush(): Promise<void>;
	close(): Promise<void>;
}

export function openDenials(
	{ db, log }: { readonly db: Db; readonly log: DoorLog },
	{ windowMs = defaultWindowMs, mostUnknown = defaultMostUnknown } = {},
): Denials {
	const counts = new Map<string, Counted>();

	async function flush(): Promise<void> {
		for (const [key, counted] of counts) {
			const { line, unwritten } = counted;
			if (unwritten === 0) {
				counts.delete(key);
				continue;
			}
			// It stays: what goes on is counted, and not begun anew each minute.
			counted.unwritten = 0;
			try {
				await appendAudit(db, countAs(line, unwritten));
			} catch (err) {
				counted.unwritten += unwritten;
				log.error({ err }, "denied attempts were not noted");
				return;
			}
		}
	}

	const timer = setInterval(() => void flush(), windowMs).unref();
	return {
		async note(denial, request, response) {
			const { endpoint, actor, failure } = denial;
			const { status } = problemKinds[failure.code];
			const isUnknown = actor === undefined;
			const line: NewAuditLine = {
				actor: isUnknown ? unknownActor : describeActor(actor),
				action: endpoint.name,
				request: describeRequest(request, response, status),
				thing: tidy(locateThing(endpoint, request.params)),
				before: null,
				operation: null,
				denial: {
					code: failure.code,
					reason: failure.message.slice(0, 500),
					attempts: 1,
				},
			};
			const who = isUnknown ? readOrigin(request) : actor.token;
			const own = JSON.stringify([who, endpoint.name, failure.code]);
			const unknown = [...counts.values()].filter((one) => one.isUnknown);
			const isTooMuch =
				isUnknown && !counts.has(own) && unknown.length >= mostUnknown;
			const key = isTooMuch ? "others" : own;
			const counted = counts.get(key);
			if (counted !== undefined) {
				counted.line = isTooMuch ? hideOrigin(line) : line;
				counted.unwritten++;
				return;
			}
			counts.set(key, {
				isUnknown: isUnknown && !isTooMuch,
				line,
				unwritten: 0,
			});
			await appendAudit(db, line);
		},
		flush,
		async close() {
			clearInterval(timer);
			await flush();
		},
	};
}

const countAs = (line: NewAuditLine, attempts: number): NewAuditLine => ({
	...line,
	denial: line.denial && { ...line.denial, attempts },
});

/** Of a line that stands for attempts of many. */
const hideOrigin = (line: NewAuditLine): NewAuditLine => ({
	...line,
	request: line.request && { ...line.request, address: "many" },
});

/** What was written in the path was not looked at yet. */
const tidy = (thing: NewAuditLine["thing"]): NewAuditLine["thing"] =>
	thing && { ...thing, id: thing.id.replaceAll(/\p{C}/gu, " ").slice(0, 100) };
