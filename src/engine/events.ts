// The engine's events in our words. No effect besides: a stream of events in, ours out.
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import type { NewEvent } from "../domain/event.ts";
import type { Changes } from "../domain/operation.ts";
import { isBookkeeping, presentKind } from "../domain/stock.ts";

/** An error that the engine reported: of a resource, or, without one, of the program or the update. */
export interface EngineError {
	readonly kind: string | null;
	readonly name: string | null;
	readonly message: string;
}

/** What one event means. Most mean nothing to a reader of the log. */
export interface Translation {
	readonly event?: NewEvent;
	/** What to count. */
	readonly change?: keyof Changes;
	readonly error?: EngineError;
}

type StepMetadata = NonNullable<EngineEvent["resOutputsEvent"]>["metadata"];
type Diagnostic = NonNullable<EngineEvent["diagnosticEvent"]>;

// A replacement is counted when the new object is there; the steps around it say nothing more.
const doneSteps: Record<
	string,
	{
		readonly change: keyof Changes;
		readonly type?: Extract<
			NewEvent["type"],
			| "resource.created"
			| "resource.updated"
			| "resource.replaced"
			| "resource.deleted"
		>;
	}
> = {
	create: { change: "create", type: "resource.created" },
	update: { change: "update", type: "resource.updated" },
	"create-replacement": { change: "replace", type: "resource.replaced" },
	delete: { change: "delete", type: "resource.deleted" },
	same: { change: "same" },
};

/**
 * A function that translates the events of one run, in their order: an error names its resource as the
 * events before it did. `redact` is applied to every text.
 */
export function makeTranslator(
	redact: (text: string) => string,
): (event: EngineEvent) => Translation {
	const names = new Map<string, string>();
	return (event) => {
		const begun = event.resourcePreEvent?.metadata;
		if (begun !== undefined) {
			names.set(begun.urn, objectName(begun));
			return {};
		}
		if (event.resOutputsEvent !== undefined) {
			return translateStep(event.resOutputsEvent.metadata);
		}
		if (event.diagnosticEvent !== undefined) {
			return translateDiagnostic(event.diagnosticEvent, names, redact);
		}
		return {};
	};
}

function translateStep(metadata: StepMetadata): Translation {
	const step = doneSteps[metadata.op];
	if (step === undefined || isBookkeeping(metadata.type)) return {};
	const { change, type } = step;
	if (type === undefined) return { change };
	const data = {
		kind: presentKind(metadata.type),
		name: objectName(metadata),
	};
	return { change, event: { type, data } };
}

function translateDiagnostic(
	diagnostic: Diagnostic,
	names: ReadonlyMap<string, string>,
	redact: (text: string) => string,
): Translation {
	const message = redact(presentMessage(diagnostic.message));
	if (message === "" || diagnostic.ephemeral === true) return {};
	if (diagnostic.severity === "warning") {
		return { event: { type: "engine.warned", data: { message } } };
	}
	// The update's last word about itself; the reasons came before it.
	if (diagnostic.severity !== "error" || message === "update failed") return {};
	const urn = parseUrn(diagnostic.urn);
	if (urn === undefined) return { error: { kind: null, name: null, message } };
	const kind = presentKind(urn.type);
	const name = names.get(urn.text) ?? urn.name;
	const error = { kind, name, message };
	return isBookkeeping(urn.type)
		? { error }
		: {
				error,
				event: { type: "resource.failed", data: { kind, name, message } },
			};
}

/** `urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>` (pulumi's resource/urn). */
function parseUrn(
	text: string | undefined,
): { text: string; type: string; name: string } | undefined {
	const [, , types, ...name] = text?.split("::") ?? [];
	const type = types?.split("$").at(-1);
	return text === undefined || type === undefined
		? undefined
		: { text, type, name: name.join("::") };
}

/** The name that the object has in the cluster; the resource's name in the program where it has none. */
export function objectName({ urn, new: next, old }: StepMetadata): string {
	const metadata: unknown = (next ?? old)?.inputs.metadata;
	const name =
		typeof metadata === "object" && metadata !== null && "name" in metadata
			? metadata.name
			: undefined;
	return typeof name === "string" ? name : (parseUrn(urn)?.name ?? urn);
}

// What the Kubernetes provider puts before the reason; the event says of which object.
const preambles = [
	/^resource "urn:[^"]*" was not successfully created by the Kubernetes API server: /,
	/^Unhandled exception: (?:\w*Error: )?/,
	/^1 error occurred:\s*\* /,
	/^server-side apply field conflict detected, see \S+ for troubleshooting help\s*/,
	/^the Kubernetes API server reported that "[^"]*" failed to fully initialize or become live: /,
];

/** A diagnostic without colours, a stack trace or the provider's preamble. */
export function presentMessage(text: string): string {
	const plain = text
		.replace(/<\{%[^%]*%\}>/g, "")
		.replace(/\n\s+at [^\n]*/g, "")
		.trim();
	return preambles.reduce(
		(rest, preamble) => rest.replace(preamble, ""),
		plain,
	);
}
