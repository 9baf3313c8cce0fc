/**
 * What stands in front of a server whose sign-up is closed, as text for `node -e`. It needs nothing but Node 8, and
 * holds no dollar sign, which Kubernetes would take for a variable.
 *
 * Hands every request from GATE_PORT on to GATE_TARGET of the same pod, and refuses `POST /users` in every spelling that
 * Express takes for it: whatever the case, with slashes at the end, percent-encoded, or as an absolute URL.
 */
export const gateScript = `
"use strict";
var http = require("http");
var url = require("url");
var target = Number(process.env.GATE_TARGET);
var agent = new http.Agent({ keepAlive: true });
var refusal = JSON.stringify({ name: "Forbidden", message: "Nobody can sign up here. Ask whoever runs this Maestro for an account." });

function isSignUp(request) {
	if (request.method !== "POST") return false;
	var path = url.parse(request.url).pathname || "/";
	try {
		path = decodeURIComponent(path);
	} catch (error) {
		// Not decodable: compared as it is.
	}
	var parts = path.toLowerCase().split(/[\\\\/\\\\\\\\]/).filter(function (part) { return part !== "" && part !== "."; });
	return parts.join("/") === "users";
}

function refuse(response) {
	response.writeHead(403, { "content-type": "application/json", "content-length": Buffer.byteLength(refusal), "access-control-allow-origin": "*", connection: "close" });
	response.end(refusal);
}

function handOn(request, response) {
	var onward = http.request({ agent: agent, host: "127.0.0.1", port: target, method: request.method, path: request.url, headers: request.headers }, function (answer) {
		response.writeHead(answer.statusCode, answer.headers);
		answer.pipe(response);
		answer.on("aborted", function () { response.destroy(); });
	});
	onward.on("error", function () {
		if (response.headersSent) return response.destroy();
		response.writeHead(502, { "content-type": "text/plain" });
		response.end("The server does not answer.");
	});
	response.on("close", function () { onward.destroy(); });
	request.pipe(onward);
}

var server = http.createServer(function (request, response) {
	if (isSignUp(request)) refuse(response);
	else handOn(request, response);
});
server.listen(Number(process.env.GATE_PORT));
// The first process of a container does not end by itself.
process.on("SIGTERM", function () { server.close(function () { process.exit(0); }); });
`;
