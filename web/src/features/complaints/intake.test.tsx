import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Button, Form } from "antd";
import { beforeAll, expect, test, vi } from "vitest";
import { setLanguage, startI18n } from "../../i18n";
import { AboutStaff } from "./about-staff";
import { type Intake, intakeBody } from "./intake";

const SAID: Intake = { kind: "complaint", channel: "phone", category: "service", narrative: "Rude." };

beforeAll(async () => {
  await startI18n();
  await setLanguage("en");
});

function open() {
  const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  queries.setQueryData(
    ["units"],
    [
      { id: "u1", name: "Haidian" },
      { id: "u2", name: "Pudong" },
    ],
  );
  queries.setQueryData(
    ["staff", "u1"],
    [
      { id: "s1", name: "Li Ming", staff_number: "E1", active: true },
      { id: "s2", name: "Wang Fang", staff_number: "E2", active: false },
    ],
  );
  queries.setQueryData(["staff", "u2"], [{ id: "s3", name: "Chen Jing", staff_number: "E3", active: true }]);
  const send = vi.fn();
  render(
    <QueryClientProvider client={queries}>
      <Form<Intake> onFinish={(values) => send(intakeBody({ ...SAID, ...values }).accused_staff_id)}>
        <AboutStaff />
        <Button htmlType="submit">Send</Button>
      </Form>
    </QueryClientProvider>,
  );
  return send;
}

const press = (name: string) => userEvent.click(screen.getByRole("button", { name }));
const tick = () => userEvent.click(screen.getByRole("checkbox", { name: "About a member of staff" }));

async function choose(label: string, option: string) {
  await userEvent.click(screen.getByLabelText(label));
  await userEvent.click(await screen.findByTitle(option), { pointerEventsCheck: 0 });
}

test("a complaint about nobody names nobody, and asks for nobody", async () => {
  const send = open();
  expect(screen.queryByLabelText("Person complained about")).toBeNull();
  await press("Send");
  await waitFor(() => expect(send).toHaveBeenCalledWith(null));
});

test("about a member of staff, it is not sent before it says about whom", async () => {
  const send = open();
  await tick();
  await press("Send");
  await waitFor(() =>
    expect(screen.getByLabelText("Person complained about").getAttribute("aria-invalid")).toBe("true"),
  );
  expect(send).not.toHaveBeenCalled();
  await choose("Works in", "Haidian");
  await choose("Person complained about", "Li Ming · E1");
  expect(screen.queryByTitle("Wang Fang · E2")).toBeNull();
  await press("Send");
  await waitFor(() => expect(send).toHaveBeenCalledWith("s1"));
});

test("whoever was chosen in another unit is not meant any more", async () => {
  const send = open();
  await tick();
  await choose("Works in", "Haidian");
  await choose("Person complained about", "Li Ming · E1");
  await choose("Works in", "Pudong");
  await press("Send");
  await waitFor(() =>
    expect(screen.getByLabelText("Person complained about").getAttribute("aria-invalid")).toBe("true"),
  );
  expect(send).not.toHaveBeenCalled();
});

test("taken back, the complaint is about nobody again", async () => {
  const send = open();
  await tick();
  await choose("Works in", "Haidian");
  await choose("Person complained about", "Li Ming · E1");
  await tick();
  await press("Send");
  await waitFor(() => expect(send).toHaveBeenCalledWith(null));
});
