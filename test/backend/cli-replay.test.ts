// The state that we rebuild from a journal is the one that the CLI itself would have written: the same
// programs, once journalled and once with whole states, with a real provider (which only renders files).
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import { type Cli, openCli } from "./cli.ts";
import { givenStack, makeDoor, openWorld, stackPath } from "./given.ts";

const world = await openWorld();
const door = makeDoor(world.backend.url, world.token);
const folder = await mkdtemp(join(tmpdir(), "impresario-replay-"));
const opened: Cli[] = [];
after(async () => {
	for (const cli of opened) await cli.close();
	await world.close();
	await rm(folder, { recursive: true, force: true });
});

interface World {
	readonly provider: Provider;
}
type Program = (world: World) => void;

const map = (
	{ provider }: World,
	name: string,
	data: Record<string, string>,
	options: object = {},
	metadata: object = {},
) =>
	new ConfigMap(
		name,
		{ metadata: { name, ...metadata }, data },
		{ provider, ...options },
	);

/** What happens to a stack, one update after the other. */
const scenario: readonly {
	readonly what: string;
	readonly program: Program;
	readonly args?: string[];
}[] = [
	{
		what: "create",
		program: (world) => {
			const group = new ComponentResource("test:index:Group", "group");
			const a = map(world, "a", { x: "1" }, { parent: group });
			map(world, "b", { x: "1" }, { dependsOn: a });
			map(world, "c", { x: "1" }, { deletedWith: a });
			map(world, "hidden", { x: secret("planted") as unknown as string });
		},
	},
	{
		what: "update, replace before and after, delete",
		program: (world) => {
			const group = new ComponentResource("test:index:Group", "group");
			const a = map(world, "a", { x: "2" }, { parent: group });
			map(
				world,
				"b",
				{ x: "1" },
				{ dependsOn: a, replaceOnChanges: ["metadata"] },
				{ labels: { l: "1" } },
			);
			map(
				world,
				"c",
				{ x: "1" },
				{ deleteBeforeReplace: true, deletedWith: a },
				{ name: "c-2" },
			);
		},
	},
	{
		what: "rename by alias, move to another parent",
		program: (world) => {
			const group = new ComponentResource(
				"test:index:Team",
				"team",
				{},
				{
					aliases: [{ type: "test:index:Group", name: "group" }],
				},
			);
			const a = map(world, "a", { x: "2" }, { parent: group });
			map(
				world,
				"d",
				{ x: "1" },
				{ dependsOn: a, aliases: [{ name: "b" }] },
				{ name: "b", labels: { l: "1" } },
			);
			map(world, "e", { x: "1" }, { replaceWith: [a] });
		},
	},
	{
		what: "only one target",
		program: (world) => {
			map(world, "e", { x: "2" });
			map(world, "f", { x: "2" });
		},
		args: ["--target", "**f", "--target-dependents"],
	},
	{
		what: "a refresh that finds all gone, then what is wanted",
		program: (world) => {
			map(world, "e", { x: "2" });
			map(world, "f", { x: "3" });
		},
		args: ["--refresh"],
	},
];

const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const own = new Set([
	"time",
	"created",
	"modified",
	"ciphertext",
	"sourcePosition",
	"stackTrace",
	"renderYamlToDirectory",
	"__fieldManager",
]);

/** The CLI's own comparison of the two (snapshot.AssertEqual) overlooks these too. */
const isEmpty = (lists: Record<string, readonly unknown[]>) =>
	Object.values(lists).every((list) => list.length === 0);

/** Without what is another at each run: times, ids, ciphertexts, the stack's name. */
const level = (text: string, name: string): unknown =>
	JSON.parse(
		text
			.replaceAll(`${name}::tests`, "s::tests")
			.replaceAll(`tests-${name}`, "tests-s")
			.replaceAll(uuid, "uuid"),
		(key, value) =>
			own.has(key) || (key === "propertyDependencies" && isEmpty(value))
				? undefined
				: value,
	);

async function stateOf(name: string): Promise<unknown> {
	const { body } = await door("GET", `${stackPath(name)}/export`);
	const { secrets_providers: _, ...deployment } = body.deployment ?? {};
	return level(JSON.stringify({ ...body, deployment }), name);
}

async function open(name: string, environment: Record<string, string>) {
	await givenStack(door, name);
	const cli = await openCli({
		url: world.backend.url,
		token: world.token,
		stack: name,
		environment: {
			// There is no cluster, so a refresh finds everything gone.
			PULUMI_K8S_DELETE_UNREACHABLE: "true",
			...environment,
		},
	});
	opened.push(cli);
	return { name, cli };
}

test("journal and whole states lead to equal exports, step by step", async (t) => {
	const stacks = [
		await open("journal", {}),
		await open("wholeee", { PULUMI_DISABLE_JOURNALING: "true" }),
	];
	for (const { what, program, args = [] } of scenario) {
		await t.test(what, async () => {
			for (const { name, cli } of stacks) {
				const { code, stdout, stderr } = await cli.up(
					async () => {
						const provider = new Provider("p", {
							renderYamlToDirectory: join(folder, name),
						});
						program({ provider });
					},
					"--parallel",
					"1",
					...args,
				);
				assert.equal(code, 0, stderr + stdout);
			}
			const [journal, whole] = await Promise.all(
				stacks.map(({ name }) => stateOf(name)),
			);
			assert.deepEqual(journal, whole);
		});
	}
	for (const verb of ["refresh", "destroy"]) {
		await t.test(verb, async () => {
			for (const { cli } of stacks) {
				await cli.succeed(verb, "--yes", "--skip-preview", "--parallel", "1");
			}
			const [journal, whole] = await Promise.all(
				stacks.map(({ name }) => stateOf(name)),
			);
			assert.deepEqual(journal, whole);
		});
	}
});
