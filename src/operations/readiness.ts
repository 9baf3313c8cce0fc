// What the service needs in order to serve, each asked for by a question of its own.

import { Failure } from "../failure.ts";
import type { Sender } from "../queue/enqueue.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { isReachable, translateDatabaseError } from "../store/db.ts";
import { makeSchemaCheck } from "../store/migrate.ts";
import { requireSealCheck } from "./seal-check.ts";

export interface ReadinessCheck {
	/** As in a pointer of a problem: `sealKey`. */
	readonly name: string;
	/** Without it nothing can be served. What is not required is told when it is missing, and that is all. */
	readonly isRequired: boolean;
	/** Throws a Failure that says what is missing, for whoever asks: without addresses and names of users. */
	look(): Promise<void>;
}

export const checkDatabase = (db: Db): ReadinessCheck => ({
	name: "database",
	isRequired: true,
	async look() {
		if (await isReachable(db)) return;
		throw new Failure({
			code: "unavailable",
			message: "The database cannot be reached.",
		});
	},
});

/** A queue that is away delays, and loses nothing: orders are rows, and are taken as ever. */
export function listReadinessChecks(context: {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly sender: Pick<Sender, "reach">;
}): readonly ReadinessCheck[] {
	const { db, sender } = context;
	const checkSchema = makeSchemaCheck();
	return [
		checkDatabase(db),
		{
			name: "migrations",
			isRequired: true,
			look: () => translating(() => checkSchema(db)),
		},
		{
			name: "sealKey",
			isRequired: true,
			look: () => translating(() => requireSealCheck(context)),
		},
		{ name: "queue", isRequired: false, look: () => sender.reach() },
	];
}

async function translating(look: () => Promise<void>): Promise<void> {
	try {
		await look();
	} catch (error) {
		throw translateDatabaseError(error);
	}
}
