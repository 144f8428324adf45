import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Flex, Select, Switch, type TableColumnsType, Tag, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { useSession } from "../../app/session";
import { formatInstant } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { useStoredState } from "../../shared/stored-state";
import { useCategoryTitle } from "./categories";
import { COMPLAINT_COLORS } from "./colors";
import { type Deadline, DeadlineTag } from "./deadline";
import { ComplaintIntake } from "./intake";

type Complaint = Item<"/api/v1/complaints">;
type State = Complaint["state"];

const STATES: readonly State[] = [
  "received",
  "accepted",
  "investigating",
  "paused",
  "decided",
  "notified",
  "in_review",
  "closed",
  "withdrawn",
  "not_a_complaint",
];

interface Filters {
  state: State | null;
  mine: boolean;
  overdue: boolean;
}

function useQueue(filters: Filters) {
  return useInfiniteQuery({
    queryKey: ["complaints", filters],
    initialPageParam: undefined as string | undefined,
    refetchInterval: 15_000,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/complaints", {
          params: {
            query: {
              state: filters.state ?? undefined,
              mine: filters.mine || undefined,
              overdue: filters.overdue || undefined,
              cursor: pageParam,
            },
          },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
}

function useColumns(): TableColumnsType<Complaint> {
  const { t } = useTranslation();
  const categoryTitle = useCategoryTitle();
  return [
    {
      title: t("complaint.number"),
      dataIndex: "complaint_number",
      render: (number: string, row) => (
        <Link to="/complaints/$complaintId" params={{ complaintId: row.complaint_id }}>
          {number}
        </Link>
      ),
    },
    {
      title: t("complaint.state"),
      dataIndex: "state",
      render: (state: State) => <Tag color={COMPLAINT_COLORS[state]}>{t(`complaintState.${state}`)}</Tag>,
    },
    {
      title: t("complaint.statutory"),
      dataIndex: "statutory",
      render: (deadline: Deadline | null) => <DeadlineTag deadline={deadline} brief />,
    },
    {
      title: t("complaint.internal"),
      dataIndex: "internal",
      render: (deadline: Deadline | null) => <DeadlineTag deadline={deadline} brief />,
    },
    { title: t("complaint.category"), dataIndex: "category", render: categoryTitle },
    { title: t("complaint.kind"), dataIndex: "kind", render: (kind: string) => t(`complaintKind.${kind}`) },
    { title: t("complaint.receivedAt"), dataIndex: "received_at", render: formatInstant },
  ];
}

/** The queue of complaints, the next statutory deadline first. */
export function ComplaintsPage() {
  const { t } = useTranslation();
  const isStaff = useSession().staff_id !== null;
  const [filters, setFilters] = useStoredState<Filters>("complaints.filters", {
    state: null,
    mine: false,
    overdue: false,
  });
  return (
    <Page title={t("rooms.complaints")} subtitle={t("complaint.subtitle")} actions={<ComplaintIntake />}>
      <Flex gap={16} wrap align="center">
        <Select<State | "all">
          aria-label={t("complaint.state")}
          value={filters.state ?? "all"}
          style={{ minWidth: 160 }}
          options={[
            { value: "all", label: t("list.all") },
            ...STATES.map((state) => ({ value: state, label: t(`complaintState.${state}`) })),
          ]}
          onChange={(state) => setFilters({ ...filters, state: state === "all" ? null : state })}
        />
        {isStaff && (
          <Flex gap={6} align="center">
            <Switch
              aria-label={t("complaint.mine")}
              checked={filters.mine}
              onChange={(mine) => setFilters({ ...filters, mine })}
            />
            <Typography.Text>{t("complaint.mine")}</Typography.Text>
          </Flex>
        )}
        <Flex gap={6} align="center">
          <Switch
            aria-label={t("complaint.overdue")}
            checked={filters.overdue}
            onChange={(overdue) => setFilters({ ...filters, overdue })}
          />
          <Typography.Text>{t("complaint.overdue")}</Typography.Text>
        </Flex>
      </Flex>
      <Listing
        pages={useQueue(filters)}
        columns={useColumns()}
        rowKey="complaint_id"
        label={t("rooms.complaints")}
        empty={t("complaint.none")}
      />
    </Page>
  );
}
