import { codes } from "./en/codes";
import { pages } from "./en/pages";
import type { Dictionary } from "./zh";

export const en: Dictionary = { ...codes, ...pages };
