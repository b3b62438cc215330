// Light or dark: as the system has it, until the reader chooses. Loaded first, so that nothing flashes.
"use strict";
{
  const chosen = () => {
    try { return localStorage.getItem("theme"); } catch { return null; } // storage may be switched off
  };
  const dark = () =>
    (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "")) === "dark";
  const before = chosen();
  if (before === "dark" || before === "light") document.documentElement.dataset.theme = before;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.addEventListener("click", () => {
      const next = dark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try { localStorage.setItem("theme", next); } catch { /* it then holds for this page */ }
      say();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
    say();
    button.hidden = false;
  });
}
