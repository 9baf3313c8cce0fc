import type { KubeEvent } from "./objects.ts";

/** When an event happened last, as an ISO date: newer events count in a series, older ones by themselves. */
export const findEventTime = (event: KubeEvent): string =>
	event.series?.lastObservedTime ??
	event.lastTimestamp ??
	event.eventTime ??
	event.metadata.creationTimestamp ??
	"";

/** The latest event of these reasons about an object: about itself, not a namesake before it. */
export function findLatestEvent(
	events: readonly KubeEvent[],
	object: { readonly metadata?: { readonly uid?: string } },
	reasons: readonly string[],
): KubeEvent | undefined {
	return events
		.filter(
			(event) =>
				event.involvedObject.uid === object.metadata?.uid &&
				reasons.includes(event.reason ?? ""),
		)
		.reduce<KubeEvent | undefined>(
			(latest, event) =>
				latest === undefined || findEventTime(event) > findEventTime(latest)
					? event
					: latest,
			undefined,
		);
}
