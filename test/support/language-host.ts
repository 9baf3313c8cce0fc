// Stands in for pulumi-language-nodejs, which cannot be built from a module: it starts the SDK's own runner in a Node
// of its own, with what the CLI says, as the real host does.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import {
	Server,
	ServerCredentials,
	type UntypedServiceImplementation,
} from "@grpc/grpc-js";

const require = createRequire(import.meta.url);
const language = require("@pulumi/pulumi/proto/language_pb.js");
const {
	LanguageRuntimeService,
} = require("@pulumi/pulumi/proto/language_grpc_pb.js");
const plugin = require("@pulumi/pulumi/proto/plugin_pb.js");
const runner = require.resolve("@pulumi/pulumi/cmd/run");

interface RunRequest {
	getProject(): string;
	getStack(): string;
	getParallel(): number;
	getPwd(): string;
	getDryrun(): boolean;
	getArgsList(): string[];
	getMonitorAddress(): string;
	getConfigMap(): { entries(): Iterable<[string, string]> };
	getConfigsecretkeysList(): string[];
	getInfo():
		| { getProgramDirectory(): string; getEntryPoint(): string }
		| undefined;
}

type Reply = (error: null, answer: unknown) => void;

export interface LanguageHost {
	/** For the CLI's flag --client. */
	readonly address: string;
	stop(): void;
}

export async function startLanguageHost(): Promise<LanguageHost> {
	const server = new Server();
	const handlers: UntypedServiceImplementation = {
		getPluginInfo: (_call: unknown, reply: Reply) =>
			reply(null, new plugin.PluginInfo()),
		getRequiredPlugins: (_call: unknown, reply: Reply) =>
			reply(null, new language.GetRequiredPluginsResponse()),
		getRequiredPackages: (_call: unknown, reply: Reply) =>
			reply(null, new language.GetRequiredPackagesResponse()),
		run: (call: { request: RunRequest }, reply: Reply) => {
			void run(call.request).then((error) => {
				const answer = new language.RunResponse();
				answer.setError(error);
				reply(null, answer);
			});
		},
	};
	server.addService(LanguageRuntimeService, handlers);
	const port = await new Promise<number>((fulfil, reject) =>
		server.bindAsync(
			"127.0.0.1:0",
			ServerCredentials.createInsecure(),
			(error, bound) => (error === null ? fulfil(bound) : reject(error)),
		),
	);
	return {
		address: `127.0.0.1:${port}`,
		stop: () => server.forceShutdown(),
	};
}

/** What went wrong, or nothing. */
async function run(request: RunRequest): Promise<string> {
	const info = request.getInfo();
	const child = spawn(
		process.execPath,
		[
			runner,
			`--project=${request.getProject()}`,
			`--stack=${request.getStack()}`,
			`--parallel=${request.getParallel()}`,
			`--dry-run=${request.getDryrun()}`,
			`--monitor=${request.getMonitorAddress()}`,
			`--engine=${request.getArgsList()[0] ?? ""}`,
			`--pwd=${request.getPwd()}`,
			resolve(
				join(info?.getProgramDirectory() ?? "", info?.getEntryPoint() ?? ""),
			),
		],
		{
			stdio: ["ignore", "pipe", "pipe"],
			env: {
				...process.env,
				NODE_TEST_CONTEXT: "",
				PULUMI_CONFIG: JSON.stringify(
					Object.fromEntries(request.getConfigMap().entries()),
				),
				PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(
					request.getConfigsecretkeysList(),
				),
			},
		},
	);
	const said = Promise.all([text(child.stdout), text(child.stderr)]);
	const [code] = await once(child, "exit");
	const lines = (await said).join("").trim();
	return code === 0 ? "" : lines || `The program ended with ${code}.`;
}
