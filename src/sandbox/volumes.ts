// The controller manager makes a folder in /tmp for each claim of the sandbox. Nothing is ever written there,
// because no container runs; so they go when the sandbox stops, ours and no one else's.
import { rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Api, ApiList, ApiObject } from "./api.ts";

/** Where the provisioner puts them (kubernetes: pkg/volume/hostpath). */
const parent = "/tmp/hostpath_pv";

interface PersistentVolume extends ApiObject {
	readonly spec: { readonly hostPath?: { readonly path: string } };
}

/** Removes the folders of this cluster's volumes. A cluster that does not answer any more keeps its folders until its next stop. */
export async function removeVolumeFolders(api: Api): Promise<void> {
	const volumes = await api
		.find<ApiList<PersistentVolume>>("/api/v1/persistentvolumes")
		.catch(() => undefined);
	for (const { metadata, spec } of volumes?.items ?? []) {
		const path = spec.hostPath?.path;
		if (path === undefined || dirname(path) !== parent) continue;
		// A volume that somebody wrote by hand names a folder of theirs.
		const creator = metadata.annotations?.["kubernetes.io/createdby"];
		if (creator !== "hostpath-dynamic-provisioner") continue;
		rmSync(path, { recursive: true, force: true });
	}
	try {
		rmdirSync(parent);
	} catch {
		// Not empty, or not there: other clusters have theirs in it.
	}
}
