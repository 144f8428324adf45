import { expect, test } from "vitest";
import { loginAddress } from "./session";
import { roomsFor } from "./shell";

const paths = (permissions: string[]) => roomsFor(permissions).map((room) => room.path);

test("the menu has the rooms that the permissions open, in its own order", () => {
  expect(paths(["complaint:read", "customer:read"])).toEqual(["/today", "/customers", "/complaints"]);
  expect(paths(["operations:read"])).toEqual(["/operations"]);
  expect(paths(["audit:read", "operations:read"])).toEqual(["/operations", "/audit"]);
});

test("a permission to write opens no room", () => {
  expect(paths(["customer:write"])).toEqual([]);
});

test("log-in comes back to the page that was asked for", () => {
  expect(loginAddress("/complaints/1?a=b&c=d")).toBe(
    "/auth/login?return_to=%2Fcomplaints%2F1%3Fa%3Db%26c%3Dd&ui_locales=zh",
  );
});
