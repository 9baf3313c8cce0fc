// The table of processes, cut to what an environment asks for. Plain values only.
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { listAbsent, type Parameters } from "../../src/domain/parameters.ts";
import type { ProcessName } from "../../src/domain/release.ts";
import {
	countReplicas,
	type Resources,
	sizeProcess,
	sizings,
} from "../../src/domain/sizing.ts";
import { findGate, type Gate } from "./gates.ts";
import { type Process, processes } from "./processes.ts";

/** A process as it runs in one environment. */
export interface Tailored extends Omit<Process, "disabledBy"> {
	readonly replicas: number;
	readonly resources: Resources;
	/** What stands before it, where browsers are concerned. */
	readonly gate: Gate | null;
}

/** The processes that there are, each told of those that there are not. */
export function tailorProcesses({
	size,
	parameters,
	target,
}: Pick<BlueprintInput, "size" | "parameters"> & {
	readonly target: Pick<BlueprintInput["target"], "aws">;
}): readonly Tailored[] {
	const sizing = sizings[size];
	const absent = listAbsent(parameters.features);
	const isThere = ([, peer]: readonly [string, ProcessName]) =>
		!absent.has(peer);
	return processes
		.filter(({ name }) => !absent.has(name))
		.map((process) => {
			const { disabledBy, ...row } = process;
			const disabled = Object.entries(disabledBy)
				.filter(([, peer]) => absent.has(peer))
				.map(([variable]) => [variable, "true"]);
			const wish = listWishes(process.name, parameters);
			return {
				...row,
				peers: Object.fromEntries(Object.entries(row.peers).filter(isThere)),
				variables: {
					...row.variables,
					...Object.fromEntries(disabled),
					...wish.variables,
				},
				secrets: [...row.secrets, ...wish.secrets],
				// Local files are seen by one pod only, whatever was wished for.
				replicas:
					process.keepsFiles && !target.aws
						? 1
						: countReplicas(process.name, sizing, parameters),
				resources: sizeProcess(process.name, sizing, parameters),
				gate: findGate(process.name, parameters),
			};
		});
}

type Wishes = Pick<Process, "variables" | "secrets">;

/** What parameters set on single processes. */
function listWishes(
	name: ProcessName,
	{ smtp, theme, logo }: Parameters,
): Wishes {
	if (name === "client") {
		return {
			variables: {
				THEME: theme,
				...(logo === undefined ? {} : { LOGO: logo }),
			},
			secrets: [],
		};
	}
	return name === "server" && smtp !== undefined
		? configureMail(smtp)
		: { variables: {}, secrets: [] };
}

function configureMail(smtp: NonNullable<Parameters["smtp"]>): Wishes {
	return {
		variables: {
			SMTP_HOST: smtp.host,
			SMTP_PORT: String(smtp.port),
			SMTP_SENDER: smtp.sender,
			// Any text is true. And it is not SMTP_USETSL, as upstream's manifests have it.
			...(smtp.implicitTls ? { SMTP_USETLS: "true" } : {}),
		},
		secrets:
			smtp.username === undefined ? [] : ["SMTP_USERNAME", "SMTP_PASSWORD"],
	};
}
