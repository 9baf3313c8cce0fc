// What somebody writes who has the same program and the Automation API's documentation, as a process of its
// own: `node stock-script.ts up|destroy REQUEST.json`. Everything is left at its default, and what the
// service tunes in the program is taken out again (untuned.ts).
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import * as automation from "@pulumi/pulumi/automation/index.js";
import { findProgram } from "../../programs/catalog.ts";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { runUntuned } from "./untuned.ts";

export interface StockRequest {
	readonly stack: string;
	readonly blueprint: { readonly name: "maestro"; readonly version: string };
	readonly input: BlueprintInput;
}

/** Seconds. */
export interface StockAnswer {
	readonly selected: number;
	readonly configured: number;
	readonly updated: number;
	/** Including the stack and the provider. */
	readonly changes: Readonly<Record<string, number>>;
}

const [verb, path = ""] = process.argv.slice(2);
const { stack, blueprint, input }: StockRequest = JSON.parse(
	readFileSync(path, "utf8"),
);

async function program() {
	const config = new pulumi.Config();
	const make = findProgram(blueprint);
	if (make === undefined) throw new Error("there is no such program");
	return runUntuned(
		make({
			...input,
			size: config.require<BlueprintInput["size"]>("size"),
			target: { ...input.target, kubeconfig: config.require("kubeconfig") },
		}),
	);
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
	const begun = performance.now();
	return [await work(), (performance.now() - begun) / 1000];
}

const [selectedStack, selected] = await timed(() =>
	automation.LocalWorkspace.createOrSelectStack({
		stackName: stack,
		projectName: "stock",
		program,
	}),
);
let answer: StockAnswer;
if (verb === "up") {
	const [, configured] = await timed(() =>
		selectedStack.setAllConfig({
			size: { value: input.size },
			kubeconfig: { value: input.target.kubeconfig, secret: true },
		}),
	);
	const [{ summary }, updated] = await timed(() => selectedStack.up());
	answer = {
		selected,
		configured,
		updated,
		changes: { ...summary.resourceChanges },
	};
} else {
	const [{ summary }, updated] = await timed(() => selectedStack.destroy());
	answer = {
		selected,
		configured: 0,
		updated,
		changes: { ...summary.resourceChanges },
	};
}
process.stdout.write(`${JSON.stringify(answer)}\n`);
