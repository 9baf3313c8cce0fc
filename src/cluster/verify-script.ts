/**
 * What the verification Job runs, as text for `node -e`. It needs nothing but Node 8: the images bring a Node
 * of their own, and an old one. It must hold no dollar sign, which Kubernetes would take for a variable.
 *
 * Takes Checks as JSON from CHECKS, asks all of them at once, and writes a CheckResult for each, as
 * JSON, to TERMINATION_LOG (by default where Kubernetes reads a container's last words, 4096 bytes of them).
 * Ends with 0 if everything is as promised, with 1 otherwise.
 *
 * A member of a replica set is asked `isMaster`, which MongoDB 4.4 answers to whoever asks, by the oldest message of its
 * protocol (OP_QUERY): a driver might not be in the image.
 */
export const verifyScript = `
"use strict";
var fs = require("fs");
var net = require("net");
var url = require("url");
var clients = { "http:": require("http"), "https:": require("https") };
var checks = JSON.parse(process.env.CHECKS);
var target = process.env.TERMINATION_LOG || "/dev/termination-log";
var patience = Number(process.env.PATIENCE_MS) || 20000;
var tries = 3, timeoutMs = 3000, pauseMs = 500, maxAnswer = 1048576, maxMessage = 4096;

function once(done) {
	var settled = false;
	return function () {
		if (settled) return;
		settled = true;
		done.apply(null, arguments);
	};
}

function explain(error) {
	return error.code === "ECONNREFUSED" ? "connection refused" : error.code === "ENOTFOUND" ? "no such host" : error.code || error.message;
}

var late = "no answer within " + timeoutMs / 1000 + " s";

function ask(address, headers, done) {
	var request, timer;
	var settle = once(function (error, status, body) {
		clearTimeout(timer);
		if (request) request.destroy();
		done(error, status, body);
	});
	timer = setTimeout(function () { settle(late); }, timeoutMs);
	try {
		var options = url.parse(address);
		options.agent = false;
		options.headers = headers;
		request = clients[options.protocol].get(options, function (response) {
			var body = "";
			response.setEncoding("utf8");
			response.on("data", function (chunk) {
				body += chunk;
				if (body.length > maxAnswer) settle("the answer is too long");
			});
			response.on("end", function () { settle(null, response.statusCode, body); });
			response.on("aborted", function () { settle("the answer was cut off"); });
			response.on("error", function (error) { settle(explain(error)); });
		});
		request.on("error", function (error) { settle(explain(error)); });
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

function judgeVersion(check, error, status, body) {
	if (error) return { version: null, error: error };
	if (status < 200 || status > 399) return { version: null, error: "answered with status " + status };
	var version = readVersion(body);
	if (check.version === null || version === check.version) return { version: version, error: null };
	if (version === null) return { version: null, error: "answered without a version" };
	return { version: version, error: "answered " + version + " instead of " + check.version };
}

function lookAtVersion(check, done) {
	ask(check.url, { accept: "application/json" }, function (error, status, body) {
		done(judgeVersion(check, error, status, body));
	});
}

function judgePage(error, status, body) {
	if (error) return error;
	if (status < 200 || status > 299) return "answered with status " + status;
	return /<html[\\s>]/i.test(body) ? null : "answered with no page";
}

function lookAtPage(check, done) {
	ask(check.url, { accept: "text/html" }, function (error, status, body) {
		done({ version: null, error: judgePage(error, status, body) });
	});
}

function judgeQueues(check, error, status, body) {
	if (error) return error;
	if (status !== 200) return "the management answered with status " + status;
	var consumers = {};
	try {
		JSON.parse(body).forEach(function (queue) { consumers[queue.name] = queue.consumers; });
	} catch (failure) {
		return "the management answered with no list of queues";
	}
	var idle = check.queues.filter(function (name) { return !(consumers[name] > 0); });
	return idle.length === 0 ? null : "nobody works on the queue " + idle.join(", ");
}

function lookAtQueues(check, done) {
	var credentials = Buffer.from(check.user + ":" + process.env.QUEUES_PASSWORD).toString("base64");
	ask(check.url, { accept: "application/json", authorization: "Basic " + credentials }, function (error, status, body) {
		done({ version: null, error: judgeQueues(check, error, status, body) });
	});
}

// { isMaster: 1 } in BSON, in an OP_QUERY for the commands of the database admin.
function composeQuestion() {
	var name = "isMaster\\0", body = Buffer.alloc(4 + 1 + name.length + 4 + 1);
	body.writeInt32LE(body.length, 0);
	body[4] = 16;
	body.write(name, 5, "latin1");
	body.writeInt32LE(1, 5 + name.length);
	var collection = "admin." + String.fromCharCode(36) + "cmd\\0", head = Buffer.alloc(16 + 4 + collection.length + 8);
	head.writeInt32LE(head.length + body.length, 0);
	head.writeInt32LE(1, 4);
	head.writeInt32LE(2004, 12);
	head.writeInt32LE(4, 16);
	head.write(collection, 20, "latin1");
	head.writeInt32LE(-1, 20 + collection.length + 4);
	return Buffer.concat([head, body]);
}

// Only the kinds of values that the answer has.
var readers = {
	1: function (data, at) { return [data.readDoubleLE(at), 8]; },
	2: function (data, at) { var length = data.readInt32LE(at); return [data.toString("utf8", at + 4, at + 3 + length), 4 + length]; },
	3: function (data, at) { return [readDocument(data, at), data.readInt32LE(at)]; },
	5: function (data, at) { return [null, 5 + data.readInt32LE(at)]; },
	7: function () { return [null, 12]; },
	8: function (data, at) { return [data[at] === 1, 1]; },
	9: function () { return [null, 8]; },
	10: function () { return [null, 0]; },
	16: function (data, at) { return [data.readInt32LE(at), 4]; },
	17: function () { return [null, 8]; },
	18: function () { return [null, 8]; }
};
readers[4] = readers[3];

function readDocument(data, start) {
	var found = {}, at = start + 4;
	while (data[at] !== 0) {
		var read = readers[data[at]], end = data.indexOf(0, at + 1), name = data.toString("utf8", at + 1, end);
		if (!read) throw new Error("unknown kind of value");
		var value = read(data, end + 1);
		found[name] = value[0];
		at = end + 1 + value[1];
	}
	return found;
}

function askMember(place, done) {
	var parts = place.split(":"), received = Buffer.alloc(0), timer;
	var settle = once(function (error, answer) {
		clearTimeout(timer);
		socket.destroy();
		done(error, answer);
	});
	timer = setTimeout(function () { settle(late); }, timeoutMs);
	var socket = net.connect(Number(parts[1]), parts[0], function () { socket.write(composeQuestion()); });
	socket.on("error", function (error) { settle(explain(error)); });
	socket.on("end", function () { settle("the answer was cut off"); });
	socket.on("data", function (chunk) {
		received = Buffer.concat([received, chunk]);
		if (received.length < 4 || received.length < received.readInt32LE(0)) return;
		try {
			settle(null, readDocument(received, 36));
		} catch (error) {
			settle("the answer is not MongoDB's");
		}
	});
}

function judgeMember(check, answer) {
	if (answer.setName !== check.set) return "is in " + (answer.setName ? "the set " + answer.setName : "no set");
	if (!answer.ismaster && !answer.secondary) return "is neither primary nor secondary";
	var others = Object.keys(answer.hosts || {}).length;
	return others === check.hosts.length ? null : "knows " + others + " of " + check.hosts.length + " members";
}

function judgeSet(check, answers) {
	var faults = [], primaries = 0;
	answers.forEach(function (answer, index) {
		var fault = answer.error || judgeMember(check, answer.answer);
		if (fault) faults.push(check.hosts[index] + " " + fault);
		if (answer.answer && answer.answer.ismaster) primaries += 1;
	});
	if (faults.length > 0) return (check.hosts.length - faults.length) + " of " + check.hosts.length + " members: " + faults.join(", ");
	return primaries === 1 ? null : primaries + " primaries";
}

function lookAtSet(check, done) {
	var answers = [], waiting = check.hosts.length;
	check.hosts.forEach(function (host, index) {
		askMember(host, function (error, answer) {
			answers[index] = { error: error, answer: answer };
			waiting -= 1;
			if (waiting === 0) done({ version: null, error: judgeSet(check, answers) });
		});
	});
}

var looks = { version: lookAtVersion, page: lookAtPage, queues: lookAtQueues, replicaSet: lookAtSet };

// A version does not change by waiting; an election ends, and RabbitMQ counts its consumers every few seconds.
function isLast(kind, tried) {
	return kind === "version" || kind === "page" ? tried >= tries : Date.now() - begun >= patience;
}

function attempt(check, tried, done) {
	var kind = check.kind || "version", look = looks[kind];
	if (!look) return done({ process: check.process, version: null, error: "is checked in a way that this script does not know" });
	look(check, function (found) {
		if (found.error === null || isLast(kind, tried)) return done({ process: check.process, version: found.version, error: found.error });
		setTimeout(attempt, pauseMs, check, tried + 1, done);
	});
}

function compose(results, longest) {
	return JSON.stringify(results.map(function (result) {
		return { process: result.process, version: result.version, error: result.error && result.error.slice(0, longest) };
	}));
}

function finish(results) {
	var longest = 300, text = compose(results, longest);
	while (Buffer.byteLength(text) > maxMessage && longest > 0) {
		longest = Math.floor(longest / 2);
		text = compose(results, longest);
	}
	fs.writeFileSync(target, text);
	process.exit(results.some(function (result) { return result.error !== null; }) ? 1 : 0);
}

var results = [], waiting = checks.length, begun = Date.now();
if (waiting === 0) finish(results);
checks.forEach(function (check, index) {
	attempt(check, 1, function (result) {
		results[index] = result;
		waiting -= 1;
		if (waiting === 0) finish(results);
	});
});
`;
