// State in files: Pulumi's own file backend, with a root of its own for every stack. The engine's tests run
// on it, so that they judge the engine alone.
import {
	access,
	mkdir,
	readFile,
	rename,
	rm,
	writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { StackState, StateBackend } from "../../src/engine/workspace.ts";

export interface FileStateOptions {
	/** Holds `<project>/<stack>/` for each stack: the file backend lists a whole project at each save. */
	readonly root: string;
	/** Encrypts the secrets in the state. A secret. */
	readonly passphrase: string;
}

/** A backend that keeps each stack in a folder. One machine only: its locks are files. */
export function makeFileState({
	root,
	passphrase,
}: FileStateOptions): StateBackend {
	return {
		open: ({ project, stack }) =>
			openFolder({
				folder: join(root, project, stack),
				project,
				stack,
				passphrase,
			}),
	};
}

interface Folder {
	readonly folder: string;
	readonly project: string;
	readonly stack: string;
	readonly passphrase: string;
}

function openFolder({
	folder,
	project,
	stack,
	passphrase,
}: Folder): StackState {
	const below = (...path: string[]) => join(folder, ".pulumi", ...path);
	const file = below("stacks", project, `${stack}.json`);
	const exists = () =>
		access(file).then(
			() => true,
			() => false,
		);
	return {
		// Otherwise the backend keeps a second file of attributes beside every file.
		url: `${pathToFileURL(folder)}?metadata=skip`,
		environment: {
			PULUMI_CONFIG_PASSPHRASE: passphrase,
			// One write at the end: a killed CLI forgets what it did, and the next run adopts it.
			PULUMI_SKIP_CHECKPOINTS: "true",
			PULUMI_DIY_BACKEND_NO_LEGACY_WARNING: "true",
			PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS: "true",
		},
		exists,
		create: (byCli) => byCli(),
		async unlock() {
			await mkdir(folder, { recursive: true, mode: 0o700 });
			await rm(below("locks"), { recursive: true, force: true });
			// A copy of the whole state for every update so far, which nobody reads: revisions are kept elsewhere.
			await rm(below("history"), { recursive: true, force: true });
			if (await exists()) await dropPendingOperations(file);
		},
		remove: () => rm(folder, { recursive: true, force: true }),
	};
}

/**
 * Takes out what the state says to have been in flight. A killed create would otherwise be carried along
 * for ever. It is safe to forget it: names are deterministic, and the provider's create is an apply that
 * adopts an object of the same name.
 */
async function dropPendingOperations(file: string): Promise<void> {
	const state: unknown = JSON.parse(await readFile(file, "utf8"));
	const latest = findLatest(state);
	if (latest?.pending_operations === undefined) return;
	delete latest.pending_operations;
	const fresh = `${file}.${process.pid}`;
	await writeFile(fresh, JSON.stringify(state), { mode: 0o600 });
	await rename(fresh, file);
}

/** The deployment within a state file: `checkpoint.latest`, absent while the stack is empty. */
function findLatest(
	state: unknown,
): { pending_operations?: unknown } | undefined {
	const { checkpoint } = state as {
		checkpoint?: { latest?: { pending_operations?: unknown } };
	};
	return checkpoint?.latest;
}
