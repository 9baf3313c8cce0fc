// The program without what the service tunes in it: the engine waits for every object, deletes every object,
// and the provider has its own limits. The objects themselves stay the same.
import * as pulumi from "@pulumi/pulumi";
import { tuningPrefix } from "./way.ts";

type Transformation = pulumi.ResourceTransformation;

const strip: Transformation = ({ props, opts }) => {
	const { kubeClientSettings: _, ...rest } = props;
	const { deletedWith: __, ...plainOpts } = opts;
	const annotations: Record<string, string> | undefined =
		props.metadata?.annotations;
	if (annotations === undefined) return { props: rest, opts: plainOpts };
	const kept = Object.entries(annotations).filter(
		([name]) => !name.startsWith(tuningPrefix),
	);
	return {
		props: {
			...rest,
			metadata: { ...props.metadata, annotations: Object.fromEntries(kept) },
		},
		opts: plainOpts,
	};
};

/**
 * Runs a program within a Pulumi run. Its provider and its namespace are declared before its rule for all
 * objects is registered, and the rest after: so the stripping is registered first, and again behind every
 * rule of its own.
 */
export async function runUntuned<T>(program: () => Promise<T>): Promise<T> {
	const { runtime } = pulumi;
	const register = runtime.registerStackTransformation;
	Object.assign(runtime, {
		registerStackTransformation(rule: Transformation) {
			register(rule);
			register(strip);
		},
	});
	register(strip);
	try {
		return await program();
	} finally {
		Object.assign(runtime, { registerStackTransformation: register });
	}
}
