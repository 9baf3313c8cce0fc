// What can be ordered, and where to.
import { listBlueprints, presentInputSchema } from "../contract/blueprints.ts";
import {
	createRelease,
	findRelease,
	listReleases,
} from "../contract/releases.ts";
import { listTargets } from "../contract/targets.ts";
import { currentVersions } from "../domain/blueprint.ts";
import { blueprintNames } from "../domain/spec.ts";
import {
	createRelease as createRow,
	findRelease as findRow,
	listReleases as listRows,
} from "../store/releases.ts";
import { listTargets as listTargetRows } from "../store/targets.ts";
import { bind, type Route } from "./bind.ts";
import { presentRelease, presentTarget } from "./present.ts";
import { refuseMissing } from "./visible.ts";

export const catalogueRoutes: readonly Route[] = [
	bind(listBlueprints, async () => ({
		items: blueprintNames.map((name) => ({
			name,
			version: currentVersions[name],
			inputSchema: presentInputSchema(),
		})),
		nextPageToken: null,
	})),

	bind(listReleases, async ({ db }) => ({
		items: (await listRows(db)).map(presentRelease),
		nextPageToken: null,
	})),

	bind(findRelease, async ({ db }, { params }) => {
		const release = await findRow(db, params.name);
		if (release === undefined) throw refuseMissing("release", params.name);
		return presentRelease(release);
	}),

	bind(createRelease, async ({ db }, { body }) =>
		presentRelease(await createRow(db, body)),
	),

	bind(listTargets, async ({ db }) => ({
		items: (await listTargetRows(db)).map(presentTarget),
		nextPageToken: null,
	})),
];
