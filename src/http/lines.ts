// A list as JSON lines, as long as it is, at the pace of its reader.
import { once } from "node:events";
import type { Response } from "express";
import { linesMediaType } from "../contract/page.ts";

/** An answer of many values. */
export interface JsonLines {
	readonly lines: AsyncIterable<object>;
}

export const isLines = (answer: unknown): answer is JsonLines =>
	typeof answer === "object" && answer !== null && "lines" in answer;

/** How long a reader may take nothing before he is let go. */
const slowReaderMs = 60_000;

/** What throws after the first line breaks the connection off, so that nobody takes a part for the whole. */
export async function sendLines(
	response: Response,
	lines: AsyncIterable<object>,
): Promise<void> {
	const gone = new AbortController();
	response.once("close", () => gone.abort());
	try {
		for await (const line of lines) {
			if (gone.signal.aborted) return;
			if (!response.headersSent) response.type(linesMediaType);
			if (response.write(`${JSON.stringify(line)}\n`)) continue;
			const timer = setTimeout(() => response.destroy(), slowReaderMs);
			await once(response, "drain", { signal: gone.signal }).catch(() => {});
			clearTimeout(timer);
		}
	} catch (error) {
		if (response.headersSent) response.destroy();
		throw error;
	}
	if (!response.headersSent) response.type(linesMediaType);
	response.end();
}
