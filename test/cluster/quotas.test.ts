// A create that was charged to a quota and never made, at a real API server with its controllers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import { type Cluster, environmentLabel } from "../../src/domain/cluster.ts";
import { createSuffix } from "../../src/domain/ids.ts";
import { kubectl, kubectlGet } from "../support/kubectl.ts";
import { until } from "../support/until.ts";

const admin = process.env.TEST_ADMIN_KUBECONFIG ?? "";
const namespace = `quotas-${createSuffix(6)}`;
const environment = "env_00000000000000000007";
const on = ["-n", namespace];
let cluster: Cluster;

before(async () => {
	cluster = makeCluster(
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
	);
	await kubectl(admin, "create", "namespace", namespace);
});
after(async () => {
	await cluster.close();
	await kubectl(admin, "delete", "namespace", namespace, "--wait=false");
});

async function readQuota() {
	const [quota] = await kubectlGet(admin, ...on, "resourcequota", "secrets");
	const { spec, status } = quota as unknown as {
		spec: { hard: Record<string, string> };
		status?: { used?: Record<string, string> };
	};
	return { hard: spec.hard, used: status?.used?.secrets };
}

const recount = () =>
	cluster.recountQuotas(
		{ namespace, environment },
		{ signal: AbortSignal.timeout(20_000) },
	);

test("what was charged and never made is forgotten, and the quota is as it was", async () => {
	await recount();
	await kubectl(admin, ...on, "create", "quota", "secrets", "--hard=secrets=2");
	const label = `${environmentLabel}=${environment}`;
	await kubectl(admin, ...on, "label", "resourcequota", "secrets", label);
	await kubectl(admin, ...on, "create", "secret", "generic", "one");
	await until("it is charged", async () => (await readQuota()).used === "1");
	// As an interrupted create leaves it.
	await kubectl(
		admin,
		...on,
		...["patch", "resourcequota", "secrets", "--subresource=status"],
		...["--type=merge", "-p", '{"status":{"used":{"secrets":"2"}}}'],
	);
	assert.equal((await readQuota()).used, "2");
	await assert.rejects(
		kubectl(admin, ...on, "create", "secret", "generic", "two"),
		/exceeded quota/,
	);

	await recount();
	assert.deepEqual(await readQuota(), { hard: { secrets: "2" }, used: "1" });
	await kubectl(admin, ...on, "create", "secret", "generic", "two");
});
