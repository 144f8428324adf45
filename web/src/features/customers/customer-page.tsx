import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Alert, Col, Flex, Row, Tabs, Tag, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { Facts } from "../../shared/facts";
import { formatCountry, formatDate, formatInstant, formatRounded } from "../../shared/format";
import { useColleagueNames, useUnitName } from "../../shared/organization";
import { Page } from "../../shared/page";
import { PageSkeleton } from "../../shared/page-skeleton";
import { Permitted } from "../../shared/permitted";
import { ProblemAlert } from "../../shared/problem-alert";
import { Rows } from "../../shared/rows";
import { COMPLAINT_COLORS } from "../complaints/colors";
import { DeadlineTag } from "../complaints/deadline";
import { ComplaintIntake } from "../complaints/intake";
import { classTitle } from "./classes";
import { ConsentsCard } from "./consents";
import { type Account, AccountsTable, TransactionsTable } from "./holdings";
import { Reveal } from "./reveal";
import { type Section, SectionCard } from "./section-card";
import { CustomerTimeline } from "./timeline";

type Profile = Answer<"/api/v1/customers/{customer_id}/profile">;
type Belonging = Answer<"/api/v1/customers/{customer_id}/segments">;
type Complaints = Answer<"/api/v1/customers/{customer_id}/complaints">;
type Campaigns = Answer<"/api/v1/customers/{customer_id}/campaigns">;

interface Overview {
  profile: Section<Profile>;
  holdings: Section<{ items: Account[] }>;
  segments: Section<Belonging>;
  complaints: Section<Complaints>;
  campaigns: Section<Campaigns>;
}

function useOverview(customerId: string) {
  return useQuery({
    queryKey: ["overview", customerId],
    queryFn: async ({ signal }) => {
      const answer = bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/overview", {
          params: { path: { customer_id: customerId } },
          signal,
        }),
      );
      // The gateway hands each service's section on as it came; its shape is that service's.
      return answer.sections as unknown as Overview;
    },
  });
}

function ProfileFacts({ profile }: { profile: Profile }) {
  const { t } = useTranslation();
  const { customer } = profile;
  const unitName = useUnitName();
  const nameOf = useColleagueNames([customer.primary_rm_id]);
  return (
    <Flex vertical gap={12}>
      <Facts
        items={[
          [t("customer.number"), customer.customer_number],
          [t("customer.kind"), t(`kind.${customer.kind}`)],
          [t("customer.gender"), t(`gender.${customer.gender}`)],
          [t("customer.birthDate"), profile.birth_date],
          [t("customer.nationality"), formatCountry(customer.nationality)],
          [t("customer.industry"), classTitle("industry", customer.industry, t)],
          [t("customer.occupation"), classTitle("occupation", customer.occupation, t)],
          [t("customer.employer"), profile.employer],
          [t("customer.since"), formatDate(customer.customer_since)],
          [t("customer.unit"), unitName(customer.unit_id)],
          [t("customer.manager"), nameOf(customer.primary_rm_id)],
        ]}
      />
      <Flex vertical gap={4}>
        {profile.documents.map((document) => (
          <Typography.Text key={document.id}>
            {t(`documentType.${document.type}`)} {document.number} · {t("customer.validUntil")}{" "}
            {document.long_term ? t("customer.longTerm") : formatDate(document.valid_until)}{" "}
            <Tag color={document.standing === "valid" ? "green" : "red"}>
              {t(`standing.${document.standing}`)}
            </Tag>
          </Typography.Text>
        ))}
        {profile.contact_points.map((point) => (
          <Typography.Text key={point.id}>
            {t(`contactType.${point.type}`)} {point.value}{" "}
            {point.is_primary && <Tag>{t("customer.primary")}</Tag>}
          </Typography.Text>
        ))}
      </Flex>
    </Flex>
  );
}

function BelongingFacts({ belonging }: { belonging: Belonging }) {
  const { t } = useTranslation();
  return (
    <Flex vertical gap={8}>
      {belonging.tier && (
        <Typography.Text>
          <Tag color="gold">{t(`tier.${belonging.tier.tier}`)}</Tag>
          {t("customer.monthlyAverage")} {formatRounded(belonging.tier.average, "CNY")}
          {belonging.tier.watch && <Tag color="orange">{t("customer.watch")}</Tag>}
        </Typography.Text>
      )}
      <Flex gap={4} wrap>
        {belonging.memberships.map((membership) => (
          <Permitted
            key={membership.segment_id}
            permission="segment:read"
            otherwise={<Tag color="blue">{membership.name}</Tag>}
          >
            <Link to="/segments/$segmentId" params={{ segmentId: membership.segment_id }}>
              <Tag color="blue">{membership.name}</Tag>
            </Link>
          </Permitted>
        ))}
      </Flex>
      {belonging.memberships.length === 0 && (
        <Typography.Text type="secondary">{t("customer.noSegments")}</Typography.Text>
      )}
    </Flex>
  );
}

