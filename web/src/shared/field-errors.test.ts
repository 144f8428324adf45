import { expect, test } from "vitest";
import { placeErrors, pointerSteps } from "./field-errors";

const at = (pointer: string) => ({ pointer, code: "wrong", detail: `wrong at ${pointer}` });

test("a pointer is read by its steps, with what was escaped in it", () => {
  expect(pointerSteps("#/names/0/a~1b~0c")).toEqual(["names", 0, "a/b~c"]);
  expect(pointerSteps("#")).toEqual([]);
});

test("an error stands at the closest field that its pointer goes to or into", () => {
  const fields = [["rule"], ["rule", "rules", 0, "value"]];
  const { placed, unplaced } = placeErrors([at("#/rule/rules/0/value"), at("#/rule/rules/1")], fields);
  expect(placed).toEqual([
    { name: ["rule", "rules", 0, "value"], errors: ["wrong at #/rule/rules/0/value"] },
    { name: ["rule"], errors: ["wrong at #/rule/rules/1"] },
  ]);
  expect(unplaced).toEqual([]);
});

test("an error of a whole stands at its first field, several of one field stand together", () => {
  const { placed } = placeErrors([at("#/audience"), at("#/audience/any_of/0")], [["audience", "any_of"]]);
  expect(placed).toEqual([
    { name: ["audience", "any_of"], errors: ["wrong at #/audience", "wrong at #/audience/any_of/0"] },
  ]);
});

test("what no field shows is left to be told, and so is what concerns the whole body", () => {
  expect(placeErrors([at("#/unit_id"), at("#")], [["code"]])).toEqual({
    placed: [],
    unplaced: [at("#/unit_id"), at("#")],
  });
});

test("a form that is laid out unlike its body says how", () => {
  const without = (steps: (string | number)[]) => steps.filter((step) => step !== "inner");
  expect(placeErrors([at("#/inner/value")], [["value"]], without).placed[0]?.name).toEqual(["value"]);
});
