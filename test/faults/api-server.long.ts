// The target's API server is away for a minute, or answers with errors: operations wait, back off and end well.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type MoodyApi, startMoodyApi } from "../support/moody-api.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { givenService, order, untilApplying } from "./given.ts";

const awayMs = 60_000;

const readKubeconfig = () =>
	readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8");

function keepKubeconfig(t: TestContext, text: string): string {
	const dir = mkdtempSync(join(tmpdir(), "impresario-faults-"));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const path = join(dir, "kubeconfig");
	writeFileSync(path, text, { mode: 0o600 });
	return path;
}

test("an API server that is away for 60 s in the middle of a create is waited for", async (t) => {
	const kubeconfig = readKubeconfig();
	const port = /server: https:\/\/127\.0\.0\.1:(\d+)/.exec(kubeconfig)?.[1];
	const toCluster = await startTcpProxy(Number(port));
	t.after(() => toCluster.close());
	const { tenant, startWorker } = await givenService(t, {
		kubeconfig: keepKubeconfig(
			t,
			kubeconfig.replace(`:${port}`, `:${toCluster.port}`),
		),
	});
	await startWorker();
	const id = await order(tenant, "patient");
	await untilApplying(tenant, id);
	await toCluster.close();
	await delay(awayMs);
	await toCluster.reopen();
	const operation = await tenant.end(id, 240_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const events = await tenant.follow(id);
	const told = events.find(({ type }) => type === "operation.postponed");
	assert.ok(told, "it is told that, and why, it waits");
});

const moods = [
	{ status: 429, every: 3 },
	{ status: 500, every: 5 },
] as const;

for (const mood of moods) {
	test(`an API server that answers every ${mood.every}th request with ${mood.status} is asked again`, async (t) => {
		const moody: MoodyApi = await startMoodyApi(readKubeconfig());
		t.after(() => moody.stop());
		const { tenant, startWorker } = await givenService(t, {
			kubeconfig: keepKubeconfig(t, moody.kubeconfig),
		});
		await startWorker();
		moody.answer(mood);
		const id = await order(tenant, `moody-${mood.status}`);
		await until("it has been refused often", () => moody.count() >= 10, {
			timeoutMs: 120_000,
		});
		moody.answer(undefined);
		const operation = await tenant.end(id, 240_000);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		const destroy = await tenant.call(
			"DELETE",
			`/v1/environments/moody-${mood.status}`,
		);
		const destroyed = await tenant.end(String(destroy.body.id), 180_000);
		assert.equal(destroyed.state, "succeeded", JSON.stringify(destroyed.error));
	});
}
