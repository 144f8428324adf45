import { useQuery } from "@tanstack/react-query";
import { Empty, Select, Spin } from "antd";
import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";

/** Finds a customer by name, pinyin, initials or number, as the field of a form. */
export function CustomerPicker({
  id,
  value,
  onChange,
}: {
  id?: string;
  value?: string | null;
  onChange?: (customerId: string | null) => void;
}) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const q = useDeferredValue(typed.trim());
  const found = useQuery({
    queryKey: ["customer-picker", q],
    enabled: q !== "",
    queryFn: async ({ signal }) =>
      bodyOf(await api.GET("/api/v1/customers", { params: { query: { q, limit: 20 } }, signal })).items,
  });
  return (
    <Select<string>
      id={id}
      allowClear
      showSearch={{ filterOption: false, onSearch: setTyped }}
      placeholder={t("customer.search")}
      value={value ?? undefined}
      onChange={(customerId) => onChange?.(customerId ?? null)}
      notFoundContent={
        found.isFetching ? (
          <Spin size="small" />
        ) : (
          <Empty
            image={Empty.PRESENTED_IMAGE_SIMPLE}
            description={t(q === "" ? "customer.typeToFind" : "customer.none")}
          />
        )
      }
      options={(found.data ?? []).map((customer) => ({
        value: customer.id,
        label: `${customer.name} · ${customer.customer_number}`,
      }))}
    />
  );
}
