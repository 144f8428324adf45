import { expect, test } from "vitest";
import { classTitle } from "./classes";

const t = (key: string, { defaultValue }: { defaultValue: string }) =>
  key === "industry.C" ? "Manufacturing" : defaultValue;

test("a code of a classification is shown with its title, an unknown one as it is", () => {
  expect(classTitle("industry", "C39", t)).toBe("Manufacturing (C39)");
  expect(classTitle("industry", "9", t)).toBe("9");
  expect(classTitle("occupation", null, t)).toBeNull();
});
