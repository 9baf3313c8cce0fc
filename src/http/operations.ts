import {
	approveOperation,
	cancelOperation,
	findOperation,
	listAllOperations,
	listOperations,
	operation,
	rejectOperation,
	retryOperation,
} from "../contract/operations.ts";
import type { Operation } from "../domain/operation.ts";
import { notQueued } from "../domain/queue.ts";
import { awaitChange } from "../feed/await-change.ts";
import {
	approveOperation as approve,
	rejectOperation as reject,
} from "../operations/approval.ts";
import { cancelOperation as orderCancellation } from "../operations/cancel.ts";
import { isUnneeded, type Unneeded } from "../operations/request.ts";
import { retryOperation as orderRetry } from "../operations/retry.ts";
import type { Db } from "../store/db.ts";
import {
	listAllOperations as listAllRows,
	listCurrentOperations,
	listOperations as listRows,
} from "../store/operations.ts";
import { findQueuePlace } from "../store/queue-place.ts";
import { bind, type Route } from "./bind.ts";
import { knowsProgress } from "./etag.ts";
import { bindMatchedTo } from "./matched.ts";
import { answerPage, chooseFields, readPage } from "./page.ts";
import { presentOperation } from "./present.ts";
import {
	decideScope,
	loadVisibleEnvironment,
	loadVisibleOperation,
} from "./visible.ts";

/** In all that its `progress` is made of. */
const isAsFar = (one: Operation, other: Operation): boolean =>
	findOperation.progress.every((field) => one[field] === other[field]);

/** An operation with its place in the queue, as long as it waits. */
export async function describeOperation(db: Db, operation: Operation) {
	const place =
		operation.state === "queued"
			? await findQueuePlace(db, operation)
			: notQueued;
	return presentOperation(operation, place);
}

type OperationJson = Awaited<ReturnType<typeof describeOperation>>;
type OperationField = keyof OperationJson;

const operationFields = Object.keys(operation.shape) as OperationField[];

/** These fields. Its place in the queue, by far the dearest, is looked for only where that is one of them. */
async function describeFields(
	db: Db,
	row: Operation,
	chosen: readonly OperationField[],
): Promise<OperationJson> {
	const json = chosen.includes("queue")
		? await describeOperation(db, row)
		: presentOperation(row, notQueued);
	if (chosen.length === operationFields.length) return json;
	const shown = Object.fromEntries(chosen.map((field) => [field, json[field]]));
	return shown as OperationJson;
}

/** The operation that was ordered, or that there was nothing to order. */
export async function describeAnswer(db: Db, answer: Operation | Unneeded) {
	if (!isUnneeded(answer)) return describeOperation(db, answer);
	const { environment, nothingToDo, revision } = answer;
	const operations = await listCurrentOperations(db, [environment]);
	const activeOperation = operations.get(environment) ?? null;
	return { unneeded: { nothingToDo, environment, revision, activeOperation } };
}

const bindMatched = bindMatchedTo({
	as: findOperation,
	show: async ({ db }, { actor, params }) =>
		describeOperation(db, await loadVisibleOperation(db, actor, params.id)),
});

export const operationRoutes: readonly Route[] = [
	bind(findOperation, async ({ db, feed }, call) => {
		const { actor, params, query, known } = call;
		const operation = await loadVisibleOperation(db, actor, params.id);
		if (query.wait === undefined) return describeOperation(db, operation);
		const isKnown = (now: Operation) =>
			known === undefined
				? isAsFar(now, operation)
				: knowsProgress(known, findOperation, now);
		const changed = await awaitChange(feed, operation, {
			isNews: (now) => !isKnown(now),
			forMs: Number.parseInt(query.wait, 10) * 1_000,
			signal: call.watch(),
		});
		return describeOperation(db, changed);
	}),

	bindMatched(cancelOperation, async ({ db, verbs }, { actor, params }) => {
		const operation = await loadVisibleOperation(db, actor, params.id);
		return describeOperation(
			db,
			await orderCancellation(verbs, actor, operation),
		);
	}),

	bindMatched(retryOperation, async ({ db, verbs }, { actor, params }) => {
		const operation = await loadVisibleOperation(db, actor, params.id);
		return describeOperation(db, await orderRetry(verbs, actor, operation));
	}),

	bindMatched(approveOperation, async ({ db, verbs }, { actor, params }) => {
		const operation = await loadVisibleOperation(db, actor, params.id);
		return describeOperation(db, await approve(verbs, actor, operation));
	}),

	bindMatched(rejectOperation, async ({ db, verbs }, { actor, params }) => {
		const operation = await loadVisibleOperation(db, actor, params.id);
		return describeOperation(db, await reject(verbs, actor, operation));
	}),

	bind(listAllOperations, async ({ db, pageKey }, { actor, query }) => {
		const { state, kind, fields } = query;
		const chosen = chooseFields(operationFields, fields);
		const scope = decideScope(actor);
		const owner =
			query.environment === undefined
				? undefined
				: await loadVisibleEnvironment(db, actor, query.environment);
		const filter = {
			...{ state, kind },
			environment: owner?.id,
			pattern: actor.scope.environments,
		};
		const list = [listAllOperations.name, scope, state, kind, owner?.id];
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list, query },
			(page) => listAllRows(db, scope, { ...page, filter }),
		);
		const items = await Promise.all(
			rows.map((row) => describeFields(db, row, chosen)),
		);
		return answerPage(fields, { items, nextPageToken });
	}),

	bind(listOperations, async ({ db, pageKey }, { actor, params, query }) => {
		const { id } = await loadVisibleEnvironment(db, actor, params.id);
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listOperations.name, id], query },
			(page) => listRows(db, id, page),
		);
		const chosen = chooseFields(operationFields, query.fields);
		const items = await Promise.all(
			rows.map((row) => describeFields(db, row, chosen)),
		);
		return answerPage(query.fields, { items, nextPageToken });
	}),
];
