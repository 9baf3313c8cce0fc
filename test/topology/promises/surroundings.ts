// The edge, backups, monitoring, and what lies in AWS.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import type { Aws } from "../../support/aws.ts";
import type { KubernetesObject } from "../../support/kubectl.ts";
import {
	type Live,
	listContainers,
	listKind,
	listPodsOf,
	loadNamed,
	type PodSpec,
	readSecret,
	type Specified,
} from "./live.ts";

export function promiseSurroundings(live: () => Live, aws: () => Aws): void {
	describe("the edge", () => promiseEdge(live));
	describe("backups", () => promiseBackups(live));
	describe("monitoring", () => promiseMonitoring(live));
	describe("AWS", () => promiseAws(live, aws));
}

interface Ingress extends KubernetesObject {
	readonly spec: {
		readonly tls: readonly { readonly hosts: readonly string[] }[];
		readonly rules: readonly {
			readonly host: string;
			readonly http: {
				readonly paths: readonly {
					readonly path: string;
					readonly backend: {
						readonly service: {
							readonly name: string;
							readonly port: { readonly name: string };
						};
					};
				}[];
			};
		}[];
	};
	readonly status: { readonly loadBalancer?: { readonly ingress?: object[] } };
}

function promiseEdge(live: () => Live): void {
	const ingresses = () => listKind<Ingress>(live(), "Ingress");
	const routes = () =>
		ingresses().flatMap(({ spec }) =>
			spec.rules.flatMap(({ host, http }) =>
				http.paths.map(({ path, backend: { service } }) => ({
					host,
					path,
					to: service.name,
					port: service.port.name,
				})),
			),
		);

	test("is four endpoints and no more, each with an address", () => {
		assert.deepEqual(
			ingresses()
				.map(({ metadata }) => metadata.name)
				.sort(),
			["analytics-front", "client", "server", "websocket"],
		);
		for (const { metadata, status } of ingresses())
			assert.ok(status.loadBalancer?.ingress?.length, metadata.name);
		for (const { metadata, spec } of listKind<Specified>(live(), "Service"))
			assert.equal(spec.type, "ClusterIP", metadata.name);
	});

	test("ends TLS for each of its hosts, which are those that the environment tells", () => {
		const told = Object.values(
			live().environment.endpoints as Record<string, string>,
		);
		for (const url of told) assert.match(url, /^(https|wss):/);
		const hosts = ingresses().flatMap(({ spec }) =>
			spec.tls.flatMap((one) => one.hosts),
		);
		assert.deepEqual(
			hosts.sort(),
			told.map((url) => new URL(url).hostname).sort(),
		);
		assert.deepEqual(
			[...new Set(routes().map(({ host }) => host))].sort(),
			hosts,
		);
	});

	test("leads to Centrifugo's connections for an hour of silence, and not to its /api", () => {
		assert.deepEqual(
			routes()
				.filter(({ to }) => to === "websocket")
				.map(({ path }) => path),
			["/connection"],
		);
		const { metadata } = loadNamed<Ingress>(live(), "Ingress", "websocket");
		for (const kind of ["read", "send"])
			assert.equal(
				metadata.annotations?.[
					`nginx.ingress.kubernetes.io/proxy-${kind}-timeout`
				],
				"3600",
			);
	});

	test("has browsers ask again for the client's page", () => {
		const page = routes().filter(
			({ to, port }) => to === "client" && port === "index",
		);
		assert.deepEqual(page.map(({ path }) => path).sort(), ["/", "/index.html"]);
		const { data } = loadNamed<
			KubernetesObject & { data: Record<string, string> }
		>(live(), "ConfigMap", "client-index");
		assert.match(data["index.conf"] ?? "", /Cache-Control no-cache/);
	});

	test("refuses POST /users where sign-up is closed: browsers pass the gate, always", () => {
		assert.deepEqual(
			routes()
				.filter(({ to }) => to === "server")
				.map(({ port }) => port),
			["sign-up"],
		);
		for (const { spec } of listPodsOf(live(), "server"))
			assert.ok(spec.containers.some(({ name }) => name === "sign-up"));
	});
}

interface CronJob extends KubernetesObject {
	readonly spec: {
		readonly schedule: string;
		readonly timeZone?: string;
		readonly suspend: boolean;
		readonly concurrencyPolicy: string;
		readonly jobTemplate: {
			readonly spec: { readonly template: { readonly spec: PodSpec } };
		};
	};
}

