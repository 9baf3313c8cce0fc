// What a target with AWS changes in an environment, and what one without it is told.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	listPlainVariables,
	listSecretVariables,
	loadContainer,
	loadObject,
	loadPod,
	plantedAws,
} from "./declared.ts";

let local: Declaration;
let inAws: Declaration;
before(async () => {
	const input = givenInput("ha");
	local = await declare(input);
	inAws = await declare({
		...input,
		target: { ...input.target, aws: plantedAws },
	});
});

const containerOf = (declaration: Declaration, name: string) =>
	loadContainer(loadPod(loadObject(declaration, "Deployment", name)));
const bucket = "impresario-env-0123456789abcdefghjk-uploads";

for (const name of ["server", "analytics-front"]) {
	test(`${name} keeps uploads in the bucket, with a key from a Secret and both names of the region`, () => {
		const container = containerOf(inAws, name);
		const variables = listPlainVariables(container);
		assert.deepEqual(
			[
				variables.MAESTRO_UPLOAD_TYPE,
				variables.AWS_S3_BUCKET_NAME,
				variables.AWS_REGION,
				variables.AWS_DEFAULT_REGION,
				variables.AWS_ENDPOINT,
			],
			["S3", bucket, "eu-central-1", "eu-central-1", undefined],
		);
		for (const key of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) {
			assert.ok(listSecretVariables(container).includes(key), key);
		}
		assert.equal(loadObject(inAws, "Deployment", name).spec?.replicas, 2);
	});

	test(`${name} runs once without AWS, and is told nothing of it`, () => {
		const container = containerOf(local, name);
		const variables = listPlainVariables(container);
		assert.equal(variables.MAESTRO_UPLOAD_TYPE, undefined);
		assert.equal(loadObject(local, "Deployment", name).spec?.replicas, 1);
	});
}

test("the client loads images from the bucket, by a URL that ends with a slash", () => {
	const variables = listPlainVariables(containerOf(inAws, "client"));
	assert.equal(
		variables.STATIC_URL,
		`https://${bucket}.s3.eu-central-1.amazonaws.com/`,
	);
	const names = (containerOf(inAws, "client").env ?? []).map(
		({ name }) => name,
	);
	assert.equal(new Set(names).size, names.length);
});

test("no other process is told of AWS", () => {
	for (const deployment of listObjects(inAws, "Deployment")) {
		const { name = "" } = deployment.metadata;
		if (["server", "analytics-front"].includes(name)) continue;
		const { env = [] } = loadContainer(loadPod(deployment));
		assert.deepEqual(
			env.filter((variable) => variable.name.startsWith("AWS_")),
			[],
			name,
		);
	}
});

test("the deployer's own credentials reach the provider and nothing in the namespace", () => {
	for (const object of listObjects(inAws)) {
		assert.doesNotMatch(JSON.stringify(object), /planted-deployer/);
	}
	for (const resource of inAws.resources) {
		assert.doesNotMatch(resource.shown, /planted-deployer/, resource.type);
	}
});

test("with a bucket the backups need no claim, and are carried by a container of their own", () => {
	assert.equal(
		listObjects(inAws, "PersistentVolumeClaim").some(
			({ metadata }) => metadata.name === "backups",
		),
		false,
	);
	const spec = loadObject(inAws, "CronJob", "backup").spec as unknown as {
		jobTemplate: {
			spec: {
				template: {
					spec: {
						initContainers: { name: string }[];
						containers: { name: string; image: string }[];
					};
				};
			};
		};
	};
	const pod = spec.jobTemplate.spec.template.spec;
	assert.deepEqual(
		pod.initContainers.map(({ name }) => name),
		["dump"],
	);
	assert.match(pod.containers[0]?.image ?? "", /^amazon\/aws-cli:/);
});

test("an environment without AWS says what is less for it, and one with AWS has nothing to say", () => {
	assert.match(
		local.outputs.warnings?.join() ?? "",
		/^Uploads stay in the containers of server and analytics-front/,
	);
	assert.deepEqual(inAws.outputs.warnings, []);
});
