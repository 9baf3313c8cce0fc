// What runs of an environment, by its power. Only replicas depend on it: pod templates stay as they are, so that waking
// up rolls nothing out, and claims, secrets and addresses are there all the time.
import type { BlueprintInput } from "../../src/domain/blueprint.ts";

export interface Running {
	/** The processes of the table, with their gates and what they need done before them. */
	readonly processes: boolean;
	/** The environment's own MongoDB and RabbitMQ. */
	readonly stores: boolean;
}

const running: Readonly<Record<NonNullable<BlueprintInput["power"]>, Running>> =
	{
		on: { processes: true, stores: true },
		quiesced: { processes: false, stores: true },
		hibernated: { processes: false, stores: false },
	};

export const decideRunning = ({
	power = "on",
}: Pick<BlueprintInput, "power">): Running => running[power];
