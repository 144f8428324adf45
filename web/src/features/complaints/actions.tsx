import { Button, Flex, Form, Input, Select } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";

type Complaint = Answer<"/api/v1/complaints/{complaint_id}">;
type Action = Complaint["possible_actions"][number];

interface StepForm {
  note?: string;
  outcome?: string;
  basis?: string;
  channel?: "sms" | "email" | "phone" | "wechat" | "push" | "counter";
}

interface Field {
  name: keyof StepForm;
  options?: readonly string[];
  /** Where the words of the options stand in the dictionary. */
  words?: string;
  required: boolean;
}

const NOTE: Field = { name: "note", required: false };
const NEEDED_NOTE: Field = { name: "note", required: true };
const OUTCOMES = ["upheld", "partly_upheld", "not_upheld"] as const;
const REVIEW_OUTCOMES = ["confirmed", "changed"] as const;
const CHANNELS = ["phone", "sms", "email", "wechat", "push", "counter"] as const;

/** What each action asks for, beside what the service knows. */
export const FIELDS: Record<Action, readonly Field[]> = {
  accept: [NOTE],
  reject: [NEEDED_NOTE],
  investigate: [NOTE],
  pause: [{ name: "basis", options: ["external_appraisal"], words: "pauseBasis", required: true }, NOTE],
  resume: [NOTE],
  decide: [{ name: "outcome", options: OUTCOMES, words: "outcomeOf", required: true }, NOTE],
  notify: [{ name: "channel", options: CHANNELS, words: "channel", required: true }, NOTE],
  request_review: [NEEDED_NOTE],
  conclude_review: [
    { name: "outcome", options: REVIEW_OUTCOMES, words: "reviewOutcome", required: true },
    NOTE,
  ],
  close: [NOTE],
  withdraw: [NOTE],
  reopen: [NEEDED_NOTE],
};

/** The noun that each action is in the API. */
const NOUNS = {
  accept: "acceptances",
  reject: "rejections",
  investigate: "investigations",
  pause: "pauses",
  resume: "resumptions",
  decide: "decisions",
  notify: "notifications",
  request_review: "review-requests",
  conclude_review: "review-conclusions",
  close: "closures",
  withdraw: "withdrawals",
  reopen: "reopenings",
} as const satisfies Record<Action, string>;

function takeStep(complaintId: string, action: Action, form: StepForm, key: string): Promise<unknown> {
  const path = `/api/v1/complaints/{complaint_id}/${NOUNS[action]}` as const;
  // Every step has the same parameters; the bodies differ by what FIELDS asks for, and the service checks them.
  return api.POST(path as "/api/v1/complaints/{complaint_id}/closures", {
    params: { path: { complaint_id: complaintId }, header: { "Idempotency-Key": key } },
    body: form as { note?: string },
  });
}

function StepModal({
  complaint,
  action,
  onClose,
}: {
  complaint: Complaint;
  action: Action;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  return (
    <FormModal<StepForm, unknown>
      title={t(`complaintAction.${action}`)}
      send={(values, key) => takeStep(complaint.complaint_id, action, values, key)}
      changes={["complaint", "complaints", "complaint-clock", "complaint-history"]}
      onClose={onClose}
    >
      {FIELDS[action].map((field) => (
        <Form.Item
          key={field.name}
          name={field.name}
          label={t(`complaintField.${field.name}`)}
          rules={[{ required: field.required }]}
        >
          {field.options ? (
            <Select
              options={field.options.map((value) => ({ value, label: t(`${field.words}.${value}`) }))}
            />
          ) : (
            <Input.TextArea rows={4} maxLength={10_000} />
          )}
        </Form.Item>
      ))}
    </FormModal>
  );
}

/** The steps towards the end of a case; a state has one of them at most. */
const FORWARD: ReadonlySet<Action> = new Set([
  "accept",
  "investigate",
  "resume",
  "decide",
  "notify",
  "close",
  "conclude_review",
]);

/** The step that leads on before those aside. */
export function forwardFirst(actions: readonly Action[]): Action[] {
  return [...actions].sort((one, other) => Number(FORWARD.has(other)) - Number(FORWARD.has(one)));
}

/** The steps that the case can take now. */
export function ComplaintActions({ complaint }: { complaint: Complaint }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("complaint:write");
  const [chosen, setChosen] = useState<Action | null>(null);
  if (!mayWrite) {
    return null;
  }
  return (
    <Flex gap={8} wrap>
      {forwardFirst(complaint.possible_actions).map((action) => (
        <Button
          key={action}
          type={FORWARD.has(action) ? "primary" : "default"}
          onClick={() => setChosen(action)}
        >
          {t(`complaintAction.${action}`)}
        </Button>
      ))}
      {chosen && <StepModal complaint={complaint} action={chosen} onClose={() => setChosen(null)} />}
    </Flex>
  );
}
