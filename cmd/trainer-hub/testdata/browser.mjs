// Uploads a package in headless Chromium to a hub that really proves and publishes it. When it is published it says so, and
// waits for a line with the metric of a job that was trained with it.
// Usage: node browser.mjs; the environment says where everything is (browser_test.go).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline/promises";

const { LINK, PACKAGE, PAGE_SHOTS, CHROMIUM, NODE_FOLDER } = process.env;
const require = createRequire(path.join(NODE_FOLDER, "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage({ viewport: { width: 1000, height: 800 } });
const has = (selector, hasText, timeout = 60_000) => tab.locator(selector, { hasText }).first().waitFor({ timeout });
const seen = new Set(); // the steps that were seen while they ran
const look = setInterval(async () => seen.add((await tab.locator("[role=status]").first().innerText().catch(() => "")).split(" ")[0]), 50);
try {
  await tab.goto(LINK);
  await tab.getByRole("button", { name: "Log in as operator" }).click();
  await tab.getByRole("button", { name: "Upload a trainer" }).click();
  await tab.getByLabel("Package (zip)").setInputFiles(PACKAGE);
  await has("dialog fieldset", "Version");
  await tab.getByRole("button", { name: "Upload", exact: true }).click();
  await has("h1", "cell-counter");
  await has(".steps", "training_test");
  await has(".card.passed h2", "passed", 240_000);
  assert.ok(seen.has("training_test") && seen.has("inference_test"), `seen while they ran: ${[...seen]}`);
  assert.ok(await tab.locator(".steps .mark.good").count() >= 6);
  assert.equal(await tab.locator(".steps .mark:not(.good)").count(), 0);
  const training = tab.locator(".steps > li", { hasText: "training_test" });
  await training.locator("summary").first().click();
  await training.locator(".log summary").click();
  await has(".log pre", "epoch");
  await tab.screenshot({ path: path.join(PAGE_SHOTS, "hub.png"), fullPage: true });
  await has("h1 .badge", "active");
  await tab.getByRole("link", { name: /Notifications/ }).click();
  await has("li", "cell-counter 0.1.0 is published");
  await tab.getByRole("link", { name: "Trainers", exact: true }).click();
  await tab.getByRole("searchbox", { name: "Search" }).fill("cell count");
  await tab.getByRole("combobox", { name: "Task" }).selectOption("Image classification");
  await has("[role=status]", "1 trainer found");
  await tab.locator(".shelf h2 a").click();
  await has("section", "The platform has told of none yet.");
  await has("section", "trainer-agent install cell-counter@0.1.0");
  const answer = createInterface({ input: process.stdin });
  console.log("published");
  const [metric] = await Promise.race([new Promise((resolve) => answer.once("line", (line) => resolve([line]))), new Promise((_, reject) => answer.once("close", () => reject(new Error("no training"))))]);
  answer.close();
  await tab.reload();
  await has("#trainings ~ dl", /Succeeded\s*1/);
  await has("#trainings ~ .scroll tbody tr", metric);
  await tab.evaluate(axe.source);
  const { violations } = await tab.evaluate(() => window.axe.run());
  assert.deepEqual(violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => [v.id, v.nodes[0].html]), []);
  await tab.screenshot({ path: path.join(PAGE_SHOTS, "hub-trainer.png"), fullPage: true });
} catch (error) {
  console.log(error.stack, await tab.locator("body").innerText().catch(() => ""));
  process.exitCode = 1;
} finally {
  clearInterval(look);
  await browser.close();
}
