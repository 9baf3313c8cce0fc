// A page on which the API can be read and tried out: Swagger UI, from the package that is installed here, so that no
// browser fetches anything from elsewhere.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RequestHandler } from "express";

const folder = dirname(
	fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json")),
);

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Impresario</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/begin.js"></script>
</body>
</html>
`;

const begin = `SwaggerUIBundle({
	url: "/v1/openapi.json",
	dom_id: "#docs",
	deepLinking: true,
	validatorUrl: null,
	docExpansion: "none",
	tagsSorter: "alpha",
});
`;

/** All of it is from here; styles that scripts set, and pictures that style sheets carry, are Swagger UI's own. */
const policy =
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const send =
	(type: string, text: string): RequestHandler =>
	(_request, response) => {
		response.set("Content-Security-Policy", policy).type(type).send(text);
	};

const sendFile =
	(name: string): RequestHandler =>
	(_request, response, next) => {
		response.set("Cache-Control", "public, max-age=3600");
		response.sendFile(join(folder, name), { cacheControl: false }, next);
	};

/** By path; each is had by GET alone. */
export const docs: Readonly<Record<string, RequestHandler>> = {
	"/docs": send("html", page),
	"/docs/begin.js": send("text/javascript", begin),
	...Object.fromEntries(
		["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"].map(
			(name) => [`/docs/${name}`, sendFile(name)],
		),
	),
};
