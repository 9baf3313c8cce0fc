// Requests without a pause over some connections, in a process of its own, so that the service is not asked by who measures
// it. Told on standard input what to ask for; tells what came of it on standard output, as JSON.
import { text } from "node:stream/consumers";
import autocannon from "autocannon";

const { urls, token, connections, seconds } = JSON.parse(
	await text(process.stdin),
);
const requests = urls.map((url) => {
	const { pathname, search } = new URL(url);
	return { path: `${pathname}${search}` };
});
let clients = 0;
const result = await autocannon({
	url: new URL("/", urls[0]).href,
	connections,
	duration: seconds,
	...(token !== undefined && {
		headers: { authorization: `Bearer ${token}` },
	}),
	requests,
	setupClient(client) {
		// Each begins elsewhere, so that they do not all ask for the same at the same time.
		const first = Math.floor((clients++ * requests.length) / connections);
		client.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
	},
});
process.stdout.write(JSON.stringify(result));
