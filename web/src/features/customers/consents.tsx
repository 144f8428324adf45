import { useInfiniteQuery } from "@tanstack/react-query";
import {
  Button,
  Card,
  Drawer,
  Flex,
  Form,
  Input,
  Radio,
  Select,
  type TableColumnsType,
  Tag,
  Typography,
} from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer, Item } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";
import { formatInstant } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";

type Profile = Answer<"/api/v1/customers/{customer_id}/profile">;
type Standing = Profile["consents"][number];
type Entry = Item<"/api/v1/customers/{customer_id}/consents">;

const PURPOSES = ["marketing", "service", "profiling"] as const;
const CHANNELS = ["sms", "phone", "email", "wechat", "push", "counter"] as const;
const BASES = ["consent", "contract", "legal_duty", "emergency", "public_interest", "disclosed"] as const;

/** The kind of contact point that each channel reaches; by the others nobody is reached at a point. */
const CONTACT_OF: Record<string, string> = { sms: "phone", phone: "phone", email: "email", wechat: "wechat" };

interface ConsentForm {
  purpose: (typeof PURPOSES)[number];
  channel: (typeof CHANNELS)[number];
  contact_point_id?: string | null;
  status: "granted" | "withdrawn";
  lawful_basis?: (typeof BASES)[number];
  notice_version: string;
  proof: string;
}

/** The fields that depend on what was chosen: a basis where the law leaves a choice, a point where there is one. */
function DependentFields({ profile }: { profile: Profile }) {
  const { t } = useTranslation();
  const purpose = Form.useWatch<string>("purpose");
  const channel = Form.useWatch<string>("channel");
  const points = profile.contact_points.filter((point) => point.type === CONTACT_OF[channel]);
  return (
    <>
      {points.length > 0 && (
        <Form.Item name="contact_point_id" label={t("consent.contactPoint")}>
          <Select
            allowClear
            placeholder={t("consent.wholeChannel")}
            options={points.map((point) => ({ value: point.id, label: point.value }))}
          />
        </Form.Item>
      )}
      {purpose === "service" && (
        <Form.Item name="lawful_basis" label={t("consent.basis")} rules={[{ required: true }]}>
          <Select options={BASES.map((basis) => ({ value: basis, label: t(`lawfulBasis.${basis}`) }))} />
        </Form.Item>
      )}
    </>
  );
}

