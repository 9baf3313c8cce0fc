// What the program declares for backups: two CronJobs, their Secret, and a claim.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
	type Declaration,
	declare,
	givenInput,
	loadObject,
	type Manifest,
	plantedSecrets,
} from "./declared.ts";

interface CronJobSpec {
	readonly schedule: string;
	readonly timeZone: string;
	readonly suspend: boolean;
	readonly concurrencyPolicy: string;
	readonly jobTemplate: {
		readonly metadata: Manifest["metadata"];
		readonly spec: NonNullable<Manifest["spec"]> & {
			readonly backoffLimit: number;
		};
	};
}

let declaration: Declaration;
before(async () => {
	declaration = await declare(givenInput("ha"));
});

const loadCronJob = (name: string): CronJobSpec =>
	loadObject(declaration, "CronJob", name).spec as unknown as CronJobSpec;

test("backups are made by the default schedule, one at a time, and a restore never by itself", () => {
	const backup = loadCronJob("backup");
	assert.deepEqual(
		[
			backup.schedule,
			backup.timeZone,
			backup.suspend,
			backup.concurrencyPolicy,
		],
		["17 3 * * *", "Etc/UTC", false, "Forbid"],
	);
	assert.equal(loadCronJob("restore").suspend, true);
});

for (const kind of ["backup", "restore"] as const) {
	test(`the ${kind}'s Job and its pod say whose they are and what they do`, () => {
		const { jobTemplate } = loadCronJob(kind);
		for (const metadata of [
			jobTemplate.metadata,
			jobTemplate.spec.template?.metadata,
		]) {
			assert.equal(metadata?.labels?.["impresario.dev/job"], kind);
			assert.equal(
				metadata?.labels?.["impresario.dev/environment"],
				"env_0123456789abcdefghjk",
			);
			assert.equal(metadata?.labels?.["app.kubernetes.io/name"], kind);
		}
	});

	test(`the ${kind}'s pod is fit for the Pod Security level restricted`, () => {
		const pod = loadCronJob(kind).jobTemplate.spec.template?.spec;
		assert.deepEqual(
			[
				pod?.enableServiceLinks,
				pod?.automountServiceAccountToken,
				pod?.securityContext?.seccompProfile?.type,
			],
			[false, false, "RuntimeDefault"],
		);
		for (const container of pod?.containers ?? []) {
			const context = container.securityContext;
			assert.equal(context?.runAsNonRoot, true);
			assert.equal(context?.runAsUser, 999);
			assert.equal(context?.allowPrivilegeEscalation, false);
			assert.deepEqual(context?.capabilities?.drop, ["ALL"]);
		}
	});
}

test("the tools sign in as root from a file, and nothing shows the password", () => {
	const secret = loadObject(declaration, "Secret", "backup");
	const { stringData } = secret;
	assert.match(
		stringData?.["tools.yaml"] ?? "",
		/^uri: 'mongodb:\/\/root:planted-MONGODB_ROOT_PASSWORD@mongodb-0\.mongodb:27017,mongodb-1\.mongodb:27017,mongodb-2\.mongodb:27017\/\?replicaSet=maestro&authSource=admin'\n$/,
	);
	for (const resource of declaration.resources) {
		assert.ok(
			!resource.shown.includes(plantedSecrets.MONGODB_ROOT_PASSWORD),
			`${resource.type} ${resource.name}`,
		);
	}
});

test("without a bucket the backups lie on a claim of their own", () => {
	const claim = loadObject(declaration, "PersistentVolumeClaim", "backups");
	const spec = claim.spec as unknown as {
		resources: { requests: { storage: string } };
	};
	assert.equal(spec.resources.requests.storage, "40Gi");
});
