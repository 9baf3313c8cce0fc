// Where the real CLI and its plugins are: what the toolchain wrote down, or else what it has built so far.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(
	process.env.TOOLCHAIN_DIR ??
		join(import.meta.dirname, "../../.impresario/toolchain"),
);

function readTools(): Record<string, string> {
	const file = join(folder, "tools.json");
	return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

function findBuilt(pattern: RegExp, path: string): string | undefined {
	return readdirSync(folder)
		.filter((name) => pattern.test(name) && !name.endsWith(".building"))
		.map((name) => join(folder, name, path))
		.find(existsSync);
}

function requireTool(path: string | undefined, name: string): string {
	if (path === undefined) {
		throw new Error(
			`${name} is not built. Run: node toolchain/build.mjs engine`,
		);
	}
	return path;
}

export const pulumiBin = requireTool(
	readTools().pulumi ?? findBuilt(/^pulumi-/, "bin/pulumi"),
	"The Pulumi CLI",
);

export const pluginBin = requireTool(
	readTools()["pulumi-resource-kubernetes"] ??
		findBuilt(
			/^kubernetes-provider-/,
			"pulumi-home/plugins/resource-kubernetes-v4.26.0/pulumi-resource-kubernetes",
		),
	"The Kubernetes provider",
);
