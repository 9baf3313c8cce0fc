// What kwok plays: its own stages for nodes and pods, as they come with its source, and ours beside them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import type { Tools } from "./components.ts";

const playedByKwok = [
	"kwok/stages/node-fast",
	"kwok/stages/node-heartbeat-with-lease",
	"kwok/stages/pod-fast",
];

/** The text of kwok's configuration: every stage, one document each. Throws `not_set_up` if kwok's own are missing. */
export function composeStages(tools: Tools): string {
	const folders = [
		...playedByKwok.map((name) => findFolder(tools, name)),
		join(import.meta.dirname, "stages"),
	];
	return folders.flatMap(readStages).join("---\n");
}

function findFolder(tools: Tools, name: string): string {
	const folder = tools[name];
	if (folder !== undefined && existsSync(folder)) return folder;
	throw new Failure({
		code: "not_set_up",
		message: `The toolchain has no ${name}, so the sandbox's nodes cannot be played.`,
		untouched: "Nothing was started.",
		advice: "Build it with `node toolchain/build.mjs sandbox`.",
	});
}

const readStages = (folder: string): string[] =>
	readdirSync(folder)
		.filter((file) => file.endsWith(".yaml") && file !== "kustomization.yaml")
		.sort()
		.map((file) => readFileSync(join(folder, file), "utf8"));
