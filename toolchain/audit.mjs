// Asks the registry what is known against the packages that the service runs with. A finding fails; a registry that has no
// such question, as mirrors often have not, is said and fails nothing.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
/** Below it are findings that need somebody on the machine already, or cost some time at most. */
const grave = ["moderate", "high", "critical"];

const { stdout = "", error } = spawnSync(
	"npm",
	["audit", "--omit=dev", "--json"],
	{ cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
);

function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return {};
	}
}

const report = parse(stdout);
if (report.metadata?.vulnerabilities === undefined) {
	const reason = error?.message ?? report.message ?? "it gave no report";
	console.log(`audit: nothing was checked: ${reason}`);
} else {
	const found = Object.values(report.vulnerabilities ?? {}).filter(
		({ severity }) => grave.includes(severity),
	);
	for (const { name, range, severity, via } of found) {
		const titles = via.map((one) => one.title ?? one).join("; ");
		console.log(`audit: ${name} ${range}: ${severity}: ${titles}`);
	}
	console.log(`audit: ${found.length === 0 ? "passed" : "failed"}`);
	if (found.length > 0) process.exitCode = 1;
}
