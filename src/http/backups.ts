import {
	backUpEnvironment,
	listBackups,
	restoreEnvironment,
} from "../contract/backups.ts";
import { backUpEnvironment as orderBackup } from "../operations/backup.ts";
import { placeOrder } from "../operations/place-order.ts";
import { requireNeeded } from "../operations/request.ts";
import { listBackups as listRows } from "../store/backups.ts";
import { bind, type Route } from "./bind.ts";
import { bindMatched } from "./environments.ts";
import { describeOperation } from "./operations.ts";
import { readPage } from "./page.ts";
import { presentBackup } from "./present.ts";
import { loadVisibleEnvironment } from "./visible.ts";

export const backupRoutes: readonly Route[] = [
	bindMatched(backUpEnvironment, async ({ db, verbs }, { actor, params }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		return describeOperation(db, await orderBackup(verbs, actor, environment));
	}),

	bindMatched(
		restoreEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const { previewId, ...restore } = body;
			const order = { environment, order: { restore }, previewId };
			const answer = await placeOrder(verbs, actor, order);
			return describeOperation(db, requireNeeded(answer));
		},
	),

	bind(listBackups, async ({ db, pageKey }, { actor, params, query }) => {
		const { id } = await loadVisibleEnvironment(db, actor, params.id);
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listBackups.name, id], query },
			(page) => listRows(db, id, page),
		);
		return { items: rows.map(presentBackup), nextPageToken };
	}),
];
