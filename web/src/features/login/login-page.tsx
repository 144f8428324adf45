import { Button, Flex, Segmented } from "antd";
import { useTranslation } from "react-i18next";
import { loginAddress } from "../../app/session";
import { currentLanguage, type Language, setLanguage } from "../../i18n";

/** What someone sees who is not logged in; the log-in itself is the issuer's page. */
export function LoginPage() {
  const { t } = useTranslation();
  return (
    <Flex
      component="main"
      align="center"
      justify="center"
      style={{ boxSizing: "border-box", minHeight: "100vh", padding: 16 }}
    >
      <section className="panel" style={{ width: "100%", maxWidth: 420 }}>
        <Flex vertical gap={20}>
          <Flex align="center" gap={12}>
            <img src="/favicon.svg" alt="" width={40} height={40} />
            <div>
              <h1 style={{ fontSize: 22, lineHeight: 1.3, margin: 0 }}>Kehu 客户</h1>
              <span className="secondary">{t("login.subtitle")}</span>
            </div>
          </Flex>
          <Button type="primary" size="large" block href={loginAddress(window.location.pathname)}>
            {t("login.enter")}
          </Button>
          <Segmented<Language>
            aria-label={t("shell.language")}
            block
            value={currentLanguage()}
            options={[
              { label: "中文", value: "zh" },
              { label: "English", value: "en" },
            ]}
            onChange={(language) => void setLanguage(language)}
          />
        </Flex>
      </section>
    </Flex>
  );
}
