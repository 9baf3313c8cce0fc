// How long the engine takes for each resource. No effect besides: a stream of events in, steps out.
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import type { EngineStep } from "../domain/engine.ts";
import { isBookkeeping, presentKind } from "../domain/stock.ts";
import { objectName } from "./events.ts";

type StepMetadata = NonNullable<EngineEvent["resOutputsEvent"]>["metadata"];

const changes: Readonly<Record<string, EngineStep["change"]>> = {
	create: "create",
	update: "update",
	"create-replacement": "replace",
	delete: "delete",
};

/** A function that takes the events of one run, in their order as they come. What stays as it is makes no step. */
export function makeStepWatch(
	tell: (step: EngineStep) => void,
	now: () => number = Date.now,
): (event: EngineEvent) => void {
	const begun = new Map<string, number>();
	const end = (metadata: StepMetadata, state: EngineStep["state"]) => {
		const { op, type } = metadata;
		const key = keyOf(metadata);
		const startedAt = begun.get(key);
		begun.delete(key);
		const change = changes[op];
		if (startedAt === undefined || change === undefined || isBookkeeping(type))
			return;
		const kind = presentKind(type);
		const name = objectName(metadata);
		tell({ change, kind, name, state, startedAt, endedAt: now() });
	};
	return ({ resourcePreEvent, resOutputsEvent, resOpFailedEvent }) => {
		if (resourcePreEvent !== undefined)
			begun.set(keyOf(resourcePreEvent.metadata), now());
		if (resOutputsEvent !== undefined)
			end(resOutputsEvent.metadata, "succeeded");
		if (resOpFailedEvent !== undefined)
			end(resOpFailedEvent.metadata, "failed");
	};
}

// A replacement is more than one step of the same resource.
const keyOf = ({ op, urn }: StepMetadata): string => `${op} ${urn}`;
