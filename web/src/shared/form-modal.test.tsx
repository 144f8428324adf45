import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { App, Form, Input } from "antd";
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ProblemError } from "../api/problem";
import { setLanguage, startI18n } from "../i18n";
import { FormModal } from "./form-modal";

beforeAll(async () => {
  await startI18n();
  await setLanguage("en");
  // jsdom has no layout to scroll in.
  Element.prototype.scrollIntoView = () => undefined;
});

interface Note {
  note: string;
}

const onClose = vi.fn();
const queries = new QueryClient();

function open(send: (values: Note, key: string) => Promise<string>, after?: (outcome: string) => string) {
  render(
    <App>
      <QueryClientProvider client={queries}>
        <FormModal<Note, string>
          title="Write"
          send={send}
          changes={["notes"]}
          onClose={onClose}
          after={after}
        >
          <Form.Item name="note" label="Note" rules={[{ required: true }]}>
            <Input />
          </Form.Item>
        </FormModal>
      </QueryClientProvider>
    </App>,
  );
}

const press = () => userEvent.click(screen.getByRole("button", { name: "OK" }));
const write = (text: string) => userEvent.type(screen.getByLabelText("Note"), text);

function refusal(pointer: string): ProblemError {
  return new ProblemError({
    status: 422,
    code: "request.invalid",
    title: "The request is invalid",
    errors: [{ pointer, code: "banned", detail: "may not be said" }],
  });
}

beforeEach(() => onClose.mockReset());

test("what is missing is asked for, and nothing is sent", async () => {
  const send = vi.fn();
  open(send);
  await press();
  await waitFor(() => expect(screen.getByLabelText("Note").getAttribute("aria-invalid")).toBe("true"));
  expect(send).not.toHaveBeenCalled();
});

test("a refused field is told at that field, and the window stays", async () => {
  open(() => Promise.reject(refusal("#/note")));
  await write("guaranteed");
  await press();
  await screen.findByText("may not be said");
  expect(screen.getByLabelText("Note").getAttribute("aria-invalid")).toBe("true");
  expect(screen.queryByText("The request is invalid")).toBeNull();
  expect(onClose).not.toHaveBeenCalled();
});

test("what no field shows is told above the form", async () => {
  open(() => Promise.reject(refusal("#/unit_id")));
  await write("a");
  await press();
  const alert = (await screen.findByRole("alert")).textContent;
  expect(alert).toContain("The request is invalid");
  expect(alert).toContain("#/unit_id");
});

test("sent again after a lost answer it carries the same key, with other content another", async () => {
  const keys: string[] = [];
  open((_, key) => {
    keys.push(key);
    return Promise.reject(new TypeError("Failed to fetch"));
  });
  await write("a");
  await press();
  await screen.findByText(/did not answer/);
  await press();
  await waitFor(() => expect(keys).toHaveLength(2));
  await write("b");
  await press();
  await waitFor(() => expect(keys).toHaveLength(3));
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[0]);
});

test("done, it closes and what it changed is read anew", async () => {
  const invalidate = vi.spyOn(queries, "invalidateQueries");
  open(() => Promise.resolve("n1"));
  await write("a");
  await press();
  await waitFor(() => expect(onClose).toHaveBeenCalledOnce());
  expect(invalidate).toHaveBeenCalledWith({ queryKey: ["notes"] });
});

test("with something to tell, it stays until that has been read", async () => {
  open(
    () => Promise.resolve("n1"),
    (outcome) => `written as ${outcome}`,
  );
  await write("a");
  await press();
  await screen.findByText("written as n1");
  expect(onClose).not.toHaveBeenCalled();
  await userEvent.click(screen.getAllByRole("button", { name: "Close" }).at(-1) as HTMLElement);
  expect(onClose).toHaveBeenCalledOnce();
});
