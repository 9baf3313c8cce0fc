// The first token of an installation: the platform admin's.
import { platformTenant } from "../domain/tenant.ts";
import { createTokenText, hashToken } from "../domain/token.ts";
import type { Db } from "../store/db.ts";
import { createTenant, findTenant } from "../store/tenants.ts";
import { createToken, findActor } from "../store/tokens.ts";

/**
 * Sees to it that the platform admin has a token, and returns its text. `known` is the text that an earlier
 * start left behind: as long as it works, it stays the one.
 */
export async function ensureAdmin(
	db: Db,
	known: string | undefined,
): Promise<string> {
	if (known !== undefined) {
		const actor = await findActor(db, hashToken(known));
		if (actor?.role === "platform-admin") return known;
	}
	const text = createTokenText();
	await db.transaction().execute(async (trx) => {
		const tenant =
			(await findTenant(trx, platformTenant)) ??
			(await createTenant(trx, platformTenant));
		await createToken(trx, {
			tenant: tenant.id,
			name: "platform admin",
			role: "platform-admin",
			hash: hashToken(text),
			expiresAt: null,
		});
	});
	return text;
}
