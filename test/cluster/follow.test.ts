// A copy of a collection stays true whatever happens to the connection.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { type Client, makeClient } from "../../src/cluster/client.ts";
import { followObjects } from "../../src/cluster/follow.ts";
import { defaultLimits } from "../../src/cluster/limits.ts";
import type { KubeObject } from "../../src/cluster/objects.ts";
import { makeSource } from "../../src/cluster/sources.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import { type FakeApi, makeStatus, startFakeApi } from "./fake-api.ts";

const pods = "ns/api/v1/pods";
const pod = (name: string) => ({ metadata: { name, namespace: "ns" } });

let api: FakeApi;
let client: Client;
let stop: AbortController;
let seen: string[] | undefined;
let following: Promise<void>;

function follow(limits: Partial<typeof defaultLimits> = {}): void {
	client = makeClient(api.kubeconfig, { ...defaultLimits, ...limits });
	seen = undefined;
	following = followObjects<KubeObject>(client, {
		collection: makeSource("ns", "pods"),
		signal: stop.signal,
		onChange: (objects) => {
			seen = [...objects.values()].map((object) => object.metadata?.name ?? "");
		},
	});
	following.catch(() => undefined);
}

const seeing = (...names: string[]) =>
	until(`${names} are seen`, () => seen?.join() === names.join(), {
		timeoutMs: 5_000,
		everyMs: 5,
	});
const lists = () =>
	api.requests.filter(({ query }) => query.get("watch") === null).length;
const watching = () =>
	until("the watch is open", () => api.countWatches() === 1, { everyMs: 5 });

beforeEach(async () => {
	stop = new AbortController();
	api = await startFakeApi();
	api.put(pods, pod("a"));
});
afterEach(async () => {
	stop.abort();
	await following.catch(() => undefined);
	client.close();
	await api.stop();
});

test("what is there and what comes and goes is seen", async () => {
	follow();
	await seeing("a");
	api.put(pods, pod("b"));
	await seeing("a", "b");
	api.remove(pods, "a");
	await seeing("b");
	assert.equal(lists(), 1);
});

test("a watch that ends is opened again where it ended", async () => {
	follow();
	await watching();
	api.endWatches();
	api.put(pods, pod("b"));
	await seeing("a", "b");
	assert.equal(lists(), 1);
});

test("a connection that breaks is made again, and nothing is missed", async () => {
	follow();
	await watching();
	api.dropConnections();
	api.put(pods, pod("b"));
	await seeing("a", "b");
	assert.equal(lists(), 1);
});

test("a place that the server forgot leads to a new list, which also shows what is gone", async () => {
	follow();
	await watching();
	api.put(pods, pod("b"));
	await seeing("a", "b");
	api.control.intercept = () => makeStatus(503, "Unavailable");
	api.endWatches();
	api.remove(pods, "a");
	api.put(pods, pod("c"));
	api.forget();
	api.control.intercept = () => undefined;
	await seeing("b", "c");
	assert.equal(
		api.requests.filter(({ query }) => query.get("watch") === null).length,
		2,
	);
});

test("a 410 in place of a watch leads to a new list as well", async () => {
	follow();
	await watching();
	let refused = 0;
	api.control.intercept = ({ query }) => {
		if (query.get("watch") === null || refused > 0) return undefined;
		refused += 1;
		return makeStatus(410, "Expired");
	};
	api.endWatches();
	api.put(pods, pod("b"));
	await seeing("a", "b");
	assert.equal(lists(), 2);
});

test("an API server that is away for a while is waited for", async () => {
	follow({ outageMs: 10_000 });
	await watching();
	await api.goAway();
	api.put(pods, pod("b"));
	await api.comeBack();
	await seeing("a", "b");
});

test("an API server that stays away is given up after the time for outages", async () => {
	follow({ outageMs: 100 });
	await watching();
	await api.goAway();
	await assert.rejects(
		following,
		(error) =>
			error instanceof Failure &&
			error.code === "unavailable" &&
			error.retryable &&
			error.message.includes(api.address),
	);
});

test("a long watch before an outage does not count as a part of it", async () => {
	follow({ outageMs: 200 });
	await watching();
	await until(
		"the watch is older than an outage may be",
		(
			(since) => () =>
				performance.now() - since > 300
		)(performance.now()),
	);
	api.dropConnections();
	api.put(pods, pod("b"));
	await seeing("a", "b");
});

test("a missing right ends it at once", async () => {
	api.control.intercept = () => makeStatus(403, "Forbidden", "no");
	follow();
	await assert.rejects(
		following,
		(error) => error instanceof Failure && error.code === "not_set_up",
	);
	assert.deepEqual(
		api.requests.map(({ path }) => path === "/readyz"),
		[false, true, false],
	);
});

test("a right that is missing for a moment after it was there is waited for", async () => {
	follow();
	await watching();
	let refused = 0;
	api.control.intercept = () => {
		refused += 1;
		return refused > 3 ? undefined : makeStatus(403, "Forbidden", "not yet");
	};
	api.dropConnections();
	api.put(pods, pod("b"));
	await seeing("a", "b");
});

test("a right that is taken away and stays away ends it after the time for outages", async () => {
	follow({ outageMs: 100 });
	await watching();
	api.control.intercept = () => makeStatus(403, "Forbidden", "no more");
	api.dropConnections();
	await assert.rejects(
		following,
		(error) => error instanceof Failure && error.code === "not_set_up",
	);
});

test("a server that ends every watch at once is not hammered", async () => {
	api.control.intercept = ({ query }) =>
		query.get("watch") === null ? undefined : { status: 200, body: "" };
	follow();
	const since = performance.now();
	await until("five watches were ended", () => api.requests.length > 5);
	assert.ok(performance.now() - since > 250);
});

test("a server that says nothing is asked again when the watch's time is over", async () => {
	follow({ watchMs: 0, requestTimeoutMs: 150 });
	await watching();
	await until(
		"a second watch was asked for",
		() => api.requests.filter(({ query }) => query.has("watch")).length > 1,
	);
});

test("no watch is left open at the end", async () => {
	follow();
	await watching();
	stop.abort();
	await following;
	await until("no watch is open", () => api.countWatches() === 0);
});
