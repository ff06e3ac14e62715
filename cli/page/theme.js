// @ts-check
// Light, dark, or as the system has it.
import { byId } from "./dom.js";

/** One row a theme: the next one's name on the button. */
const THEMES = /** @type {const} */ ({ system: "light", light: "dark", dark: "system" });

const stored = () => {
  const theme = localStorage.getItem("theme") ?? "system";
  return /** @type {keyof typeof THEMES} */ (Object.hasOwn(THEMES, theme) ? theme : "system");
};

/**
 * The button that changes the theme.
 * @param {() => void} onChange
 */
export function themeButton(onChange) {
  const button = byId("theme");
  const show = () => {
    const theme = stored();
    document.documentElement.dataset["theme"] = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    localStorage.setItem("theme", THEMES[stored()]);
    show();
    onChange();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}
