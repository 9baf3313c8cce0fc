// The protocol between the Pulumi CLI and its service, as a list: what the CLI 3.259.0 asks, of which caller
// and with which body. What is not here is answered 404, which the CLI takes for "not offered".
import { z } from "zod";
import {
	checked,
	forAnyone,
	forCaller,
	forJournal,
	forReader,
	forStack,
	forUpdate,
	noBody,
	parsed,
	type Serve,
} from "./bind.ts";
import {
	exportState,
	importState,
	patchCheckpoint,
	patchVerbatim,
	type SentState,
} from "./checkpoints.ts";
import {
	acknowledge,
	batchDecrypt,
	batchDecryptBody,
	batchEncrypt,
	batchEncryptBody,
	decrypt,
	decryptBody,
	encrypt,
	encryptBody,
} from "./crypto.ts";
import { stateShape } from "./deployment.ts";
import { presentHistory, presentLatest, presentUpdate } from "./history.ts";
import { type Batch, batchShape, storeEntries } from "./journal.ts";
import { renewLease } from "./leases.ts";
import {
	create,
	createBody,
	findProject,
	type NewStack,
	presentCapabilities,
	presentDefaultOrganization,
	presentStack,
	presentStacks,
	presentUser,
	refuseRename,
	remove,
	tag,
} from "./stacks.ts";
import {
	cancel,
	complete,
	completeBody,
	createOf,
	eventsBody,
	programBody,
	receiveEvents,
	start,
	startBody,
	tagsBody,
} from "./updates.ts";

export interface Route {
	readonly method: "get" | "head" | "post" | "patch" | "delete";
	readonly path: string;
	readonly serve: Serve;
}

const project = "/api/stacks/:organization/:project";
const stack = `${project}/:stack`;
// Every kind of update is reached under this path once it was created, previews too.
const update = `${stack}/update/:update`;

const sentState = checked<SentState>(stateShape);
const checkpointShape = z.union([
	z.object({ isInvalid: z.literal(true) }),
	stateShape,
]);
const verbatimShape = z.object({
	sequenceNumber: z.int().min(0),
	untypedDeployment: stateShape,
});

const route = (method: Route["method"], path: string, serve: Serve): Route => ({
	method,
	path,
	serve,
});

export const routes: readonly Route[] = [
	route("get", "/api/capabilities", forAnyone(presentCapabilities)),
	route("get", "/api/user", forCaller(noBody, presentUser)),
	route(
		"get",
		"/api/user/organizations/default",
		forCaller(noBody, presentDefaultOrganization),
	),
	route("get", "/api/user/stacks", forCaller(noBody, presentStacks)),

	route("head", project, forCaller(noBody, findProject)),
	route("post", project, forCaller(checked<NewStack>(createBody), create)),
	route("get", stack, forStack(noBody, presentStack)),
	route("delete", stack, forStack(noBody, remove)),
	route("patch", `${stack}/tags`, forStack(parsed(tagsBody), tag)),
	route("post", `${stack}/rename`, forStack(noBody, refuseRename)),
	route("get", `${stack}/export`, forStack(noBody, exportState)),
	route("get", `${stack}/export/:version`, forStack(noBody, exportState)),
	route("post", `${stack}/import`, forStack(sentState, importState)),
	route("get", `${stack}/updates`, forStack(noBody, presentHistory)),
	route("get", `${stack}/updates/latest`, forStack(noBody, presentLatest)),

	route("post", `${stack}/encrypt`, forReader(parsed(encryptBody), encrypt)),
	route("post", `${stack}/decrypt`, forReader(parsed(decryptBody), decrypt)),
	route(
		"post",
		`${stack}/batch-encrypt`,
		forReader(parsed(batchEncryptBody), batchEncrypt),
	),
	route(
		"post",
		`${stack}/batch-decrypt`,
		forReader(parsed(batchDecryptBody), batchDecrypt),
	),
	// What was decrypted is in our log already.
	route(
		"post",
		`${stack}/decrypt/log-decryption`,
		forReader(noBody, acknowledge),
	),
	route(
		"post",
		`${stack}/decrypt/log-batch-decryption`,
		forReader(noBody, acknowledge),
	),

	...(["update", "preview", "refresh", "destroy"] as const).map((kind) =>
		route(
			"post",
			`${stack}/${kind}`,
			forReader(parsed(programBody), createOf(kind)),
		),
	),
	route("get", update, forStack(noBody, presentUpdate)),
	route("post", update, forReader(parsed(startBody), start)),
	route("post", `${update}/cancel`, forStack(noBody, cancel)),

	// From here on the caller is the client of a running update.
	route(
		"patch",
		`${update}/journalentries`,
		forJournal(checked<Batch>(batchShape), storeEntries),
	),
	route(
		"patch",
		`${update}/checkpoint`,
		forUpdate(checked<SentState>(checkpointShape), patchCheckpoint),
	),
	route(
		"patch",
		`${update}/checkpointverbatim`,
		forUpdate(
			checked<{ sequenceNumber: number; untypedDeployment: SentState }>(
				verbatimShape,
			),
			patchVerbatim,
		),
	),
	route("post", `${update}/renew_lease`, forUpdate(noBody, renewLease)),
	route(
		"post",
		`${update}/events/batch`,
		forUpdate(parsed(eventsBody), receiveEvents),
	),
	route(
		"post",
		`${update}/complete`,
		forUpdate(parsed(completeBody), complete),
	),
];
