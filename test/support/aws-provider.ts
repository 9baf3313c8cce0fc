// A stand-in for Pulumi's AWS provider, for tests only: it knows just the types that our programs use, and makes them
// by AWS's own API at an emulator. The real one cannot be built from Go modules. Never shipped.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import {
	Server,
	ServerCredentials,
	type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
	type AwsClients,
	type Inputs,
	makeClients,
	resources,
} from "./aws-resources.ts";

const require = createRequire(import.meta.url);
// The protobuf runtime that the SDK's messages were made with.
const sdkRequire = createRequire(require.resolve("@pulumi/pulumi"));
const messages = require("@pulumi/pulumi/proto/provider_pb.js");
const {
	ResourceProviderService,
} = require("@pulumi/pulumi/proto/provider_grpc_pb.js");
const plugin = require("@pulumi/pulumi/proto/plugin_pb.js");
const { Struct } = sdkRequire("google-protobuf/google/protobuf/struct_pb.js");
const { Empty } = sdkRequire("google-protobuf/google/protobuf/empty_pb.js");

interface WireStruct {
	toJavaScript(): Inputs;
}

interface Request {
	getUrn(): string;
	getId(): string;
	getPreview(): boolean;
	getArgs(): WireStruct | undefined;
	getNews(): WireStruct | undefined;
	getOlds(): WireStruct | undefined;
	getOldInputs(): WireStruct | undefined;
	getProperties(): WireStruct | undefined;
}

let clients: AwsClients | undefined;

// How the engine marks a secret on the wire (SDK, runtime/rpc.js).
const signature = "4dabf18193072939515e22adb298388d";

const read = (struct: WireStruct | undefined): Inputs =>
	Object.fromEntries(
		Object.entries(struct?.toJavaScript() ?? {}).map(([key, value]) => [
			key,
			layOpen(value),
		]),
	);

function layOpen(value: unknown): unknown {
	if (typeof value !== "object" || value === null) return value;
	return signature in value && "value" in value ? value.value : value;
}

/** `urn:pulumi:stack::project::aws:s3/bucket:Bucket::name` → the resource type's maker. */
function findResource(urn: string) {
	const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
	const resource = resources[type];
	if (resource === undefined) {
		throw new Error(`The stand-in does not know ${type}.`);
	}
	return resource;
}

/** What was made is told to nobody as long as a file names its type. */
async function holdBack(urn: string): Promise<void> {
	const [, , file] = process.argv;
	while (file !== undefined && urn.includes(`${readIfThere(file)}::`)) {
		await delay(50);
	}
}

function readIfThere(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return undefined;
	}
}

function requireClients(): AwsClients {
	if (clients === undefined) throw new Error("It was not configured.");
	return clients;
}

const answers: Record<string, (request: Request) => unknown> = {
	getPluginInfo: () => {
		const info = new plugin.PluginInfo();
		info.setVersion("0.0.0");
		return info;
	},
	attach: () => new Empty(),
	cancel: () => new Empty(),
	configure: (request) => {
		clients = makeClients(read(request.getArgs()));
		return new messages.ConfigureResponse();
	},
	check: (request) => {
		findResource(request.getUrn());
		const response = new messages.CheckResponse();
		response.setInputs(request.getNews());
		return response;
	},
	diff: (request) => {
		const { DiffChanges } = messages.DiffResponse;
		const before = read(request.getOldInputs());
		const after = read(request.getNews());
		const changed = [
			...new Set([...Object.keys(before), ...Object.keys(after)]),
		]
			.filter((key) => !key.startsWith("__"))
			.filter(
				(key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
			);
		const response = new messages.DiffResponse();
		response.setChanges(
			changed.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE,
		);
		return response;
	},
	create: async (request) => {
		const inputs = read(request.getProperties());
		const response = new messages.CreateResponse();
		const made = request.getPreview()
			? { id: "", outputs: inputs }
			: await findResource(request.getUrn()).apply(
					requireClients(),
					inputs,
					false,
				);
		await holdBack(request.getUrn());
		response.setId(made.id);
		response.setProperties(Struct.fromJavaScript(made.outputs));
		return response;
	},
	update: async (request) => {
		const inputs = read(request.getNews());
		const made = request.getPreview()
			? { outputs: inputs }
			: await findResource(request.getUrn()).apply(
					requireClients(),
					inputs,
					true,
				);
		const response = new messages.UpdateResponse();
		response.setProperties(Struct.fromJavaScript(made.outputs));
		return response;
	},
	delete: async (request) => {
		await findResource(request.getUrn()).remove(
			requireClients(),
			read(request.getProperties()),
		);
		return new Empty();
	},
};

type Callback = (
	error: { code: number; details: string } | null,
	response: unknown,
) => void;

const internal = 13;
const handlers: UntypedServiceImplementation = Object.fromEntries(
	Object.entries(answers).map(([name, answer]) => [
		name,
		(call: { request: Request }, callback: Callback) => {
			(async () => answer(call.request))().then(
				(response) => callback(null, response),
				(error: unknown) =>
					callback({ code: internal, details: String(error) }, null),
			);
		},
	]),
);

const server = new Server();
server.addService(ResourceProviderService, handlers);
server.bindAsync(
	"127.0.0.1:0",
	ServerCredentials.createInsecure(),
	(error, port) => {
		if (error !== null) throw error;
		// How a plugin tells the engine where it listens.
		process.stdout.write(`${port}\n`);
	},
);