/** One entry of the ledger: a grant, or a withdrawal of what stands. */
function ConsentModal({
  profile,
  standing,
  onClose,
}: {
  profile: Profile;
  /** What is to be withdrawn; null for a new entry. */
  standing: Standing | null;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const words = <Value extends string>(values: readonly Value[], dictionary: string) =>
    values.map((value) => ({ value, label: t(`${dictionary}.${value}`) }));
  return (
    <FormModal<ConsentForm, unknown>
      title={t(standing === null ? "consent.record" : "consent.withdraw")}
      initialValues={{
        purpose: standing?.purpose ?? "marketing",
        channel: standing?.channel ?? "sms",
        status: standing === null ? "granted" : "withdrawn",
        lawful_basis: "consent",
      }}
      send={({ contact_point_id, lawful_basis, ...entry }, key) =>
        api.POST("/api/v1/customers/{customer_id}/consents", {
          params: { path: { customer_id: profile.customer.id }, header: { "Idempotency-Key": key } },
          body: {
            ...entry,
            contact_point_id: contact_point_id ?? null,
            lawful_basis: lawful_basis ?? "consent",
          },
        })
      }
      changes={["overview", "consents", "timeline"]}
      onClose={onClose}
      notice={standing === null ? undefined : t("consent.withdrawalHolds")}
    >
      <Form.Item name="status" label={t("consent.what")} rules={[{ required: true }]}>
        <Radio.Group
          options={words(["granted", "withdrawn"], "consentStatus")}
          disabled={standing !== null}
        />
      </Form.Item>
      <Flex gap={12} wrap>
        <Form.Item
          name="purpose"
          label={t("campaign.purpose")}
          rules={[{ required: true }]}
          style={{ flex: "1 1 180px" }}
        >
          <Select options={words(PURPOSES, "purpose")} disabled={standing !== null} />
        </Form.Item>
        <Form.Item
          name="channel"
          label={t("campaign.channel")}
          rules={[{ required: true }]}
          style={{ flex: "1 1 180px" }}
        >
          <Select options={words(CHANNELS, "channel")} disabled={standing !== null} />
        </Form.Item>
      </Flex>
      <DependentFields profile={profile} />
      <Form.Item
        name="notice_version"
        label={t("consent.noticeVersion")}
        extra={t("consent.noticeExample")}
        rules={[{ required: true }]}
      >
        <Input maxLength={40} />
      </Form.Item>
      <Form.Item
        name="proof"
        label={t("consent.proof")}
        extra={t("consent.proofExample")}
        rules={[{ required: true, whitespace: true }]}
      >
        <Input maxLength={200} />
      </Form.Item>
    </FormModal>
  );
}

/** Every grant and withdrawal there was, with its proof and who wrote it down. */
function Ledger({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ["consents", customerId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/consents", {
          params: { path: { customer_id: customerId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const columns: TableColumnsType<Entry> = [
    { title: t("consent.effectiveAt"), dataIndex: "effective_at", render: formatInstant },
    {
      title: t("consent.what"),
      key: "what",
      render: (_, entry) => <ConsentTag consent={entry} />,
    },
    {
      title: t("consent.basis"),
      dataIndex: "lawful_basis",
      render: (basis: string) => t(`lawfulBasis.${basis}`),
    },
    { title: t("consent.noticeVersion"), dataIndex: "notice_version" },
    { title: t("consent.proof"), dataIndex: "proof" },
    { title: t("consent.actor"), dataIndex: "actor" },
  ];
  return (
    <Listing
      pages={pages}
      columns={columns}
      rowKey="id"
      label={t("consent.ledger")}
      empty={t("customer.noConsents")}
    />
  );
}

function ConsentTag({ consent }: { consent: Pick<Standing, "purpose" | "channel" | "status"> }) {
  const { t } = useTranslation();
  return (
    <Tag color={consent.status === "granted" ? "green" : "red"}>
      {t(`purpose.${consent.purpose}`)} · {t(`channel.${consent.channel}`)} ·{" "}
      {t(`consentStatus.${consent.status}`)}
    </Tag>
  );
}

/** What the customer has consented to, how to write down more, and how each came about. */
export function ConsentsCard({ profile }: { profile: Profile }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("consent:write");
  const [writing, setWriting] = useState<{ standing: Standing | null } | null>(null);
  const [ledgerOpen, setLedgerOpen] = useState(false);
  return (
    <Card
      size="small"
      title={t("consent.title")}
      extra={
        <Flex gap={8} wrap>
          <Button size="small" onClick={() => setLedgerOpen(true)}>
            {t("consent.ledger")}
          </Button>
          {mayWrite && (
            <Button size="small" onClick={() => setWriting({ standing: null })}>
              {t("consent.record")}
            </Button>
          )}
        </Flex>
      }
    >
      <Flex vertical gap={8}>
        {profile.consents.map((standing) => (
          <Flex key={`${standing.purpose}:${standing.channel}`} gap={8} align="center" wrap>
            <ConsentTag consent={standing} />
            {mayWrite && standing.status === "granted" && (
              <Button
                size="small"
                aria-label={`${t("consent.withdraw")}: ${t(`purpose.${standing.purpose}`)}, ${t(`channel.${standing.channel}`)}`}
                onClick={() => setWriting({ standing })}
              >
                {t("consent.withdraw")}
              </Button>
            )}
          </Flex>
        ))}
        {profile.consents.length === 0 && (
          <Typography.Text type="secondary">{t("consent.noneMeans")}</Typography.Text>
        )}
      </Flex>
      <Drawer
        open={ledgerOpen}
        onClose={() => setLedgerOpen(false)}
        title={t("consent.ledger")}
        size="large"
        destroyOnHidden
      >
        <Ledger customerId={profile.customer.id} />
      </Drawer>
      {writing && (
        <ConsentModal profile={profile} standing={writing.standing} onClose={() => setWriting(null)} />
      )}
    </Card>
  );
}
