// The page: the list of jobs, or with ?job=ID one job live.

import { showJobs } from "./jobs.js";
import { showJob } from "./job.js";

const THEMES = ["auto", "light", "dark"];

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = `Theme: ${theme}`;
}

function startTheme() {
  let theme = localStorage.getItem("theme") ?? "auto";
  if (!THEMES.includes(theme)) theme = "auto";
  applyTheme(theme);
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem("theme", theme);
    applyTheme(theme);
  });
}

startTheme();
const job = new URLSearchParams(location.search).get("job");
const main = document.getElementById("main");
if (job) showJob(main, job);
else showJobs(main);
