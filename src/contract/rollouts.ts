import { z } from "zod";
import {
	memberStates,
	rolloutOrder,
	rolloutSelector,
	rolloutStates,
	rolloutWindow,
} from "../domain/rollout.ts";
import { byId, type Endpoint, type LeadsTo } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

const time = z.iso.datetime();

export const rollout = z.strictObject({
	id: z.string(),
	release: z.string(),
	selector: rolloutSelector,
	maxConcurrent: z.int(),
	pauseAfterFirstWave: z.union([z.boolean(), z.int()]),
	window: rolloutWindow.nullable(),
	onFailure: z.literal("stop"),
	/** Final: succeeded, failed, aborted. */
	state: z.enum(rolloutStates),
	/** Why it is in this state, as a sentence. */
	reason: z.string().nullable(),
	/** How many members are in each state; those with none are left out. */
	progress: z.partialRecord(z.enum(memberStates), z.int().min(1)),
	/** What it came through, oldest first. */
	timeline: z.array(
		z.strictObject({
			state: z.enum(rolloutStates),
			at: time,
			reason: z.string().nullable(),
		}),
	),
	requestedBy: z.string(),
	abortedBy: z.string().nullable(),
	/** When its pause ends by itself. */
	resumesAt: time.nullable(),
	createdAt: time,
	finishedAt: time.nullable(),
});

export const rolloutWithMembers = rollout.extend({
	/** In the order in which they have their turn. */
	members: z.array(
		z.strictObject({
			environment: z.string(),
			name: z.string(),
			tenant: z.string(),
			state: z.enum(memberStates),
			/** The upgrade. */
			operation: z.string().nullable(),
			/** The operation that takes it back after a failure. */
			rollback: z.string().nullable(),
			/** Why it failed or was skipped, as a sentence. */
			reason: z.string().nullable(),
		}),
	),
});

const rolloutLeadsTo: LeadsTo = {
	findRollout: { id: "/id" },
	resumeRollout: { id: "/id" },
	abortRollout: { id: "/id" },
};

export const createRollout = {
	name: "createRollout",
	summary:
		"Bring a release to many environments, a few at a time. Who takes part is decided now; the first failure stops it.",
	method: "POST",
	path: "/v1/rollouts",
	permission: "rollouts:write",
	body: rolloutOrder,
	status: 201,
	response: rolloutWithMembers,
	leadsTo: rolloutLeadsTo,
	refuses: ["conflict"],
	examples: [
		{
			summary: "To the environments of a team, two at a time",
			body: {
				release: "0.6.0",
				selector: { labels: { team: "a" } },
				maxConcurrent: 2,
				pauseAfterFirstWave: true,
			},
		},
	],
} as const satisfies Endpoint;

export const listRollouts = {
	name: "listRollouts",
	summary: "List roll-outs, newest first, without their members.",
	method: "GET",
	path: "/v1/rollouts",
	permission: "rollouts:read",
	query: pageQuery,
	status: 200,
	response: pageOf(rollout),
} as const satisfies Endpoint;

export const findRollout = {
	name: "findRollout",
	summary: "Look at a roll-out and how far each of its members is.",
	method: "GET",
	path: "/v1/rollouts/{id}",
	permission: "rollouts:read",
	params: byId,
	status: 200,
	response: rolloutWithMembers,
	leadsTo: rolloutLeadsTo,
} as const satisfies Endpoint;

export const resumeRollout = {
	name: "resumeRollout",
	summary: "End the pause after the first wave.",
	method: "POST",
	path: "/v1/rollouts/{id}:resume",
	permission: "rollouts:write",
	ifMatch: "taken",
	params: byId,
	status: 200,
	response: rolloutWithMembers,
	leadsTo: rolloutLeadsTo,
	refuses: ["conflict"],
} as const satisfies Endpoint;

export const abortRollout = {
	name: "abortRollout",
	summary:
		"Begin no further member. Those under way come to their end, and what was upgraded stays so.",
	method: "POST",
	path: "/v1/rollouts/{id}:abort",
	permission: "rollouts:write",
	ifMatch: "taken",
	params: byId,
	status: 200,
	response: rolloutWithMembers,
	leadsTo: rolloutLeadsTo,
	refuses: ["conflict"],
} as const satisfies Endpoint;
