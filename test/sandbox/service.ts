// A service that has nothing but a sandbox, as a process of its own, to be killed: `service.ts DIR`. It says
// what it started as a line of JSON, and stops in order on SIGTERM.
import { startSandbox } from "../../src/sandbox/sandbox.ts";
import { loadTools } from "./given.ts";

const [, , dir = ""] = process.argv;
const sandbox = await startSandbox({
	dir,
	tools: loadTools(),
	throwAway: true,
	log: () => {},
});
const { stop, ...told } = sandbox;
console.log(JSON.stringify(told));
process.once("SIGTERM", () => void stop());
