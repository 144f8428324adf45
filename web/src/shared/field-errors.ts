import type { FieldError } from "../api/problem";

export type Step = string | number;

/** The steps of a JSON Pointer as a URI fragment (RFC 6901): `#/names/0/text`. */
export function pointerSteps(pointer: string): Step[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step.replaceAll("~1", "/").replaceAll("~0", "~")));
}

function begins(path: readonly Step[], start: readonly Step[]): boolean {
  return start.length <= path.length && start.every((step, position) => step === path[position]);
}

/** The field that a pointer means: the one it points at or into, else the first below what it points at. */
function fieldFor(steps: readonly Step[], fields: readonly (readonly Step[])[]): readonly Step[] | undefined {
  if (steps.length === 0) {
    return undefined;
  }
  const around = fields.filter((field) => begins(steps, field));
  around.sort((one, other) => other.length - one.length);
  return around[0] ?? fields.find((field) => begins(field, steps));
}

export interface PlacedErrors {
  placed: { name: Step[]; errors: string[] }[];
  /** What no field of the form shows has to be told above it. */
  unplaced: FieldError[];
}

/** Which field of a form shows which error of a refusal; `translate` tells a form that is laid out unlike its body. */
export function placeErrors(
  errors: readonly FieldError[],
  fields: readonly (readonly Step[])[],
  translate: (steps: Step[]) => Step[] = (steps) => steps,
): PlacedErrors {
  const placed = new Map<string, { name: Step[]; errors: string[] }>();
  const unplaced: FieldError[] = [];
  for (const error of errors) {
    const field = fieldFor(translate(pointerSteps(error.pointer)), fields);
    if (field === undefined) {
      unplaced.push(error);
      continue;
    }
    const key = JSON.stringify(field);
    const known = placed.get(key);
    if (known === undefined) {
      placed.set(key, { name: [...field], errors: [error.detail] });
    } else {
      known.errors.push(error.detail);
    }
  }
  return { placed: [...placed.values()], unplaced };
}
