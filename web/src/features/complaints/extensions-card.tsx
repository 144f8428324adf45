import { useQuery } from "@tanstack/react-query";
import { Button, Card, Empty, Flex, Form, Input, Select, Tag, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { useAct } from "../../shared/act";
import { FormModal } from "../../shared/form-modal";
import { formatInstant } from "../../shared/format";

type Offer = Answer<"/api/v1/complaints/{complaint_id}/clock">["clocks"][number]["can_extend"][number];

const CHANGES = [
  "complaint",
  "complaints",
  "complaint-clock",
  "complaint-extensions",
  "complaint-history",
] as const;

interface Request {
  code: string;
  reason: string;
}

function RequestModal({
  complaintId,
  offers,
  onClose,
}: {
  complaintId: string;
  offers: readonly Offer[];
  onClose: () => void;
}) {
  const { t, i18n } = useTranslation();
  return (
    <FormModal<Request, unknown>
      title={t("complaint.askExtension")}
      send={(body, key) =>
        api.POST("/api/v1/complaints/{complaint_id}/extensions", {
          params: { path: { complaint_id: complaintId }, header: { "Idempotency-Key": key } },
          body,
        })
      }
      changes={CHANGES}
      onClose={onClose}
    >
      <Form.Item name="code" label={t("complaint.extension")} rules={[{ required: true }]}>
        <Select
          options={offers.map((offer) => ({
            value: offer.code,
            label: i18n.language === "en" ? offer.words.en : offer.words.zh,
            disabled: !offer.ready,
          }))}
        />
      </Form.Item>
      <Form.Item name="reason" label={t("action.reason")} rules={[{ required: true }]}>
        <Input.TextArea rows={4} maxLength={10_000} />
      </Form.Item>
    </FormModal>
  );
}

/** Extensions that were asked for, and the way to ask for and approve one. */
export function ExtensionsCard({ complaintId, offers }: { complaintId: string; offers: readonly Offer[] }) {
  const { t } = useTranslation();
  const mayAsk = usePermission("complaint:write");
  const mayApprove = usePermission("complaint:approve_extension");
  const [asking, setAsking] = useState(false);
  const extensions = useQuery({
    queryKey: ["complaint-extensions", complaintId],
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/complaints/{complaint_id}/extensions", {
          params: { path: { complaint_id: complaintId } },
          signal,
        }),
      ),
  });
  const approve = useAct<string>(
    (extensionId) =>
      api.POST("/api/v1/complaints/{complaint_id}/extensions/{extension_id}/approvals", {
        params: { path: { complaint_id: complaintId, extension_id: extensionId } },
        body: { notice: { channel: "phone", occurred_at: null } },
      }),
    CHANGES,
  );
  const items = extensions.data?.items ?? [];
  return (
    <Card
      size="small"
      title={t("complaint.extensions")}
      extra={
        mayAsk &&
        offers.length > 0 && (
          <Button size="small" onClick={() => setAsking(true)}>
            {t("complaint.askExtension")}
          </Button>
        )
      }
    >
      {items.length === 0 && (
        <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("complaint.noExtensions")} />
      )}
      <Flex vertical gap={8}>
        {items.map((extension) => (
          <Flex key={extension.extension_id} justify="space-between" gap={8} wrap>
            <span>
              <Tag>{t(`extensionState.${extension.state}`)}</Tag>
              {t(`extensionCode.${extension.code}`, { defaultValue: extension.code })} ·{" "}
              {formatInstant(extension.requested_at)}
            </span>
            {extension.state === "requested" && mayApprove && (
              <Button
                size="small"
                loading={approve.isPending}
                onClick={() => approve.mutate(extension.extension_id)}
              >
                {t("complaint.approveAndTell")}
              </Button>
            )}
            {extension.reason && <Typography.Text type="secondary">{extension.reason}</Typography.Text>}
          </Flex>
        ))}
      </Flex>
      {asking && <RequestModal complaintId={complaintId} offers={offers} onClose={() => setAsking(false)} />}
    </Card>
  );
}
