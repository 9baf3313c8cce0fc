import { z } from "zod";
import {
	findOtherLines,
	releaseImages,
	releaseName,
	upstreamRelease,
} from "../domain/release.ts";
import { byName, type Endpoint } from "./endpoint.ts";
import { pageOf } from "./page.ts";

export const release = z.strictObject({
	name: z.string(),
	/** Process → image reference. */
	images: releaseImages,
	createdAt: z.iso.datetime(),
});

export const listReleases = {
	name: "listReleases",
	summary: "List the releases that can be ordered, newest first.",
	method: "GET",
	path: "/v1/releases",
	permission: "catalogue:read",
	status: 200,
	response: pageOf(release),
} as const satisfies Endpoint;

export const findRelease = {
	name: "findRelease",
	summary: "Look at a release.",
	method: "GET",
	path: "/v1/releases/{name}",
	permission: "catalogue:read",
	params: byName,
	status: 200,
	response: release,
} as const satisfies Endpoint;

export const createRelease = {
	name: "createRelease",
	summary: "Make a release known. It is never changed afterwards.",
	method: "POST",
	path: "/v1/releases",
	permission: "catalogue:write",
	isNamed: true,
	body: z
		.strictObject({ name: releaseName, images: releaseImages })
		.superRefine(({ images }, context) => {
			for (const { process, message } of findOtherLines(images))
				context.addIssue({
					code: "custom",
					path: ["images", process],
					message,
				});
		}),
	status: 201,
	response: release,
	refuses: ["conflict"],
	leadsTo: { findRelease: { name: "/name" } },
	examples: [
		{
			summary: "Maestro as its makers tag it",
			body: upstreamRelease("0.6.2", "0.6.2"),
		},
	],
} as const satisfies Endpoint;
