// The promises of a highly available Maestro, each a test case, checked against the living cluster of an environment
// that was ordered from the service. Nothing here looks at the program.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ListUsersCommand } from "@aws-sdk/client-iam";
import { ListBucketsCommand } from "@aws-sdk/client-s3";
import { processNames } from "../../src/domain/release.ts";
import { type Aws, makeAwsProvider, startAws } from "../support/aws.ts";
import { kubectlGet } from "../support/kubectl.ts";
import { type Live, listKind, lookAt, namesOfKind } from "./promises/live.ts";
import { promiseNamespace } from "./promises/namespace.ts";
import { promiseProcesses } from "./promises/processes.ts";
import { promiseStores } from "./promises/stores.ts";
import { promiseSurroundings } from "./promises/surroundings.ts";
import { adminKubeconfig, openStage, type Stage } from "./stage.ts";

const plantedPassword = "planted-smtp-password";
const parameters = {
	smtp: {
		host: "smtp.example.test",
		port: 465,
		implicitTls: true,
		sender: "maestro@example.test",
		username: "mailer",
		password: plantedPassword,
	},
	closedSignUp: true,
	backups: { schedule: "5 1 * * 0", retentionDays: 30 },
};

let folder = "";
let aws: Aws;
let stage: Stage;
let seen: Live;
before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-promises-"));
	aws = await startAws();
	stage = await openStage({
		PULUMI_RESOURCE_AWS_BIN: makeAwsProvider(folder),
		TARGET_AWS_REGION: aws.access.region,
		TARGET_AWS_ACCESS_KEY_ID: aws.access.accessKeyId,
		TARGET_AWS_SECRET_ACCESS_KEY: aws.access.secretAccessKey,
		TARGET_AWS_ENDPOINT: aws.access.endpoint ?? "",
	});
	const ordered = await stage.order({
		name: "promised",
		size: "ha",
		parameters,
	});
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
	seen = await lookAt(ordered, (...args) =>
		kubectlGet(adminKubeconfig(), ...args),
	);
});
after(async () => {
	await stage?.close();
	await aws?.stop();
	rmSync(folder, { recursive: true, force: true });
});

const live = () => seen;

describe("an environment of the size ha", () => {
	test("is the 14 processes and the two stores, and no other workload", () => {
		assert.deepEqual(
			namesOfKind(live(), "Deployment"),
			[...processNames].sort(),
		);
		assert.deepEqual(namesOfKind(live(), "StatefulSet"), [
			"mongodb",
			"rabbitmq",
		]);
		assert.deepEqual(listKind(live(), "HorizontalPodAutoscaler"), []);
	});

	test("was verified: the seven version endpoints answered with the release's version", () => {
		const { versions } = live().environment;
		assert.deepEqual(versions, {
			server: "0.6.0",
			discovery: "0.6.0",
			reports: "0.6.0",
			analytics: "0.6.0",
			"analytics-front": "0.6.0",
			audit: "0.6.0",
			data: "0.6.0",
		});
	});

	test("warns of nothing", () => {
		assert.deepEqual(live().environment.warnings, []);
	});

	promiseProcesses(live);
	promiseStores(live);
	promiseNamespace(live);
	promiseSurroundings(live, () => aws);
});

test("destroyed, it leaves nothing in the cluster and nothing in AWS", async () => {
	const { id } = live().environment;
	const destroy = await stage.tenant.call("DELETE", `/v1/environments/${id}`);
	const operation = await stage.tenant.end(String(destroy.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual(
		await kubectlGet(
			adminKubeconfig(),
			"namespace",
			live().environment.namespace,
		),
		[],
	);
	const { Buckets = [] } = await aws.s3.send(new ListBucketsCommand({}));
	const { Users = [] } = await aws.iam.send(new ListUsersCommand({}));
	assert.deepEqual([...Buckets, ...Users], []);
});
