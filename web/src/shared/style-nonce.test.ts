import { expect, test } from "vitest";
import { giveStylesTheNonce } from "./style-nonce";

test("a style made by any helper carries the nonce, other elements do not", () => {
  const page = document.implementation.createHTMLDocument();
  giveStylesTheNonce(page, "n0nce");
  expect(page.createElement("style").nonce).toBe("n0nce");
  expect(page.createElement("div").nonce).toBeFalsy();
});

test("without a policy nothing is changed", () => {
  const page = document.implementation.createHTMLDocument();
  const before = page.createElement;
  giveStylesTheNonce(page, undefined);
  expect(page.createElement).toBe(before);
});
