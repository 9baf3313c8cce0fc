// As much of curl as the README's examples use, for a machine that has none. What it does not know, it refuses.
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		silent: { type: "boolean", short: "s" },
		"show-error": { type: "boolean", short: "S" },
		"no-buffer": { type: "boolean", short: "N" },
		request: { type: "string", short: "X" },
		header: { type: "string", short: "H", multiple: true },
		data: { type: "string", short: "d" },
	},
});
const [url] = positionals;
const response = await fetch(url, {
	method: values.request ?? (values.data === undefined ? "GET" : "POST"),
	headers: (values.header ?? []).map((line) => {
		const at = line.indexOf(":");
		return [line.slice(0, at), line.slice(at + 1).trim()];
	}),
	body: values.data,
});
for await (const chunk of response.body ?? []) process.stdout.write(chunk);
// curl itself is content with any answer; an example of ours has to succeed.
if (!response.ok) {
	process.stderr.write(`${url} answered ${response.status}\n`);
	process.exitCode = 22;
}
