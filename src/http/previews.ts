import { findPreview, previewEnvironment } from "../contract/previews.ts";
import { previewOrder } from "../operations/preview.ts";
import { findPreview as findRow } from "../store/previews.ts";
import { bind, type Route } from "./bind.ts";
import { bindMatched } from "./environments.ts";
import { describeAnswer } from "./operations.ts";
import { presentPreview } from "./present-preview.ts";
import {
	decideScope,
	loadVisibleEnvironment,
	refuseMissing,
	requireAdmittedOwner,
} from "./visible.ts";

export const previewRoutes: readonly Route[] = [
	bindMatched(
		previewEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const wanted = { environment, order: body };
			return describeAnswer(db, await previewOrder(verbs, actor, wanted));
		},
	),

	bind(findPreview, async ({ db }, { actor, params }) => {
		const found = await findRow(db, params.id, decideScope(actor));
		if (found === undefined) throw refuseMissing("preview", params.id);
		await requireAdmittedOwner(db, actor, found.environment);
		return presentPreview(found);
	}),
];