function promiseBackups(live: () => Live): void {
	const load = (name: string) => loadNamed<CronJob>(live(), "CronJob", name);
	const variablesOf = ({ spec }: CronJob) =>
		new Map(
			listContainers(spec.jobTemplate.spec.template.spec).flatMap(
				({ env = [] }) => env.map(({ name, value }) => [name, value] as const),
			),
		);

	test("are made when the order says, one at a time, and kept for as long as it says", () => {
		const { spec } = load("backup");
		assert.equal(spec.schedule, "5 1 * * 0");
		assert.equal(spec.timeZone, "Etc/UTC");
		assert.equal(spec.suspend, false);
		assert.equal(spec.concurrencyPolicy, "Forbid");
		assert.equal(variablesOf(load("backup")).get("RETENTION_DAYS"), "30");
	});

	test("are of every database, by MongoDB's own tools, with the versions that they are of", () => {
		const variables = variablesOf(load("backup"));
		const words = JSON.stringify(load("backup").spec.jobTemplate);
		for (const database of [
			"maestro-client",
			"maestro-reports",
			"maestro-audit",
		])
			assert.ok(variables.get("DATABASES")?.split(" ").includes(database));
		assert.match(words, /mongodump/);
		assert.equal(variables.get("MAESTRO_VERSION"), "0.6.0");
		assert.match(variables.get("MONGODB_VERSION") ?? "", /^4\.4\./);
	});

	test("go to the environment's bucket, with a key for it alone", () => {
		const variables = variablesOf(load("backup"));
		assert.match(variables.get("BUCKET") ?? "", /-backups$/);
		const keys = ["backup", "uploads"].map(
			(name) => readSecret(live(), name).AWS_ACCESS_KEY_ID,
		);
		assert.ok(keys.every((key) => key));
		assert.equal(new Set(keys).size, 2);
	});

	test("can be put back by a Job that never runs by itself", () => {
		const { spec } = load("restore");
		assert.equal(spec.suspend, true);
		assert.match(JSON.stringify(spec.jobTemplate), /mongorestore/);
	});
}

function promiseMonitoring(live: () => Live): void {
	for (const [part, port] of [
		["mongodb", "9216"],
		["rabbitmq", "15692"],
		["websocket", "8000"],
	] as const)
		test(`finds the metrics of ${part} by annotations, at a port that is there`, () => {
			const pods = listPodsOf(live(), part);
			assert.ok(pods.length > 0);
			for (const { metadata, spec } of pods) {
				assert.equal(metadata.annotations?.["prometheus.io/scrape"], "true");
				assert.equal(metadata.annotations?.["prometheus.io/port"], port);
				assert.ok(
					spec.containers
						.flatMap(({ ports = [] }) => ports)
						.some(({ containerPort }) => String(containerPort) === port),
				);
			}
		});

	test("has a dashboard that Grafana finds", () => {
		const maps = listKind<KubernetesObject & { data: Record<string, string> }>(
			live(),
			"ConfigMap",
		).filter(({ metadata }) => metadata.labels?.grafana_dashboard === "1");
		assert.equal(maps.length, 1);
		for (const text of Object.values(maps[0]?.data ?? {}))
			assert.ok((JSON.parse(text) as { panels: object[] }).panels.length > 0);
	});
}

function promiseAws(live: () => Live, aws: () => Aws): void {
	const bucket = (kind: string) =>
		`impresario-${live().environment.id.replace("_", "-")}-${kind}`;

	test("has a bucket for uploads and one for backups, encrypted and tagged, the second one versioned", async () => {
		for (const kind of ["uploads", "backups"]) {
			const Bucket = bucket(kind);
			const { ServerSideEncryptionConfiguration } = await aws().s3.send(
				new s3.GetBucketEncryptionCommand({ Bucket }),
			);
			assert.ok(ServerSideEncryptionConfiguration?.Rules?.length, Bucket);
			const { TagSet } = await aws().s3.send(
				new s3.GetBucketTaggingCommand({ Bucket }),
			);
			const tags = new Map(TagSet?.map(({ Key, Value }) => [Key, Value]));
			assert.equal(tags.get("tenant"), "acme");
			assert.equal(tags.get("environment"), live().environment.id);
			assert.equal(tags.get("managed-by"), "impresario");
		}
		const { Status } = await aws().s3.send(
			new s3.GetBucketVersioningCommand({ Bucket: bucket("backups") }),
		);
		assert.equal(Status, "Enabled");
	});

	test("has a user for each bucket, whose keys are those in the namespace", async () => {
		for (const [kind, secret] of [
			["uploads", "uploads"],
			["backups", "backup"],
		] as const) {
			const { AccessKeyMetadata } = await aws().iam.send(
				new iam.ListAccessKeysCommand({ UserName: bucket(kind) }),
			);
			assert.deepEqual(
				AccessKeyMetadata?.map(({ AccessKeyId }) => AccessKeyId),
				[readSecret(live(), secret).AWS_ACCESS_KEY_ID],
			);
		}
	});

	test("keeps the account's own credentials out of the namespace", () => {
		const { accessKeyId, secretAccessKey } = aws().access;
		const text = listKind(live(), "Secret").map(({ metadata }) =>
			JSON.stringify(readSecret(live(), metadata.name)),
		);
		for (const planted of [accessKeyId, secretAccessKey]) {
			assert.ok(!JSON.stringify(live().objects).includes(planted));
			assert.ok(!text.join().includes(planted));
		}
	});
}
