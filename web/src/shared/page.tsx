import { Flex, Typography } from "antd";
import type { ReactNode } from "react";

/** A page: its title with the state of what it shows, what can be done on it, and its content. */
export function Page({
  title,
  badge,
  subtitle,
  actions,
  children,
}: {
  title: ReactNode;
  badge?: ReactNode;
  subtitle?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="flex-start" gap={12} wrap>
        <div>
          <Flex align="center" gap={8} wrap>
            <Typography.Title level={1} style={{ fontSize: 24, margin: 0 }}>
              {title}
            </Typography.Title>
            {badge}
          </Flex>
          {subtitle && <Typography.Text type="secondary">{subtitle}</Typography.Text>}
        </div>
        {actions && (
          <Flex gap={8} wrap>
            {actions}
          </Flex>
        )}
      </Flex>
      {children}
    </Flex>
  );
}
