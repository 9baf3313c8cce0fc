import {
	findProblem,
	listProblems,
	type ProblemPage,
	presentProblemPage,
} from "../contract/problem-pages.ts";
import { failureCodes } from "../failure.ts";
import { bind, type Route } from "./bind.ts";
import { refuseMissing } from "./visible.ts";

export const problemRoutes: readonly Route[] = [
	bind(
		listProblems,
		async () => ({ items: failureCodes.map(presentProblemPage) }),
		({ items }) =>
			renderPage(
				"Problems",
				`<ul>${items.map(({ code, title }) => `<li><a href="/problems/${code}"><code>${code}</code></a>: ${escapeText(title)}</li>`).join("")}</ul>`,
			),
	),

	bind(
		findProblem,
		async (_context, { params }) => {
			const code = failureCodes.find((known) => known === params.code);
			if (code === undefined) throw refuseMissing("problem", params.code);
			return presentProblemPage(code);
		},
		renderProblem,
	),
];

function renderProblem(page: ProblemPage): string {
	const { code, status, title, happened, untouched, advice } = page;
	const parts = [
		["What happened", happened],
		["What was left untouched", untouched],
		["What to do", advice],
	] as const;
	return renderPage(
		title,
		`<p>Code <code>${code}</code>, HTTP status ${status}</p>${parts
			.map(([head, text]) => `<h2>${head}</h2><p>${escapeText(text)}</p>`)
			.join("")}<p><a href="/problems">All problems</a></p>`,
	);
}

const renderPage = (title: string, body: string): string =>
	`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${escapeText(title)}</title></head><body><main><h1>${escapeText(title)}</h1>${body}</main></body></html>\n`;

const entities: Readonly<Record<string, string>> = {
	"&": "&amp;",
	"<": "&lt;",
	">": "&gt;",
	'"': "&quot;",
};

/** Code between backticks is shown as such. */
const escapeText = (text: string): string =>
	text
		.replaceAll(/[&<>"]/g, (sign) => entities[sign] ?? sign)
		.replaceAll(/`([^`]+)`/g, "<code>$1</code>");
