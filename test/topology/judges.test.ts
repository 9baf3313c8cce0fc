// What the program renders, before two judges: kubeconform with the schemas of the API server that the tests run, and
// kube-score.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { type Size, sizes } from "../../src/domain/spec.ts";
import { targetSettings } from "../../src/domain/target.ts";
import { declare, givenInput, listObjects } from "../programs/declared.ts";
import { kubectl } from "../support/kubectl.ts";
import { writeSchemas } from "../support/schemas.ts";
import { until } from "../support/until.ts";
import { type Explanation, explanations } from "./explained.ts";
import { adminKubeconfig } from "./stage.ts";

const tools: Readonly<Record<string, string>> = JSON.parse(
	readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
);
const findTool = (name: string): string => {
	const path = tools[name];
	if (path === undefined)
		throw new Error(`the toolchain has no ${name}; run npm test`);
	return path;
};

const groupVersions = [
	"v1",
	"apps/v1",
	"batch/v1",
	"policy/v1",
	"networking.k8s.io/v1",
	"monitoring.coreos.com/v1",
];
const crds = ["podmonitors", "prometheusrules"];

let folder = "";
let schemas = "";
before(async () => {
	folder = mkdtempSync(join(tmpdir(), "impresario-schemas-"));
	for (const crd of crds)
		await kubectl(
			adminKubeconfig(),
			"apply",
			"--server-side",
			"-f",
			join(findTool("judges/crds"), `monitoring.coreos.com_${crd}.yaml`),
		);
	schemas = await until(
		"the API server tells the schemas of the operator's objects",
		() => writeSchemas(adminKubeconfig(), folder, groupVersions),
		{ everyMs: 200 },
	);
});
after(() => rmSync(folder, { recursive: true, force: true }));

type Variant = (size: Size) => BlueprintInput;
const variants: Readonly<Record<string, Variant>> = {
	plain: givenInput,
	"with everything set": (size) => {
		const input = givenInput(size, {
			parameters: parameters.parse({
				closedSignUp: true,
				replicas: { data: 3 },
				smtp: {
					host: "smtp.example.test",
					sender: "m@example.test",
					username: "u",
					password: "p",
				},
			}),
		});
		return {
			...input,
			target: {
				...input.target,
				storageClass: "fast",
				ingressClass: "public",
				pullSecret: '{"auths":{}}',
				settings: targetSettings.parse({
					registry: "registry.example",
					tls: { issuer: "letsencrypt" },
					monitoring: { operator: true },
				}),
			},
		};
	},
	"with stores elsewhere and features off": (size) =>
		givenInput(size, {
			parameters: parameters.parse({
				external: {
					mongodb: "mongodb://db.example.test",
					rabbitmq: "amqp://mq.example.test",
				},
				features: { analytics: false, audit: false },
			}),
		}),
};

for (const size of sizes)
	for (const [what, variant] of Object.entries(variants))
		describe(`${size}, ${what}`, () => {
			let manifests = "";
			let count = 0;
			before(async () => {
				const objects = listObjects(await declare(variant(size)));
				count = objects.length;
				manifests = objects
					.map((object) => JSON.stringify(object))
					.join("\n---\n");
			});

			test("is valid for the API server, field by field", () => {
				const { stdout, stderr } = spawnSync(
					findTool("kubeconform"),
					[
						"-strict",
						"-summary",
						"-output",
						"json",
						"-schema-location",
						schemas,
					],
					{ input: manifests, encoding: "utf8" },
				);
				const verdict = JSON.parse(stdout || "{}");
				assert.deepEqual(verdict.resources ?? [], [], stderr);
				assert.deepEqual(verdict.summary, {
					valid: count,
					invalid: 0,
					errors: 0,
					skipped: 0,
				});
			});

			test("has no finding that is not explained", () => {
				const unexplained = score(manifests).filter(
					(finding) =>
						!explanations.some((explanation) =>
							explains(explanation, finding, size),
						),
				);
				assert.deepEqual(unexplained, []);
			});
		});

const explains = (
	{ check, objects, size }: Explanation,
	finding: Finding,
	of: Size,
) =>
	check === finding.check &&
	objects.test(finding.object) &&
	(size ?? of) === of;

interface Finding {
	readonly check: string;
	/** `Kind/name`. */
	readonly object: string;
	readonly said: string;
}
interface Scored {
	readonly object_meta: { readonly name: string };
	readonly type_meta: { readonly kind: string };
	readonly checks: readonly {
		readonly check: { readonly id: string };
		readonly grade: number;
		readonly skipped: boolean;
		readonly comments: readonly { readonly summary: string }[] | null;
	}[];
}
/** What kube-score gives to what is right. */
const perfect = 10;

function score(manifests: string): Finding[] {
	const { stdout } = spawnSync(
		findTool("kube-score"),
		["score", "--output-format", "json", "--kubernetes-version", "v1.36", "-"],
		{ input: manifests, encoding: "utf8", maxBuffer: 64 * 2 ** 20 },
	);
	return (JSON.parse(stdout) as Scored[]).flatMap(
		({ object_meta, type_meta, checks }) =>
			checks
				.filter(({ skipped, grade }) => !skipped && grade < perfect)
				.map(({ check, comments }) => ({
					check: check.id,
					object: `${type_meta.kind}/${object_meta.name}`,
					said: (comments ?? []).map(({ summary }) => summary).join("; "),
				})),
	);
}

test("every explanation still explains something", async () => {
	const findings: (readonly [Finding, Size])[] = [];
	for (const size of sizes)
		for (const variant of Object.values(variants)) {
			const objects = listObjects(await declare(variant(size)));
			const manifests = objects.map((object) => JSON.stringify(object));
			for (const finding of score(manifests.join("\n---\n")))
				findings.push([finding, size]);
		}
	const idle = explanations.filter(
		(explanation) =>
			!findings.some(([finding, size]) => explains(explanation, finding, size)),
	);
	assert.deepEqual(idle, []);
});

test("the judges do find fault", () => {
	const manifest = JSON.stringify({
		apiVersion: "apps/v1",
		kind: "Deployment",
		metadata: { name: "bad" },
		spec: {
			replica: 1,
			selector: { matchLabels: { a: "b" } },
			template: {
				metadata: { labels: { a: "b" } },
				spec: { containers: [{ name: "c", image: "x" }] },
			},
		},
	});
	const { stdout } = spawnSync(
		findTool("kubeconform"),
		["-strict", "-output", "json", "-schema-location", schemas],
		{ input: manifest, encoding: "utf8" },
	);
	assert.match(stdout, /replica/);
	assert.ok(
		score(manifest).some(({ check }) => check === "container-resources"),
	);
});
