import { rotateSecrets } from "../contract/secrets.ts";
import { rotateSecrets as orderRotation } from "../operations/rotate.ts";
import type { Route } from "./bind.ts";
import { bindMatched } from "./environments.ts";
import { describeOperation } from "./operations.ts";
import { loadVisibleEnvironment } from "./visible.ts";

export const secretRoutes: readonly Route[] = [
	bindMatched(rotateSecrets, async ({ db, verbs }, { actor, params, body }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		return describeOperation(
			db,
			await orderRotation(verbs, actor, { environment, order: body }),
		);
	}),
];
