// Faults that any release can carry: an image whose tag is, or ends in, one of these words behaves so in the
// sandbox. What kwok plays of them is in stages/fault-*.yaml, which match tags by the same pattern.

export const faults = [
	"no-such-image",
	"crash",
	"never-ready",
	"slow",
	"wrong-version",
] as const;
export type Fault = (typeof faults)[number];

/** The pattern by which an image carries a fault: the fault is its tag, or the tag's end after a separator. */
export const faultPattern = (fault: Fault): string =>
	`:([^/@]*[._-])?${fault}(@|$)`;

export interface ImageVersion {
	/** What a process of this image answers when it is asked for its version; null if the image has no tag but a digest. */
	readonly version: string | null;
	readonly fault: Fault | undefined;
}

/** What an image reference says of the version that runs. Without tag and digest it is `latest`, as for any registry. */
export function readImageVersion(image: string): ImageVersion {
	const [name = "", digest] = image.split("@");
	// A colon before the last slash is a registry's port.
	const tag = /:([^/:]+)$/.exec(name)?.[1];
	if (tag === undefined) {
		return {
			version: digest === undefined ? "latest" : null,
			fault: undefined,
		};
	}
	const fault = faults.find((word) =>
		new RegExp(faultPattern(word)).test(image),
	);
	if (fault === undefined) return { version: tag, fault };
	if (fault === "wrong-version") return { version: "0.0.0", fault };
	const bare = tag.slice(0, -fault.length).replace(/[._-]$/, "");
	return { version: bare === "" ? null : bare, fault };
}
