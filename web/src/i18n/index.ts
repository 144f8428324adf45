// Names of months and weekdays in the pickers of dates.
import "dayjs/locale/zh-cn";
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { zh } from "./zh";

export type Language = "zh" | "en";

const STORED = "kehu.language";

/** The language a person chose before, else the browser's, else Chinese. */
export function initialLanguage(stored: string | null, browser: string): Language {
  if (stored === "zh" || stored === "en") {
    return stored;
  }
  return browser.toLowerCase().startsWith("en") ? "en" : "zh";
}

export function currentLanguage(): Language {
  return i18next.language === "en" ? "en" : "zh";
}

export async function setLanguage(language: Language): Promise<void> {
  window.localStorage.setItem(STORED, language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  await i18next.changeLanguage(language);
}

export async function startI18n(): Promise<void> {
  const language = initialLanguage(window.localStorage.getItem(STORED), window.navigator.language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    resources: { zh: { translation: zh }, en: { translation: en } },
    interpolation: { escapeValue: false },
    returnNull: false,
  });
}
