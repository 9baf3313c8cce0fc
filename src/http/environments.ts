import {
	createEnvironment,
	describeEnvironment,
	destroyEnvironment,
	findEnvironment,
	hibernateEnvironment,
	listEnvironments,
	listRevisions,
	rollbackEnvironment,
	upgradeEnvironment,
	wakeEnvironment,
} from "../contract/environments.ts";
import type { Environment } from "../domain/environment.ts";
import { createEnvironment as orderEnvironment } from "../operations/create.ts";
import { placeOrder } from "../operations/place-order.ts";
import { requireNeeded } from "../operations/request.ts";
import type { Db } from "../store/db.ts";
import {
	describeEnvironment as describeRow,
	listEnvironments as listRows,
	loadEnvironment,
} from "../store/environments.ts";
import { listCurrentOperations } from "../store/operations.ts";
import {
	listDesiredRevisions,
	listRevisions as listRevisionRows,
} from "../store/revisions.ts";
import { bind, type Route } from "./bind.ts";
import { describeAnswer, describeOperation } from "./operations.ts";
import { readPage } from "./page.ts";
import {
	presentEnvironment,
	presentOperation,
	presentRevision,
} from "./present.ts";
import { decideScope, loadVisibleEnvironment } from "./visible.ts";

/** Environments with what other tables say of them, in two queries however many they are. */
async function completeEnvironments(
	db: Db,
	environments: readonly Environment[],
) {
	const ids = environments.map((environment) => environment.id);
	const [revisions, operations] = await Promise.all([
		listDesiredRevisions(db, ids),
		listCurrentOperations(db, ids),
	]);
	return environments.map((environment) => {
		const desired = revisions.get(environment.id);
		if (desired === undefined) {
			throw new Error(`${environment.id} has no desired revision`);
		}
		return presentEnvironment(
			environment,
			desired,
			operations.get(environment.id),
		);
	});
}

async function completeEnvironment(db: Db, environment: Environment) {
	const [complete] = await completeEnvironments(db, [environment]);
	if (complete === undefined) throw new Error("one in, none out");
	return complete;
}

/** "key=value" texts, as the declaration checked them. */
const parseLabels = (texts: readonly string[]): Record<string, string> =>
	Object.fromEntries(
		texts.map((text) => {
			const at = text.indexOf("=");
			return [text.slice(0, at), text.slice(at + 1)];
		}),
	);

export const environmentRoutes: readonly Route[] = [
	bind(createEnvironment, async ({ verbs }, { actor, body }) => {
		const ordered = await orderEnvironment(verbs, actor, body);
		return presentOperation(ordered, ordered.place);
	}),

	bind(listEnvironments, async ({ db, pageKey }, { actor, query }) => {
		const scope = decideScope(actor);
		const { lifecycle, name, label } = query;
		const list = [listEnvironments.name, scope, lifecycle, name, label];
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list, query },
			(page) =>
				listRows(db, scope, {
					...page,
					filter: { lifecycle, name, labels: parseLabels(label) },
				}),
		);
		return { items: await completeEnvironments(db, rows), nextPageToken };
	}),

	bind(findEnvironment, async ({ db }, { actor, params }) =>
		completeEnvironment(db, await loadVisibleEnvironment(db, actor, params.id)),
	),

	bind(describeEnvironment, async ({ db }, { actor, params, body }) => {
		const { id } = await loadVisibleEnvironment(db, actor, params.id);
		await describeRow(db, id, body);
		return completeEnvironment(db, await loadEnvironment(db, id));
	}),

	bind(upgradeEnvironment, async ({ db, verbs }, { actor, params, body }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		const { previewId, ...upgrade } = body;
		const order = { environment, order: { upgrade }, previewId };
		return describeAnswer(db, await placeOrder(verbs, actor, order));
	}),

	bind(rollbackEnvironment, async ({ db, verbs }, { actor, params, body }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		const { previewId, ...rollback } = body;
		const order = { environment, order: { rollback }, previewId };
		return describeAnswer(db, await placeOrder(verbs, actor, order));
	}),

	bind(
		hibernateEnvironment,
		async ({ db, verbs }, { actor, params, query: { previewId } }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const order = { environment, order: { hibernate: {} }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bind(
		wakeEnvironment,
		async ({ db, verbs }, { actor, params, query: { previewId } }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const order = { environment, order: { wake: {} }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bind(destroyEnvironment, async ({ db, verbs }, { actor, params, query }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		const { previewId, ...destroy } = query;
		const order = { environment, order: { destroy }, previewId };
		const answer = await placeOrder(verbs, actor, order);
		return describeOperation(db, requireNeeded(answer));
	}),

	bind(listRevisions, async ({ db }, { actor, params }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		const rows = await listRevisionRows(db, environment.id);
		return {
			items: rows.map((row) => presentRevision(environment, row)),
			nextPageToken: null,
		};
	}),
];
