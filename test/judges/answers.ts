// How the API answered since it was started, by what it counts itself.
const line = /^impresario_http_requests_total\{.*?status="(\dxx)".*?\} (\d+)/gm;

/** Requests by the kind of their status, as a line. */
export async function countAnswers(url: string): Promise<string> {
	const response = await fetch(`${url}/metrics`);
	const counts = new Map<string, number>();
	for (const [, kind, count] of (await response.text()).matchAll(line))
		counts.set(String(kind), (counts.get(String(kind)) ?? 0) + Number(count));
	const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
	const parts = [...counts].sort().map(([kind, count]) => `${kind} ${count}`);
	return `${all} requests so far: ${parts.join(", ")}`;
}
