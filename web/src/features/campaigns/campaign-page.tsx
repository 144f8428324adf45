import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Button, Card, Col, Flex, Form, Input, Popconfirm, Row, Tag, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf, idempotencyKey } from "../../api/client";
import { usePermission } from "../../app/session";
import { useAct } from "../../shared/act";
import { Facts } from "../../shared/facts";
import { FormModal } from "../../shared/form-modal";
import { formatCount, formatInstant, formatMoney, formatShare } from "../../shared/format";
import { Page } from "../../shared/page";
import { PageSkeleton } from "../../shared/page-skeleton";
import { ProblemAlert } from "../../shared/problem-alert";
import { useSegmentNames } from "./audience";
import { CAMPAIGN_COLORS } from "./colors";
import { EffectCard, FunnelCard, ReasonsCard, WaterfallCard } from "./funnel";
import type { Campaign } from "./plan-body";
import { PlanModal } from "./plan-form";

const CHANGES = ["campaign", "campaigns", "funnel", "waterfall"] as const;

function useCampaign(campaignId: string) {
  return useQuery({
    queryKey: ["campaign", campaignId],
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/campaigns/{campaign_id}", {
          params: { path: { campaign_id: campaignId } },
          signal,
        }),
      ),
  });
}

function useFunnel(campaign: Campaign | undefined) {
  const started = campaign?.state === "running" || campaign?.state === "finished";
  return useQuery({
    queryKey: ["funnel", campaign?.id],
    enabled: started,
    refetchInterval: campaign?.state === "running" ? 3_000 : false,
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/campaigns/{campaign_id}/funnel", {
          params: { path: { campaign_id: campaign?.id ?? "" } },
          signal,
        }),
      ),
  });
}

type Step = "submissions" | "approvals" | "completions";

function useStep(campaignId: string) {
  const params = () => ({
    path: { campaign_id: campaignId },
    header: { "Idempotency-Key": idempotencyKey() },
  });
  return useAct<Step>(async (step) => {
    if (step === "approvals") {
      return api.POST("/api/v1/campaigns/{campaign_id}/approvals", {
        params: params(),
        body: { note: null },
      });
    }
    return step === "submissions"
      ? api.POST("/api/v1/campaigns/{campaign_id}/submissions", { params: params() })
      : api.POST("/api/v1/campaigns/{campaign_id}/completions", { params: params() });
  }, CHANGES);
}

function Rejection({ campaignId }: { campaignId: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t("campaign.reject")}</Button>
      {open && (
        <FormModal<{ note: string }, unknown>
          title={t("campaign.reject")}
          send={(body, key) =>
            api.POST("/api/v1/campaigns/{campaign_id}/rejections", {
              params: { path: { campaign_id: campaignId }, header: { "Idempotency-Key": key } },
              body,
            })
          }
          changes={CHANGES}
          onClose={() => setOpen(false)}
        >
          <Form.Item
            name="note"
            label={t("campaign.rejectionNote")}
            rules={[{ required: true, whitespace: true }]}
          >
            <Input.TextArea rows={4} maxLength={10_000} />
          </Form.Item>
        </FormModal>
      )}
    </>
  );
}

