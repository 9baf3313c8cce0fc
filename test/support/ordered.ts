// What verbs answer that may find nothing to do.
import assert from "node:assert/strict";
import type { Operation } from "../../src/domain/operation.ts";
import { isUnneeded, type Unneeded } from "../../src/operations/request.ts";

/** The operation that was ordered, where one must have been. */
export function loadOrdered(answer: Operation | Unneeded): Operation {
	if (isUnneeded(answer)) assert.fail(answer.nothingToDo);
	return answer;
}

/** Why there was nothing to do, where that must have been so. */
export function loadUnneeded(answer: Operation | Unneeded): Unneeded {
	if (!isUnneeded(answer)) assert.fail(`${answer.id} was ordered`);
	return answer;
}
