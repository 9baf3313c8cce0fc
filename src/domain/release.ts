// A Maestro release: which image each of the 14 processes runs.
import { z } from "zod";

/**
 * The 14 processes of a Maestro Server. A process's name is also the name of its Deployment and, where it
 * listens, of its Service.
 */
export const processNames = [
	"client",
	"server",
	"discovery",
	"discovery-worker",
	"reports",
	"reports-worker",
	"scheduler",
	"scheduler-worker",
	"analytics",
	"analytics-worker",
	"analytics-front",
	"data",
	"audit",
	"websocket",
] as const;

export type ProcessName = (typeof processNames)[number];

// The grammar of distribution/reference, without its rarer forms: [host[:port]/]path[:tag][@digest].
const imagePattern =
	/^(?:[a-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/;

export const imageReference = z
	.string()
	.max(512)
	.regex(
		imagePattern,
		"must be an image reference such as registry.example/path:tag or path@sha256:<64 hex digits>",
	);

export const releaseName = z
	.string()
	.min(1)
	.max(64)
	.regex(
		/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
		"must be lower-case letters, digits, dots and hyphens",
	);

export const releaseImages = z.strictObject(
	Object.fromEntries(
		processNames.map((name) => [name, imageReference]),
	) as Record<ProcessName, typeof imageReference>,
);

export type ReleaseImages = z.infer<typeof releaseImages>;

export interface Release {
	readonly name: string;
	readonly images: ReleaseImages;
}

/**
 * The version that an image's tag promises: `v0.6.0` and `0.6.0-slow` both promise 0.6.0, the number that the
 * image's package.json carries. null where no such number is in the tag: then nothing is promised.
 */
export function findPromisedVersion(image: string): string | null {
	const [withoutDigest = ""] = image.split("@");
	const name = withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1);
	const tag = name.split(":")[1] ?? "";
	return /^v?(\d+\.\d+\.\d+)(?![\w.])/.exec(tag)?.[1] ?? null;
}

/**
 * The processes that are of another minor line than the server, where both tags tell one: Maestro's documentation
 * wants all of them on the same. The client has a numbering of its own.
 */
export function findOtherLines(images: ReleaseImages): readonly {
	readonly process: ProcessName;
	readonly message: string;
}[] {
	const line = findLine(images.server);
	return processNames.flatMap((process) => {
		const own = process === "client" ? null : findLine(images[process]);
		return own === null || line === null || own === line
			? []
			: [
					{
						process,
						message: `is of the line ${own}, and the server of ${line}: all but the client must be of one`,
					},
				];
	});
}

const findLine = (image: string): string | null =>
	findPromisedVersion(image)?.replace(/\.\d+$/, "") ?? null;

const upstreamImages: Record<ProcessName, string> = {
	client: "client-maestro",
	server: "server-maestro",
	discovery: "discovery-maestro",
	"discovery-worker": "discovery-maestro-celery",
	reports: "reports-maestro",
	"reports-worker": "reports-maestro-celery",
	scheduler: "scheduler-maestro",
	"scheduler-worker": "scheduler-maestro-celery",
	analytics: "analytics-maestro",
	"analytics-worker": "analytics-maestro-celery",
	"analytics-front": "analytics-front-maestro",
	data: "data-maestro",
	audit: "audit-app-maestro",
	websocket: "websocket-maestro",
};

/**
 * The image as a target pulls it: from the registry of the target, under the path that the image has at Docker Hub.
 * An image that names another registry by itself stays as it is.
 */
export function placeImage(image: string, registry: string | null): string {
	if (registry === null) return image;
	const [first = ""] = image.split("/");
	const isHost = image.includes("/") && /[.:]|^localhost$/.test(first);
	if (isHost && first !== "docker.io") return image;
	const path = isHost ? image.slice(first.length + 1) : image;
	// Docker Hub's own images have no owner in their short name.
	return `${registry}/${path.includes("/") ? path : `library/${path}`}`;
}

/** Upstream's images with semantic tags. The client has a numbering of its own (compatibility table of Maestro's documentation). */
export function upstreamRelease(name: string, clientVersion: string): Release {
	const entries = processNames.map((process) => [
		process,
		`maestroserver/${upstreamImages[process]}:${process === "client" ? clientVersion : name}`,
	]);
	return { name, images: Object.fromEntries(entries) as ReleaseImages };
}

export const builtInReleases: readonly Release[] = [
	upstreamRelease("0.6.0", "0.15.0"),
];
export const defaultRelease = "0.6.0";
