import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert, App, Form, Modal } from "antd";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { type ProblemBody, ProblemError, problemOf } from "../api/problem";
import { placeErrors, type Step } from "./field-errors";
import { ProblemAlert } from "./problem-alert";
import { useSubmissionKey } from "./submission-key";

const WIDTHS = { normal: 520, wide: 860 } as const;

/** What is told above a form that was refused: all that stands at none of its fields. */
function remainder(problem: ProblemBody, unplaced: ProblemBody["errors"]): ProblemBody | null {
  const fields = problem.errors ?? [];
  return fields.length > 0 && unplaced?.length === 0 ? null : { ...problem, errors: unplaced };
}

/**
 * A window with a form that writes.
 *
 * Fields are named as the API names them, so that each error of a refusal stands at its field. What the form is opened
 * over is unmounted with it: whoever renders it decides when it is open. With `after`, the window stays and tells what
 * came of it; else it closes.
 */
export function FormModal<Values extends object, Outcome>({
  title,
  initialValues,
  send,
  changes,
  onClose,
  onDone,
  after,
  translate,
  confirmLabel,
  notice,
  size = "normal",
  children,
}: {
  title: string;
  initialValues?: Partial<Values>;
  send: (values: Values, key: string) => Promise<Outcome>;
  /** Keys of the queries that are read anew afterwards. */
  changes: readonly string[];
  onClose: () => void;
  onDone?: (outcome: Outcome) => void;
  after?: (outcome: Outcome) => ReactNode;
  /** The field's path for the steps of a pointer, where the form is laid out unlike the body. */
  translate?: (steps: Step[]) => Step[];
  confirmLabel?: string;
  notice?: ReactNode;
  size?: keyof typeof WIDTHS;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const queries = useQueryClient();
  const keyFor = useSubmissionKey();
  const [form] = Form.useForm<Values>();
  const [refusal, setRefusal] = useState<ProblemBody | null>(null);
  const [opener] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      // The window gives the focus back when it closes, but not when it is unmounted with what it was opened over.
      if (opener instanceof HTMLElement && opener.isConnected) {
        opener.focus();
      }
    },
    [opener],
  );

  const writing = useMutation({
    // What came back goes with the window: it may be what only this window may show.
    gcTime: 0,
    mutationFn: (values: Values) => send(values, keyFor(values)),
    onMutate: () => setRefusal(null),
    onSuccess: async (outcome) => {
      await Promise.all(changes.map((key) => queries.invalidateQueries({ queryKey: [key] })));
      if (after === undefined) {
        void message.success(t("action.done"));
        onClose();
      }
      onDone?.(outcome);
    },
    onError: (error) => {
      const problem = problemOf(error);
      const fields = form.getFieldsError().map((field) => field.name as Step[]);
      const { placed, unplaced } = placeErrors(problem.errors ?? [], fields, translate);
      form.setFields(placed as Parameters<typeof form.setFields>[0]);
      setRefusal(remainder(problem, unplaced));
      const first = placed[0];
      if (first !== undefined) {
        form.scrollToField(first.name as Parameters<typeof form.scrollToField>[0], { focus: true });
      }
    },
  });
  const outcome = after === undefined ? undefined : writing.data;

  return (
    <Modal
      open
      title={title}
      width={WIDTHS[size]}
      onCancel={onClose}
      onOk={outcome === undefined ? () => form.submit() : onClose}
      okText={outcome === undefined ? confirmLabel : t("action.close")}
      cancelButtonProps={outcome === undefined ? {} : { style: { display: "none" } }}
      confirmLoading={writing.isPending}
      mask={{ closable: false }}
      style={{ top: 48 }}
      styles={{ body: { paddingTop: 8 } }}
    >
      {refusal && (
        <div style={{ marginBottom: 12 }}>
          <ProblemAlert error={new ProblemError(refusal)} />
        </div>
      )}
      {outcome === undefined || after === undefined ? (
        <>
          {notice && <Alert type="info" showIcon title={notice} style={{ marginBottom: 12 }} />}
          <Form<Values>
            form={form}
            layout="vertical"
            initialValues={initialValues}
            scrollToFirstError={{ focus: true }}
            onFinish={(values) => writing.mutate(values)}
          >
            {children}
          </Form>
        </>
      ) : (
        after(outcome)
      )}
    </Modal>
  );
}
