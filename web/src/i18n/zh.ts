import { codes } from "./zh/codes";
import { pages } from "./zh/pages";

export const zh = { ...codes, ...pages };

export type Dictionary = typeof zh;
