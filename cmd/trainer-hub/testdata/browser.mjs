// Uploads a package in headless Chromium to a hub that really proves it.
// Usage: node browser.mjs; the environment says where everything is (browser_test.go).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const { LINK, PACKAGE, PAGE_SHOTS, CHROMIUM, NODE_FOLDER } = process.env;
const { chromium } = createRequire(path.join(NODE_FOLDER, "package.json"))("playwright-core");

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage({ viewport: { width: 1000, height: 800 } });
const has = (selector, hasText, timeout = 20_000) => tab.locator(selector, { hasText }).first().waitFor({ timeout });
const seen = new Set(); // the steps that were seen while they ran
const look = setInterval(async () => seen.add((await tab.locator("[role=status]").first().innerText().catch(() => "")).split(" ")[0]), 50);
try {
  await tab.goto(LINK);
  await tab.getByRole("button", { name: "Log in as operator" }).click();
  await tab.getByRole("button", { name: "Upload a trainer" }).click();
  await tab.getByLabel("Package (zip)").setInputFiles(PACKAGE);
  const dryRun = tab.getByLabel("Only prove it");
  await has("dialog fieldset", "Version");
  if (await dryRun.count()) await dryRun.check();
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
} catch (error) {
  console.log(error.stack, await tab.locator("body").innerText().catch(() => ""));
  process.exitCode = 1;
} finally {
  clearInterval(look);
  await browser.close();
}
