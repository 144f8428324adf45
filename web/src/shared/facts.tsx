import { Descriptions } from "antd";
import type { ReactNode } from "react";

/** Labelled values, two (three on a very wide screen) beside each other on a wide screen, one below the other on a phone. */
export function Facts({ items }: { items: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <Descriptions
      size="small"
      column={{ xs: 1, sm: 2, xxl: 3 }}
      items={items.map(([label, value]) => ({ key: label, label, children: value ?? "–" }))}
    />
  );
}
