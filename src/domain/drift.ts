// What differs between what was applied and what is there: the words.

/**
 * cosmetic    labels and annotations that nothing selects by
 * repairable  what the program makes again, or sets back, without harm
 * dangerous   what holds data or opens it: to put it right may lose some
 */
export const driftClasses = ["cosmetic", "repairable", "dangerous"] as const;
export type DriftClass = (typeof driftClasses)[number];

/** What drift that was found on schedule leads to. */
export const driftAnswers = ["report", "repair"] as const;
export type OnDrift = (typeof driftAnswers)[number];

/** One difference. Values of secrets are masked. */
export interface DriftItem {
	/** `apiVersion/Kind`. */
	readonly kind: string;
	readonly name: string;
	readonly class: DriftClass;
	/** A JSON Pointer into the object; empty where all of it is gone. */
	readonly path: string;
	/** As JSON text; null: it is not to be there. */
	readonly wanted: string | null;
	/** As JSON text; null: it is not there. */
	readonly found: string | null;
}

export interface Drift {
	readonly checkedAt: string;
	readonly items: readonly DriftItem[];
}

/** No look tells more differences than this. */
export const driftLimit = 100;

/** An object as it was last applied. Holds secrets. */
export interface DeclaredObject {
	/** `apiVersion/Kind`. */
	readonly kind: string;
	/** null for a namespace. */
	readonly namespace: string | null;
	readonly name: string;
	readonly content: Readonly<Record<string, unknown>>;
	/** JSON Pointers of values that are secret. */
	readonly secrets: readonly string[];
}

/** Whether a repair may touch this item: what is dangerous only where somebody said that he knows. */
export const mayRepair = (
	{ class: of }: Pick<DriftItem, "class">,
	acknowledged: boolean,
): boolean => acknowledged || of !== "dangerous";

/** "apps/v1/Deployment server (repairable)", for messages. */
export const presentItem = (item: DriftItem): string =>
	`${item.kind} ${item.name}${item.path === "" ? " is gone" : ` at ${item.path}`} (${item.class})`;
