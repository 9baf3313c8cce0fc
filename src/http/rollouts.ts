import {
	abortRollout,
	createRollout,
	findRollout,
	listRollouts,
	resumeRollout,
} from "../contract/rollouts.ts";
import type { Rollout } from "../domain/rollout.ts";
import {
	abortRollout as orderAbort,
	resumeRollout as orderResume,
	orderRollout,
} from "../operations/order-rollout.ts";
import type { Db } from "../store/db.ts";
import {
	countMembers,
	findRollout as findRow,
	listMembers,
	listRollouts as listRows,
} from "../store/rollouts.ts";
import { bind, type Route } from "./bind.ts";
import { bindMatchedTo } from "./matched.ts";
import { readPage } from "./page.ts";
import { presentMember, presentRollout } from "./present-rollout.ts";
import { refuseMissing, requireAllEnvironments } from "./visible.ts";

async function complete(db: Db, rollout: Rollout) {
	const members = await listMembers(db, rollout.id);
	const counts = await countMembers(db, [rollout.id]);
	return {
		...presentRollout(rollout, counts.get(rollout.id) ?? {}),
		members: members.map(presentMember),
	};
}

async function load(db: Db, id: string): Promise<Rollout> {
	const found = await findRow(db, id);
	if (found === undefined) throw refuseMissing("roll-out", id);
	return found;
}

const bindMatched = bindMatchedTo({
	as: findRollout,
	async show({ db }, { actor, params }) {
		requireAllEnvironments(actor);
		return complete(db, await load(db, params.id));
	},
});

export const rolloutRoutes: readonly Route[] = [
	bind(createRollout, async ({ db }, { actor, body }) => {
		requireAllEnvironments(actor);
		return complete(db, await orderRollout(db, actor, body));
	}),

	bind(listRollouts, async ({ db, pageKey }, { actor, query }) => {
		requireAllEnvironments(actor);
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listRollouts.name], query },
			(page) => listRows(db, page),
		);
		const counts = await countMembers(
			db,
			rows.map(({ id }) => id),
		);
		return {
			items: rows.map((row) => presentRollout(row, counts.get(row.id) ?? {})),
			nextPageToken,
		};
	}),

	bind(findRollout, async ({ db }, { actor, params }) => {
		requireAllEnvironments(actor);
		return complete(db, await load(db, params.id));
	}),

	bindMatched(resumeRollout, async ({ db }, { actor, params }) => {
		requireAllEnvironments(actor);
		const rollout = await load(db, params.id);
		return complete(db, await orderResume(db, actor, rollout));
	}),

	bindMatched(abortRollout, async ({ db }, { actor, params }) => {
		requireAllEnvironments(actor);
		const rollout = await load(db, params.id);
		return complete(db, await orderAbort(db, actor, rollout));
	}),
];