function Actions({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("campaign:write");
  const mayReview = usePermission("campaign:review");
  const [mending, setMending] = useState(false);
  const step = useStep(campaign.id);
  return (
    <>
      {campaign.state === "draft" && mayWrite && (
        <>
          <Button onClick={() => setMending(true)}>{t("campaign.change")}</Button>
          <Button type="primary" loading={step.isPending} onClick={() => step.mutate("submissions")}>
            {t("campaign.submit")}
          </Button>
          {mending && <PlanModal campaign={campaign} onClose={() => setMending(false)} />}
        </>
      )}
      {campaign.state === "in_review" && mayReview && (
        <>
          <Popconfirm title={t("campaign.approveQuestion")} onConfirm={() => step.mutate("approvals")}>
            <Button type="primary" loading={step.isPending}>
              {t("campaign.approve")}
            </Button>
          </Popconfirm>
          <Rejection campaignId={campaign.id} />
        </>
      )}
      {campaign.state === "running" && mayWrite && (
        <Popconfirm title={t("campaign.finishQuestion")} onConfirm={() => step.mutate("completions")}>
          <Button loading={step.isPending}>{t("campaign.finish")}</Button>
        </Popconfirm>
      )}
    </>
  );
}

function Plan({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const segmentNames = useSegmentNames();
  return (
    <Card title={t("campaign.plan")}>
      <Flex vertical gap={12}>
        <Typography.Paragraph style={{ margin: 0 }}>{campaign.objective}</Typography.Paragraph>
        <Facts
          items={[
            [t("campaign.code"), campaign.code],
            [t("campaign.channel"), t(`channel.${campaign.channel}`)],
            [t("campaign.purpose"), t(`purpose.${campaign.purpose}`)],
            [t("campaign.product"), campaign.product_code],
            [t("campaign.startsAt"), formatInstant(campaign.starts_at)],
            [t("campaign.endsAt"), formatInstant(campaign.ends_at)],
            [t("campaign.holdout"), formatShare(campaign.holdout_basis_points, 10_000)],
            [t("campaign.anyOf"), segmentNames(campaign.audience.any_of)],
            [t("campaign.allOf"), segmentNames(campaign.audience.all_of)],
            [t("campaign.noneOf"), segmentNames(campaign.audience.none_of)],
            [t("campaign.audience"), formatCount(campaign.audience_size)],
            [t("campaign.conversionWindow"), campaign.conversion_window_days],
            [t("campaign.target"), formatCount(campaign.target_conversions)],
            [t("campaign.targetAmount"), formatMoney(campaign.target_amount, "CNY")],
            [t("campaign.maker"), campaign.makers.join(", ")],
            [t("campaign.reviewer"), campaign.reviewer],
            [t("campaign.reviewNote"), campaign.review_note],
          ]}
        />
        <Card size="small" title={t("campaign.message")}>
          {campaign.message}
        </Card>
      </Flex>
    </Card>
  );
}

/** One campaign: its plan, its review by a second person, and its live funnel. */
export function CampaignPage() {
  const { campaignId } = useParams({ from: "/inside/campaigns/$campaignId" });
  const { t } = useTranslation();
  const campaign = useCampaign(campaignId);
  const funnel = useFunnel(campaign.data);
  if (campaign.error) {
    return <ProblemAlert error={campaign.error} onRetry={() => void campaign.refetch()} />;
  }
  if (!campaign.data) {
    return <PageSkeleton />;
  }
  const planned = campaign.data.state === "draft" || campaign.data.state === "in_review";
  return (
    <Page
      title={campaign.data.name}
      badge={
        <Tag color={CAMPAIGN_COLORS[campaign.data.state]}>{t(`campaignState.${campaign.data.state}`)}</Tag>
      }
      actions={<Actions campaign={campaign.data} />}
    >
      {funnel.error && <ProblemAlert error={funnel.error} onRetry={() => void funnel.refetch()} />}
      {funnel.data && (
        <Row gutter={[16, 16]}>
          <Col xs={24} xl={15}>
            <FunnelCard funnel={funnel.data} />
          </Col>
          <Col xs={24} xl={9}>
            <Flex vertical gap={16}>
              <EffectCard funnel={funnel.data} />
              <ReasonsCard
                title={t("funnel.reasons")}
                reasons={funnel.data.reasons}
                undecided={funnel.data.undecided}
              />
            </Flex>
          </Col>
        </Row>
      )}
      {planned ? (
        <Row gutter={[16, 16]}>
          <Col xs={24} xl={15}>
            <Plan campaign={campaign.data} />
          </Col>
          <Col xs={24} xl={9}>
            <WaterfallCard campaignId={campaignId} />
          </Col>
        </Row>
      ) : (
        <Plan campaign={campaign.data} />
      )}
    </Page>
  );
}
