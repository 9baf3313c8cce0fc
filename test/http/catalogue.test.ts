import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { currentVersions } from "../../src/domain/blueprint.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { answered, refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

test("a blueprint tells what it takes, as a JSON Schema", async () => {
	const answer = await door.viewer.client.listBlueprints();
	const [maestro] = answer.items as {
		name: string;
		version: string;
		inputSchema: Record<string, unknown>;
	}[];
	assert.equal(maestro?.name, "maestro");
	assert.equal(maestro?.version, currentVersions.maestro);
	assert.deepEqual(maestro?.inputSchema.required, ["name"]);
	assert.equal(maestro?.inputSchema.additionalProperties, false);
});

test("a release that was made can be read and ordered", async () => {
	const release = upstreamRelease("0.7.0", "0.16.0");
	const made = await door.platformAdmin.client.createRelease({ body: release });
	const found = await door.viewer.client.findRelease({ name: "0.7.0" });
	assert.deepEqual(found, made);
	assert.deepEqual(found.images, release.images);
	await door.operator.client.createEnvironment({
		body: { name: "newer", release: "0.7.0" },
	});
	const environment = await door.viewer.client.findEnvironment({ id: "newer" });
	assert.equal(environment.release, "0.7.0");
});

test("a release is never changed", async () => {
	const answer = await refused(
		door.platformAdmin.client.createRelease({
			body: upstreamRelease("0.6.0", "9.9.9"),
		}),
	);
	assert.equal(answer.status, 409);
	assert.deepEqual(readPointers(answer), ["/name"]);
	const found = await door.viewer.client.findRelease({ name: "0.6.0" });
	assert.ok(!JSON.stringify(found).includes("9.9.9"));
});

test("a release names an image for every process and for nothing else", async () => {
	const { images } = upstreamRelease("0.8.0", "0.16.0");
	const { server: _, ...rest } = images;
	const body = {
		name: "0.8.0",
		images: { ...rest, client: "not an image", kitchen: "a/b:c" },
	};
	const answer = await refused(
		askByPath(door.platformAdmin.client, ["POST", "/v1/releases", body]),
	);
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), [
		"/images/client",
		"/images/kitchen",
		"/images/server",
	]);
});

const digest = "a".repeat(64);
const wrongImages: readonly (readonly [
	what: string,
	change: Record<string, string>,
	pointers: readonly string[],
])[] = [
	["a digest that is too short", { data: "a/b@sha256:abc" }, ["/images/data"]],
	["a digest of another kind", { data: `a/b@md5:${digest}` }, ["/images/data"]],
	[
		"a digest in capitals",
		{ data: `a/b@sha256:${digest.toUpperCase()}` },
		["/images/data"],
	],
	["an empty reference", { audit: "" }, ["/images/audit"]],
	[
		"processes of another line than the server's",
		{ audit: "a/audit:0.7.0", data: `a/data:v0.9.1@sha256:${digest}` },
		["/images/audit", "/images/data"],
	],
];
for (const [what, change, pointers] of wrongImages) {
	test(`a release with ${what} is refused at its place, and not kept`, async () => {
		const { images } = upstreamRelease("0.8.0", "0.16.0");
		const answer = await refused(
			door.platformAdmin.client.createRelease({
				body: { name: "0.8.0", images: { ...images, ...change } },
			}),
		);
		assert.equal(answer.status, 400);
		assert.deepEqual(readPointers(answer), pointers);
		const found = await refused(
			door.viewer.client.findRelease({ name: "0.8.0" }),
		);
		assert.equal(found.status, 404);
	});
}

test("patches may differ, and tags that tell no version are nobody's to judge", async () => {
	const { images } = upstreamRelease("0.8.0", "0.16.0");
	await door.platformAdmin.client.createRelease({
		body: {
			name: "0.8.x",
			images: {
				...images,
				data: "a/data:0.8.3",
				audit: "a/audit:latest",
				websocket: `a/websocket@sha256:${digest}`,
			},
		},
	});
});

test("a release that does not exist is not found", async () => {
	const answer = await refused(
		door.viewer.client.findRelease({ name: "0.0.0" }),
	);
	assert.equal(answer.status, 404);
});

test("a target tells where it is and not how it is reached", async () => {
	const answer = await door.platformAdmin.client.listTargets();
	const [target] = answer.items as Record<string, unknown>[];
	assert.deepEqual(Object.keys(target ?? {}).sort(), [
		"createdAt",
		"domain",
		"ingressClass",
		"isDefault",
		"name",
		"settings",
		"storageClass",
	]);
});

test("a tenant is made once", async () => {
	const make = () =>
		answered(
			door.platformAdmin.client.createTenant({ body: { name: "umbrella" } }),
		);
	assert.equal((await make()).status, 201);
	const again = await make();
	assert.equal(again.status, 409);
	assert.deepEqual(readPointers(again), ["/name"]);
});
