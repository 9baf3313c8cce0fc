import {
	createEnvironment,
	describeEnvironment,
	destroyEnvironment,
	environment,
	extendEnvironment,
	findEnvironment,
	hibernateEnvironment,
	listEnvironments,
	listRevisions,
	partOfEnvironment,
	refreshEnvironment,
	rollbackEnvironment,
	upgradeEnvironment,
	wakeEnvironment,
} from "../contract/environments.ts";
import type { Environment, EnvironmentSort } from "../domain/environment.ts";
import { createEnvironment as orderEnvironment } from "../operations/create.ts";
import { extendEnvironment as extend } from "../operations/extend.ts";
import { placeOrder } from "../operations/place-order.ts";
import { refreshEnvironment as orderRefresh } from "../operations/refresh.ts";
import { requireNeeded } from "../operations/request.ts";
import { planSchedule } from "../operations/schedules.ts";
import type { Db } from "../store/db.ts";
import {
	listEnvironments as listRows,
	loadShownEnvironment,
} from "../store/environment-pages.ts";
import {
	describeEnvironment as describeRow,
	loadEnvironment,
} from "../store/environments.ts";
import { readClock } from "../store/operations.ts";
import { listRevisions as listRevisionRows } from "../store/revisions.ts";
import { bind, type Route } from "./bind.ts";
import { composeItems } from "./environment-items.ts";
import { bindMatchedTo } from "./matched.ts";
import { describeAnswer, describeOperation } from "./operations.ts";
import { chooseFields, readPage } from "./page.ts";
import { presentOperation, presentRevision } from "./present.ts";
import {
	environmentFields,
	presentEnvironment,
} from "./present-environment.ts";
import {
	decideScope,
	loadVisibleEnvironment,
	requireAdmitted,
} from "./visible.ts";

/** An environment with what other tables say of it. */
const completeEnvironment = async (db: Db, { id }: Environment) =>
	presentEnvironment(await loadShownEnvironment(db, id));

export const bindMatched = bindMatchedTo({
	as: findEnvironment,
	show: async ({ db }, { actor, params }) =>
		completeEnvironment(db, await loadVisibleEnvironment(db, actor, params.id)),
});

/** What a page of this order goes on behind, beside the id. */
function keyOf(
	sort: EnvironmentSort,
	{ name, updatedAt }: Pick<Environment, "name" | "updatedAt">,
): { readonly key?: string } {
	if (sort === "name") return { key: name };
	return sort === "-updatedAt" ? { key: updatedAt.toISOString() } : {};
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
		requireAdmitted(actor, body.name);
		const ordered = await orderEnvironment(verbs, actor, body);
		return presentOperation(ordered, ordered.place);
	}),

	bind(listEnvironments, async (context, { actor, query }) => {
		const { db, pageKey: key } = context;
		const scope = decideScope(actor);
		const { label, sort, pageSize: _, pageToken: __, fields, ...asked } = query;
		const pattern = actor.scope.environments;
		const filter = { ...asked, pattern, labels: parseLabels(label) };
		const list = [listEnvironments.name, scope, asked, label, sort];
		const { rows, nextPageToken } = await readPage(
			{ key, list, query },
			async (page) => {
				const found = await listRows(db, { ...page, scope, filter, sort });
				return found.map((row) => ({ ...row, ...keyOf(sort, row) }));
			},
		);
		const texts = await composeItems(context, rows, {
			scope,
			filter,
			fields: chooseFields(environmentFields, fields),
			schema: fields === undefined ? environment : partOfEnvironment,
		});
		return { texts, nextPageToken };
	}),

	bind(findEnvironment, async ({ db }, { actor, params }) =>
		completeEnvironment(db, await loadVisibleEnvironment(db, actor, params.id)),
	),

	bindMatched(describeEnvironment, async ({ db }, { actor, params, body }) => {
		const { id } = await loadVisibleEnvironment(db, actor, params.id);
		const { schedule, ...rest } = body;
		await describeRow(db, id, {
			...rest,
			schedule: schedule && planSchedule(schedule, await readClock(db)),
		});
		return completeEnvironment(db, await loadEnvironment(db, id));
	}),

	bindMatched(
		upgradeEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const { previewId, ...upgrade } = body;
			const order = { environment, order: { upgrade }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bindMatched(
		rollbackEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const { previewId, ...rollback } = body;
			const order = { environment, order: { rollback }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bindMatched(
		hibernateEnvironment,
		async ({ db, verbs }, { actor, params, query: { previewId } }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const order = { environment, order: { hibernate: {} }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bindMatched(
		wakeEnvironment,
		async ({ db, verbs }, { actor, params, query: { previewId } }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const order = { environment, order: { wake: {} }, previewId };
			return describeAnswer(db, await placeOrder(verbs, actor, order));
		},
	),

	bindMatched(
		refreshEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			return describeOperation(
				db,
				await orderRefresh(verbs, actor, { environment, options: body }),
			);
		},
	),

	bindMatched(
		extendEnvironment,
		async ({ db, verbs }, { actor, params, body }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const order = { environment, ttl: body.ttl };
			return completeEnvironment(db, await extend(verbs, actor, order));
		},
	),

	bindMatched(
		destroyEnvironment,
		async ({ db, verbs }, { actor, params, query }) => {
			const environment = await loadVisibleEnvironment(db, actor, params.id);
			const { previewId, ...destroy } = query;
			const order = { environment, order: { destroy }, previewId };
			const answer = await placeOrder(verbs, actor, order);
			return describeOperation(db, requireNeeded(answer));
		},
	),

	bind(listRevisions, async ({ db }, { actor, params }) => {
		const environment = await loadVisibleEnvironment(db, actor, params.id);
		const rows = await listRevisionRows(db, environment.id);
		return {
			items: rows.map((row) => presentRevision(environment, row)),
			nextPageToken: null,
		};
	}),
];
