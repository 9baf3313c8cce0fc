// The README's examples, as it prints them: the shell's by a shell, on an API whose operations succeed, the JSON ones where
// the text around them says that they go.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parseConfig } from "../../src/config.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { noChanges, type OperationKind } from "../../src/domain/operation.ts";
import { appendEvents } from "../../src/store/events.ts";
import { begin, succeed } from "./cells.ts";
import { type Door, givenReadyEnvironment, openDoor } from "./door.ts";

const root = resolve(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

const listBlocks = (language: string): string[] =>
	[...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(
		([, own, text = ""]) => (own === language ? [text] : []),
	);

let door: Door;
let dir = "";
before(async () => {
	door = await openDoor();
	dir = mkdtempSync(join(tmpdir(), "impresario-readme-"));
});
after(async () => {
	await door?.close();
	rmSync(dir, { recursive: true, force: true });
});

/** Brings every operation to its good end, as soon as it is there. */
async function work(until: AbortSignal): Promise<void> {
	while (!until.aborted) {
		const open = await door.db
			.selectFrom("operations")
			.select(["id", "kind", "environment_id"])
			.where("state", "=", "queued")
			.execute();
		for (const row of open) {
			const id = row.id as OperationId;
			const kind = row.kind as OperationKind;
			await begin(door, id, kind);
			await succeed(door.db, id, kind);
			const environment = row.environment_id;
			await appendEvents(door.db, { environment, operation: id }, [
				{
					type: "operation.succeeded",
					data: { kind, changes: noChanges },
				},
			]);
		}
		await new Promise((fulfil) => setTimeout(fulfil, 20));
	}
}

/** The lines of the README, with this API in place of the one that `npm start` serves. */
function composeScript(blocks: readonly string[]): string {
	const text = blocks.join("\n");
	const api = "api=http://127.0.0.1:8080\n";
	assert.ok(text.includes(api));
	return text.replace(api, `api=${door.url}\n`);
}

test("a first order with curl goes from a tenant to an environment that is destroyed", async () => {
	const blocks = listBlocks("sh").filter((text) => text.includes("curl"));
	assert.ok(blocks.length >= 3);
	mkdirSync(join(dir, ".impresario"));
	writeFileSync(
		join(dir, ".impresario", "token"),
		`${door.platformAdmin.token}\n`,
	);
	const curl = join(dir, "curl");
	const script = join(root, "test", "support", "curl.mjs");
	writeFileSync(
		curl,
		`#!/bin/sh\nexec "${process.execPath}" "${script}" "$@"\n`,
	);
	chmodSync(curl, 0o755);
	// The tenant is there already for the door's people.
	const text = composeScript(blocks).replaceAll('"acme"', '"readme"');
	const over = new AbortController();
	const worker = work(over.signal);
	const { stdout } = await promisify(execFile)(
		"bash",
		["-e", "-u", "-o", "pipefail", "-c", text],
		{
			cwd: dir,
			timeout: 60_000,
			env: { ...process.env, PATH: [dir, process.env.PATH].join(delimiter) },
		},
	).finally(() => over.abort());
	await worker;
	assert.equal(stdout.match(/^event: end$/gm)?.length, 3, stdout);
	const rows = await door.db
		.selectFrom("environments")
		.select(["name", "lifecycle"])
		.where("name", "in", ["prod", "lean"])
		.orderBy("name")
		.execute();
	assert.deepEqual(
		rows.map(({ name }) => name),
		["lean", "prod"],
	);
	assert.equal(rows[1]?.lifecycle, "destroyed");
});

/** Where each of the README's JSON examples goes, by a field that only this one has. */
const goals: Readonly<Record<string, (json: string) => Promise<void>>> = {
	expiresAt: (json) => post("/v1/tokens", json, 201),
	audience: async (json) => {
		const { issuers } = parseConfig({ OIDC_ISSUERS: json });
		assert.equal(issuers.length, 1);
	},
	claims: (json) => post("/v1/identity-rules", json, 201),
	url: (json) => post("/v1/webhooks", json.replace("…", "hush"), 201),
	timeZone: async (json) => {
		const { id } = await givenReadyEnvironment(door);
		const { status, text } = await door.sendRaw(
			"PATCH",
			`/v1/environments/${id}`,
			{
				token: door.operator.token,
				raw: `{"schedule": ${json}}`,
			},
		);
		assert.equal(status, 200, text);
	},
	quota: async (json) => {
		const { status, text } = await door.sendRaw("PATCH", "/v1/tenants/globex", {
			token: door.platformAdmin.token,
			raw: json,
		});
		assert.equal(status, 200, text);
	},
};

async function post(path: string, raw: string, status: number): Promise<void> {
	const { token } =
		path === "/v1/identity-rules" ? door.platformAdmin : door.admin;
	const answer = await door.sendRaw("POST", path, { token, raw });
	assert.equal(answer.status, status, answer.text);
}

for (const json of listBlocks("json")) {
	const parsed: unknown = JSON.parse(json);
	const subject = (Array.isArray(parsed) ? parsed[0] : parsed) as object;
	const found = Object.keys(goals).filter((field) => field in subject);
	test(`the example with ${found.join(" and ") || json} is good where it goes`, async () => {
		assert.equal(found.length, 1, "say in `goals` where it goes");
		await goals[found[0] ?? ""]?.(json);
	});
}
