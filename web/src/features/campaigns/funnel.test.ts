import { expect, test } from "vitest";
import { funnelSteps } from "./funnel";

test("the funnel goes from the audience over what was sent to who converted", () => {
  const arm = { members: 80, customers: 7, openings: 9, rate: "8.75" };
  const steps = funnelSteps({
    audience: 100,
    decided: 90,
    allowed: 80,
    messages: { queued: 0, sent: 70, delivered: 60, opened: 40, clicked: 20, failed: 10 },
    contacted: arm,
  } as Parameters<typeof funnelSteps>[0]);
  expect(steps.map(([, count]) => count)).toEqual([100, 90, 80, 70, 60, 40, 20, 7]);
});
