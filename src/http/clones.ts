import { cloneEnvironment } from "../contract/clones.ts";
import { cloneEnvironment as orderClone } from "../operations/clone.ts";
import type { Route } from "./bind.ts";
import { bindMatched } from "./environments.ts";
import { presentOperation, presentOrigin } from "./present.ts";
import { loadVisibleEnvironment, requireAdmitted } from "./visible.ts";

export const cloneRoutes: readonly Route[] = [
	bindMatched(
		cloneEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			requireAdmitted(actor, body.name);
			const cloned = await orderClone(verbs, actor, {
				environment,
				order: body,
			});
			return {
				...presentOperation(cloned, cloned.place),
				clonedFrom: presentOrigin(cloned.clonedFrom),
			};
		},
	),
];
