/**
 * What the verification Job runs, as text for `node -e`. It needs nothing but Node 8: the images bring a Node
 * of their own, and an old one. It must hold no dollar sign, which Kubernetes would take for a variable.
 *
 * Takes VersionChecks as JSON from CHECKS, asks all of them at once, and writes a CheckResult for each, as
 * JSON, to TERMINATION_LOG (by default where Kubernetes reads a container's last words, 4096 bytes of them).
 * Ends with 0 if every endpoint answered as promised, with 1 otherwise.
 */
export const verifyScript = `
"use strict";
var fs = require("fs");
var url = require("url");
var clients = { "http:": require("http"), "https:": require("https") };
var checks = JSON.parse(process.env.CHECKS);
var target = process.env.TERMINATION_LOG || "/dev/termination-log";
var tries = 3, timeoutMs = 3000, pauseMs = 500, maxAnswer = 65536, maxMessage = 4096;

function ask(address, done) {
	var settled = false, timer, request;
	function settle(error, status, body) {
		if (settled) return;
		settled = true;
		clearTimeout(timer);
		if (request) request.destroy();
		done(error, status, body);
	}
	timer = setTimeout(function () { settle("no answer within " + timeoutMs / 1000 + " s"); }, timeoutMs);
	try {
		var options = url.parse(address);
		options.agent = false;
		options.headers = { accept: "application/json" };
		request = clients[options.protocol].get(options, function (response) {
			var body = "";
			response.setEncoding("utf8");
			response.on("data", function (chunk) {
				body += chunk;
				if (body.length > maxAnswer) settle("the answer is too long");
			});
			response.on("end", function () { settle(null, response.statusCode, body); });
			response.on("aborted", function () { settle("the answer was cut off"); });
			response.on("error", function (error) { settle(error.code || error.message); });
		});
		request.on("error", function (error) {
			settle(error.code === "ECONNREFUSED" ? "connection refused" : error.code === "ENOTFOUND" ? "no such host" : error.code || error.message);
		});
	} catch (error) {
		settle(error.message);
	}
}

function readVersion(body) {
	try {
		var version = JSON.parse(body).version;
		return typeof version === "string" ? version.slice(0, 64) : null;
	} catch (error) {
		return null;
	}
}

function judge(check, error, status, body) {
	if (error) return { version: null, error: error };
	if (status < 200 || status > 399) return { version: null, error: "answered with status " + status };
	var version = readVersion(body);
	if (check.version === null || version === check.version) return { version: version, error: null };
	if (version === null) return { version: null, error: "answered without a version" };
	return { version: version, error: "answered " + version + " instead of " + check.version };
}

function attempt(check, left, done) {
	ask(check.url, function (error, status, body) {
		var found = judge(check, error, status, body);
		if (found.error === null || left === 1) return done({ process: check.process, version: found.version, error: found.error });
		setTimeout(attempt, pauseMs, check, left - 1, done);
	});
}

function compose(results, longest) {
	return JSON.stringify(results.map(function (result) {
		return { process: result.process, version: result.version, error: result.error && result.error.slice(0, longest) };
	}));
}

function finish(results) {
	var longest = 200, text = compose(results, longest);
	while (Buffer.byteLength(text) > maxMessage && longest > 0) {
		longest = Math.floor(longest / 2);
		text = compose(results, longest);
	}
	fs.writeFileSync(target, text);
	process.exit(results.some(function (result) { return result.error !== null; }) ? 1 : 0);
}

var results = [], waiting = checks.length;
if (waiting === 0) finish(results);
checks.forEach(function (check, index) {
	attempt(check, tries, function (result) {
		results[index] = result;
		waiting -= 1;
		if (waiting === 0) finish(results);
	});
});
`;
