// Structured logs, one JSON object a line. Secrets are kept out by never passing them; the redaction below
// is a second net for names under which they usually travel.
import { type Logger, pino } from "pino";

export type Log = Logger;

const redacted = [
	"authorization",
	"token",
	"password",
	"kubeconfig",
	"secrets",
	"key",
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Writes to standard error, so that standard output stays for what a person reads. */
export function createLog(level: string, name: string): Log {
	return pino(
		{ level, name, redact: { paths: redacted, censor: "[redacted]" } },
		pino.destination({ fd: 2, sync: true }),
	);
}
