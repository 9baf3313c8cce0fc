// An order of one of the verbs that can be previewed, bound to a preview and approved: handed to its verb.
import type { Environment } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { PreviewedOrder } from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { destroyEnvironment } from "./destroy.ts";
import { changePower } from "./power.ts";
import type { Unneeded, VerbContext } from "./request.ts";
import { restoreEnvironment } from "./restore.ts";
import { rollbackEnvironment } from "./rollback.ts";
import { upgradeEnvironment } from "./upgrade.ts";

/** Throws what the verb throws. Within a transaction of the caller's it is a part of that. */
export function carryOut(
	context: VerbContext,
	actor: Actor,
	{
		environment,
		order,
	}: { readonly environment: Environment; readonly order: PreviewedOrder },
): Promise<Operation | Unneeded> {
	const { upgrade, rollback, restore, hibernate, wake, destroy } = order;
	if (upgrade !== undefined) {
		const { onFailure, backup, ...change } = upgrade;
		const options = { onFailure, backup };
		return upgradeEnvironment(context, actor, { environment, change, options });
	}
	if (rollback !== undefined)
		return rollbackEnvironment(context, actor, { ...rollback, environment });
	if (restore !== undefined)
		return restoreEnvironment(context, actor, { environment, order: restore });
	if (hibernate !== undefined)
		return changePower(context, actor, { environment, kind: "hibernate" });
	if (wake !== undefined)
		return changePower(context, actor, { environment, kind: "wake" });
	return destroyEnvironment(context, actor, {
		...environment,
		keepsBackups: destroy?.keepBackups ?? false,
	});
}
