import { api } from "../contract/api.ts";
import { readDocument } from "../contract/document.ts";
import { describeApi, type OpenApi } from "../contract/openapi.ts";
import { bind, type Context, type Route } from "./bind.ts";

/** Made at the first request. */
const documents = new WeakMap<Context, OpenApi>();

function loadDocument(context: Context): OpenApi {
	const made = documents.get(context);
	if (made !== undefined) return made;
	const document = describeApi(api, context);
	documents.set(context, document);
	return document;
}

export const documentRoutes: readonly Route[] = [
	bind(readDocument, async (context) => loadDocument(context)),
];
