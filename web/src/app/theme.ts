import type { ThemeConfig } from "antd";

/**
 * Tags write in these shades on a tint of the same colour; antd's own are too pale to read. Each stands under both of
 * its names, since antd makes one CSS variable from the two.
 */
const TAG_SHADES = {
  green7: "#2b6e14",
  "green-7": "#2b6e14",
  orange7: "#94480a",
  "orange-7": "#94480a",
  gold7: "#7a5500",
  "gold-7": "#7a5500",
  cyan7: "#06686d",
  "cyan-7": "#06686d",
};

/** Deep blue on warm grey; contrasts hold WCAG 2.1 AA at every text size. */
export const theme: ThemeConfig = {
  token: {
    // Whoever has asked the system for less movement sees windows appear at once (WCAG 2.3.3).
    motion: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    colorPrimary: "#0f4c81",
    colorLink: "#0f4c81",
    colorTextSecondary: "#4a5560",
    colorTextTertiary: "#5b6670",
    colorTextPlaceholder: "#667079",
    colorBgLayout: "#f3f5f7",
    ...TAG_SHADES,
    borderRadius: 6,
    fontFamily: '"Inter", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", system-ui, sans-serif',
  },
  components: {
    Layout: { headerBg: "#ffffff", siderBg: "#0b2f52" },
    Menu: { darkItemBg: "#0b2f52", darkItemSelectedBg: "#0f4c81", darkItemColor: "#d6e0ea" },
  },
};
