// Where a text stops being JSON. JSON.parse says so only for some mistakes, and quotes the text, which may
// hold secrets.

export interface SyntaxPlace {
	/** Both count from 1. */
	readonly line: number;
	readonly column: number;
	/** What could have stood there. */
	readonly expected: string;
}

type Expected =
	| "a value"
	| "a value or ]"
	| "a key in double quotes"
	| "a key in double quotes or }"
	| "a colon"
	| "a comma or }"
	| "a comma or ]"
	| "the end";

// RFC 8259 §§2–7: white space, then one token or nothing.
const tokenPattern =
	/([ \t\n\r]*)([{}[\],:]|"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)?/y;

/** The first place at which nothing that stands there can be part of a JSON text. Undefined if it is JSON. */
export function locateSyntaxError(text: string): SyntaxPlace | undefined {
	const open: string[] = [];
	let expected: Expected = "a value";
	for (let at = 0; ; ) {
		tokenPattern.lastIndex = at;
		const [all = "", space = "", token] = tokenPattern.exec(text) ?? [];
		const start = at + space.length;
		at += all.length;
		if (expected === "the end" && start === text.length) return undefined;
		const next: Expected | undefined =
			token === undefined ? undefined : step(expected, token, open);
		if (next === undefined) return describePlace(text, start, expected);
		expected = next;
	}
}

function step(
	expected: Expected,
	token: string,
	open: string[],
): Expected | undefined {
	switch (expected) {
		case "a value or ]":
			return token === "]" ? close(open) : stepInto(token, open);
		case "a value":
			return stepInto(token, open);
		case "a key in double quotes or }":
			if (token === "}") return close(open);
			return token.startsWith('"') ? "a colon" : undefined;
		case "a key in double quotes":
			return token.startsWith('"') ? "a colon" : undefined;
		case "a colon":
			return token === ":" ? "a value" : undefined;
		case "a comma or }":
			if (token === "}") return close(open);
			return token === "," ? "a key in double quotes" : undefined;
		case "a comma or ]":
			if (token === "]") return close(open);
			return token === "," ? "a value" : undefined;
		case "the end":
			return undefined;
	}
}

function stepInto(token: string, open: string[]): Expected | undefined {
	if (token === "{" || token === "[") {
		open.push(token);
		return token === "{" ? "a key in double quotes or }" : "a value or ]";
	}
	return /^[}\],:]/.test(token) ? undefined : goOn(open);
}

function close(open: string[]): Expected {
	open.pop();
	return goOn(open);
}

function goOn(open: readonly string[]): Expected {
	const inside = open.at(-1);
	if (inside === undefined) return "the end";
	return inside === "{" ? "a comma or }" : "a comma or ]";
}

function describePlace(
	text: string,
	at: number,
	expected: string,
): SyntaxPlace {
	const lines = text.slice(0, at).split("\n");
	return {
		line: lines.length,
		column: (lines.at(-1)?.length ?? 0) + 1,
		expected,
	};
}
