// Asks every version endpoint from inside the namespace, compares with the release, and looks whether the topology is
// as promised.
import { placeImage } from "../../domain/release.ts";
import { take, type Work } from "../work.ts";

export async function verify(work: Work): Promise<void> {
	const { operation, signal, record } = work;
	const { input } = take(work, "run");
	const { checks, pods, serviceAccount } = take(work, "outputs");
	const versions = await take(work, "cluster").verify(
		{
			namespace: input.namespace,
			// Of this owner alone: an attempt that was handed over has the number of the next, and its Job may be left.
			run: `${operation.id.slice(-8)}-${work.lease.fence}`,
			// The server's image has Node in it, and the nodes have pulled it already.
			image: placeImage(
				input.release.images.server,
				input.target.settings.registry,
			),
			checks,
			...(pods === undefined ? {} : { pods }),
			...(serviceAccount === undefined ? {} : { serviceAccount }),
		},
		{ signal, onEvent: record },
	);
	work.findings.versions = versions;
	record({ type: "verification.passed", data: { versions } });
}