function ComplaintList({ complaints }: { complaints: Complaints }) {
  const { t } = useTranslation();
  return (
    <Rows empty={t("complaint.noneOfCustomer")}>
      {complaints.items.map((complaint) => (
        <Flex key={complaint.complaint_id} gap={8} wrap align="center">
          <Link to="/complaints/$complaintId" params={{ complaintId: complaint.complaint_id }}>
            {complaint.complaint_number}
          </Link>
          <Tag color={COMPLAINT_COLORS[complaint.state]}>{t(`complaintState.${complaint.state}`)}</Tag>
          <DeadlineTag deadline={complaint.statutory} />
        </Flex>
      ))}
    </Rows>
  );
}

function CampaignList({ campaigns }: { campaigns: Campaigns }) {
  const { t } = useTranslation();
  return (
    <Rows empty={t("campaign.noneOfCustomer")}>
      {campaigns.items.map((campaign) => (
        <Flex key={campaign.campaign_id} gap={8} wrap align="center">
          <Link to="/campaigns/$campaignId" params={{ campaignId: campaign.campaign_id }}>
            {campaign.name}
          </Link>
          {campaign.reason && <Tag>{t(`reason.${campaign.reason}`)}</Tag>}
          {campaign.delivery_state && <Tag color="blue">{t(`deliveryState.${campaign.delivery_state}`)}</Tag>}
          {campaign.conversions > 0 && <Tag color="green">{t("funnel.converted")}</Tag>}
          <Typography.Text type="secondary">{formatInstant(campaign.decided_at)}</Typography.Text>
        </Flex>
      ))}
    </Rows>
  );
}

/** What the reader may see; a section that is closed to a role is not one that cannot be had. */
function Sections({ overview }: { overview: Overview }) {
  const { t } = useTranslation();
  return (
    <Row gutter={[16, 16]}>
      <Col xs={24} xl={14}>
        <Flex vertical gap={16}>
          <SectionCard title={t("customer.profile")} section={overview.profile}>
            {(profile) => <ProfileFacts profile={profile} />}
          </SectionCard>
          {overview.profile.data && <ConsentsCard profile={overview.profile.data} />}
          <SectionCard title={t("holding.title")} section={overview.holdings}>
            {(holdings) => <AccountsTable accounts={holdings.items} />}
          </SectionCard>
        </Flex>
      </Col>
      <Col xs={24} xl={10}>
        <Flex vertical gap={16}>
          <Permitted permission="segment:read">
            <SectionCard title={t("customer.belonging")} section={overview.segments}>
              {(belonging) => <BelongingFacts belonging={belonging} />}
            </SectionCard>
          </Permitted>
          <Permitted permission="complaint:read">
            <SectionCard title={t("rooms.complaints")} section={overview.complaints}>
              {(complaints) => <ComplaintList complaints={complaints} />}
            </SectionCard>
          </Permitted>
          <Permitted permission="campaign:read">
            <SectionCard title={t("rooms.campaigns")} section={overview.campaigns}>
              {(campaigns) => <CampaignList campaigns={campaigns} />}
            </SectionCard>
          </Permitted>
        </Flex>
      </Col>
    </Row>
  );
}

/** The customer 360: one call, a state per section, movements and the timeline beside it. */
export function CustomerPage() {
  const { customerId } = useParams({ from: "/inside/customers/$customerId" });
  const { t } = useTranslation();
  const overview = useOverview(customerId);
  if (overview.error) {
    return <ProblemAlert error={overview.error} onRetry={() => void overview.refetch()} />;
  }
  if (!overview.data) {
    return <PageSkeleton />;
  }
  const customer = overview.data.profile.data?.customer;
  return (
    <Page
      title={customer?.name ?? t("customer.title")}
      badge={
        customer && (
          <Tag color={customer.status === "active" ? "green" : "default"}>
            {t(`customerStatus.${customer.status}`)}
          </Tag>
        )
      }
      subtitle={customer?.customer_number}
      actions={
        <>
          <ComplaintIntake customerId={customerId} />
          <Reveal customerId={customerId} />
        </>
      }
    >
      {customer && customer.survivor_id !== customer.id && (
        <Alert
          type="info"
          showIcon
          title={
            <Link to="/customers/$customerId" params={{ customerId: customer.survivor_id }}>
              {t("customer.mergedInto")}
            </Link>
          }
        />
      )}
      <Tabs
        items={[
          { key: "sections", label: t("customer.overview"), children: <Sections overview={overview.data} /> },
          {
            key: "transactions",
            label: t("holding.transactions"),
            children: <TransactionsTable customerId={customerId} />,
          },
          {
            key: "timeline",
            label: t("timeline.title"),
            children: <CustomerTimeline customerId={customerId} />,
          },
        ]}
      />
    </Page>
  );
}
