// Drives the page in headless Chromium while it plays a job against the backend.
// Usage: node browser.mjs; the environment says where everything is (browser_test.go).

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const { PAGE_URL, PAGE_TOKEN, PAGE_SHOTS, CHROMIUM, NODE_FOLDER, REPORT } = process.env;
const require = createRequire(path.join(NODE_FOLDER, "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");
const WIDTHS = [320, 390, 768, 1240];

let sequence = 0;
const began = Date.now() - 60_000;

// post sends one callback of a job as the agent would.
async function post(job, kind, body, { token = PAGE_TOKEN, expect = 200, path: where = `/api/v1/jobs/${job}/${kind}` } = {}) {
  const response = await fetch(PAGE_URL + where, {
    method: "POST", body: JSON.stringify({ timestamp: new Date(began + ++sequence * 1000).toISOString(), ...body }),
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}`, "X-Trace-ID": "trace-42", "Idempotency-Key": `${job}:${sequence}` },
  });
  assert.equal(response.status, expect, await response.text());
}

const event = (job, event_type, message, data = {}) => post(job, "event", { event_type, message, data });

async function epoch(job, n) {
  const map = 0.62 * (1 - Math.exp(-n / 2.5));
  await post(job, "heartbeat", {
    epoch: n, progress: n * 10, metrics: { box_loss: 3 * Math.exp(-n / 3) + 0.6, cls_loss: 4 * Math.exp(-n / 2) + 0.5, "mAP50-95": map, mAP50: Math.min(1, map * 1.4), learning_rate: 0.005 },
    system: {
      gpus: [{ uuid: "GPU-1", index: 0, util_percent: 70 + n, mem_used_bytes: 4e9 + n * 1e8, mem_total_bytes: 16e9, temp_c: 50 + n, power_w: 180 + n }],
      cpu: { util_percent: 150, limit_cores: 2 }, memory: { used_bytes: 2e9 + n * 5e7, limit_bytes: 8e9 },
    },
  });
  await post(job, "validation", {
    epoch: n, task_type: "object_detection", primary_metric_name: "mAP50-95", primary_metric_value: map, metrics: { "mAP50-95": map },
    per_class_metrics: [{ class_id: 0, class_name: "circle", precision: 0.8, recall: 0.7, ap: 0.6, support: 20 }, { class_id: 1, class_name: "star", precision: 0.9, recall: 0.6, ap: 0.5, support: 11 }],
    confusion_matrix: [[18, 1, 1], [2, 8, 1], [3, 0, 0]], pr_curves: null, image_results_path: null, num_images_validated: 31, validation_time_seconds: 1.2,
  });
}

async function start(job) {
  await event(job, "agent_started", "trainer-agent started");
  await event(job, "dataset_downloaded", "240 images", { dataset_id: "shapes" });
  await event(job, "dataset_prepared", "192 train, 48 val");
  await event(job, "training_started", "python train.py");
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage({ viewport: { width: 1240, height: 900 } });
tab.setDefaultTimeout(60_000);
const complaints = [];
tab.on("console", (m) => m.type() === "error" && complaints.push(`${m.text()} ${m.location().url}`));
tab.on("pageerror", (e) => complaints.push(String(e)));
tab.on("request", (r) => !r.url().startsWith(PAGE_URL) && !r.url().startsWith("data:") && complaints.push(`asked another server: ${r.url()}`));
const shot = (name) => tab.screenshot({ path: path.join(PAGE_SHOTS, `${name}.png`), fullPage: true });
// serious are the findings of axe-core that keep people out.
async function serious(page) {
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 10, "axe-core has looked at the page");
  return violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")}`);
}

const text = (selector) => tab.locator(selector).innerText();
const has = (selector, wanted) => tab.locator(selector, { hasText: wanted }).first().waitFor();

const steps = {
  async "the list is empty, then shows a job by itself"() {
    await tab.goto(PAGE_URL);
    await has("main", "No callback has come yet");
    await event("demo", "agent_started", "trainer-agent started");
    await has("tbody tr", "demo");
    await has("tbody .badge", "running");
  },
  async "a job opens by keyboard"() {
    await tab.keyboard.press("Tab");
    assert.equal(await tab.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await tab.locator("tbody a").focus();
    await tab.keyboard.press("Enter");
    await has("h1", "demo");
  },
  async "curves, phases and samples grow while the job runs"() {
    await start("demo");
    await epoch("demo", 1);
    await has(".timeline li.open", "train");
    for (let n = 2; n <= 6; n++) await epoch("demo", n);
    await has("dd", "in epoch 6");
    for (const title of ["Losses", "Metrics", "Use of GPU and CPU", "Memory", "Temperature"]) {
      const points = await tab.locator(".chart", { hasText: title }).first().locator(".line circle").count();
      assert.ok(points >= 6, `${title}: ${points} points`);
    }
    assert.equal(await tab.locator(".chart", { hasText: "Losses" }).locator(".line path").count(), 2);
    await tab.locator(".samples .frame svg rect").first().waitFor({ state: "attached" });
    assert.equal(await tab.locator(".samples figure").count(), 4);
    const drawn = await tab.locator(".samples img").evaluateAll((list) => list.filter((i) => i.naturalWidth > 0).length);
    assert.equal(drawn, 4, "every sample image is there");
    await has("#validation caption", "epoch 6");
  },
  async "a curve is read by hover and by arrow keys"() {
    const chart = tab.locator(".chart", { hasText: "Losses" });
    await chart.locator("svg").hover({ position: { x: 60, y: 60 } });
    await has(".chart .readout", "epoch 1: box_loss");
    await chart.locator("svg").focus();
    await tab.mouse.move(0, 0);
    await tab.keyboard.press("End");
    await has(".chart .readout", "epoch 6: box_loss 1.006");
    await tab.keyboard.press("ArrowLeft");
    await has(".chart .readout", "epoch 5: box_loss");
    await chart.getByRole("button", { name: "cls_loss" }).press("Enter");
    assert.equal(await chart.locator(".line path").count(), 1, "a hidden series is not drawn");
    assert.equal(await chart.getByRole("button", { name: "cls_loss" }).getAttribute("aria-pressed"), "false");
    await chart.getByRole("button", { name: "cls_loss" }).press("Enter");
  },
  async "a checkpoint is listed and downloads"() {
    await event("demo", "checkpoint_saved", "best.pt", {
      checkpoint_path: "s3://vision-platform/checkpoints/job-demo/best.pt", epoch: 6, metrics: { "mAP50-95": 0.56 }, is_best: true, size_bytes: 11, sha256: "ab".repeat(32),
    });
    await has("#checkpoints tr", "best.pt");
    const [download] = await Promise.all([tab.waitForEvent("download"), tab.getByRole("link", { name: "download best.pt" }).click()]);
    assert.equal(download.suggestedFilename(), "best.pt");
  },
  async "the log is there and can be searched by keyboard"() {
    await has("#log pre", "Epoch 3/6");
    await tab.locator("h1").click();
    await tab.keyboard.press("/");
    await tab.keyboard.type("epoch");
    await has("#log output", "1 of 6");
    await tab.keyboard.press("Enter");
    await has("#log output", "2 of 6");
    await tab.keyboard.press("Escape");
    assert.equal(await tab.locator("#log mark").count(), 0);
  },
  async "refused and broken callbacks stand out"() {
    await tab.getByLabel("Show").selectOption({ index: 2 });
    assert.equal(await tab.locator("#events tbody tr:visible").count(), 0);
    await post("demo", "event", { event_type: "", message: "", data: {} }, { expect: 422 });
    await has("#events tr.odd", "refused: event_type");
    await tab.getByLabel("Show").selectOption({ index: 0 });
  },
  async "success ends the job"() {
    await event("demo", "training_finished", "exit status 0");
    await post("demo", "done", { status: "succeeded", final_metrics: { "mAP50-95": 0.56 }, checkpoint_path: null, error_message: null });
    await has("h1 .badge", "succeeded");
    assert.ok((await text(".timeline")).includes("finish"));
    await shot("job-light");
  },
  async "dark is a button away and is remembered"() {
    await tab.locator("#theme").click();
    await tab.locator("#theme").click();
    const background = () => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await background(), "rgb(20, 23, 28)");
    await tab.reload();
    await has("h1 .badge", "succeeded");
    assert.equal(await background(), "rgb(20, 23, 28)");
    await tab.locator(".samples .frame svg").first().waitFor({ state: "attached" });
    await shot("job-dark");
    await tab.locator("#theme").click();
  },
  async "a telephone's window needs no scrolling sideways"() {
    await tab.setViewportSize({ width: 390, height: 844 });
    const fits = async (what) => {
      const [wide, window] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= window, `${what} is ${wide} pixels wide in a window of ${window}`);
    };
    await tab.locator(".samples .frame svg").first().waitFor({ state: "attached" });
    await shot("job-narrow");
    await fits("a job");
    await tab.goto(PAGE_URL);
    await has("tbody tr", "demo");
    await shot("jobs-narrow");
    await fits("the list of jobs");
    await tab.setViewportSize({ width: 1240, height: 900 });
  },
  async "a test run shows its metrics, its tables and its files"() {
    await event("tested", "agent_started", "trainer-agent started");
    await tab.goto(`${PAGE_URL}/?job=tested`);
    await has("h1 .badge", "running");
    await post("tested", "done", {
      status: "succeeded", overall_metrics: { "mAP50-95": 0.61, ece: 0.04 }, confusion_matrix: [[18, 1, 1], [2, 8, 1], [3, 0, 0]], pr_curves: {},
      per_class_metrics: [{ class_id: 0, class_name: "circle", precision: 0.8, recall: 0.7, ap: 0.6, support: 20 }, { class_id: 1, class_name: "star", precision: 0.9, recall: 0.6, ap: 0.5, support: 11 }],
      results_path: "s3://vision-platform/test-runs/tested/results.json", visualizations_path: null, xai_results_path: null, error_message: null,
    }, { path: "/api/v1/test-runs/tested/done" });
    await has("#results dt", "mAP50-95");
    await has("#results .confusion th", "background");
    await has("#results th", "results.json");
    await has("#results th", "visualizations/ (2 files)");
    await shot("test-run");
  },
  async "whatever scrolls can be reached by keyboard, and every column has a name"() {
    await tab.setViewportSize({ width: 320, height: 640 });
    for (const place of ["/?job=tested", "/?job=demo", "/"]) {
      await tab.goto(PAGE_URL + place);
      await has(place === "/" ? "tbody th" : "h1", place === "/" ? "demo" : place.split("=")[1]);
      if (place.endsWith("tested")) await has("#results th", "results.json");
      const found = await tab.evaluate(() => {
        const shown = [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility());
        const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflow) && (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight);
        return [...shown.filter((e) => scrolls(e) && e.tabIndex < 0).map((e) => `cannot be focused: ${e.outerHTML.slice(0, 80)}`),
          ...shown.filter((e) => e.matches("th, thead td") && !e.textContent.trim()).map((e) => `has no name: ${e.closest("table").outerHTML.slice(0, 80)}`)];
      });
      assert.deepEqual(found, [], place);
    }
    await tab.setViewportSize({ width: 1240, height: 900 });
  },
  async "axe-core has nothing serious to say at any width"() {
    for (const place of ["/?job=tested", "/?job=demo", "/"]) {
      await tab.goto(PAGE_URL + place);
      await has(place === "/" ? "tbody th" : "h1", place === "/" ? "demo" : place.split("=")[1]);
      if (place.endsWith("tested")) await has("#results th", "results.json");
      if (place.endsWith("demo")) await tab.locator(".samples .frame svg").first().waitFor({ state: "attached" });
      for (const width of WIDTHS) {
        await tab.setViewportSize({ width, height: 900 });
        assert.deepEqual(await serious(tab), [], `${place} at ${width} pixels`);
      }
    }
    for (let theme = 0; theme < 3; theme++) {
      await tab.locator("#theme").click();
      assert.deepEqual(await serious(tab), [], `theme ${await text("#theme")}`);
    }
  },
  async "the report of a test run needs no server, and axe-core has nothing serious to say of it"() {
    const report = await browser.newPage();
    const asked = [];
    report.on("request", (r) => !r.url().startsWith("file:") && asked.push(r.url()));
    report.on("pageerror", (e) => asked.push(String(e)));
    await report.goto(pathToFileURL(REPORT).href);
    for (const width of WIDTHS) {
      await report.setViewportSize({ width, height: 900 });
      assert.deepEqual(await serious(report), [], `the report at ${width} pixels`);
      const [wide, window] = await report.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= window, `the report is ${wide} pixels wide in a window of ${window}`);
    }
    const drawn = await report.locator("img").evaluateAll((list) => Promise.all(list.map(async (i) => { i.loading = "eager"; await i.decode(); return i.naturalWidth; })));
    assert.deepEqual(drawn, Array(11).fill(100), "every drawing is there");
    await report.screenshot({ path: path.join(PAGE_SHOTS, "report.png"), fullPage: true });
    await report.close();
    assert.deepEqual(asked, []);
  },
  async "a failure shows its card"() {
    await start("broken");
    await tab.goto(`${PAGE_URL}/?job=broken`);
    await has("h1 .badge", "running");
    const message = "Out of GPU memory. Try reducing batch_size.";
    await post("broken", "done", {
      status: "failed", final_metrics: {}, checkpoint_path: null, error_message: message, exit_code: 1,
      error: { type: "user_error", code: "CUDA_OOM", message, hint: "BATCH_SIZE is 64.", retryable: false, evidence: ["torch.OutOfMemoryError: CUDA out of memory", "<script>alert(1)</script>"] },
    });
    await has("#failure h2", "CUDA_OOM");
    await has("#failure .hint", "BATCH_SIZE is 64.");
    await has("#failure pre", "<script>alert(1)</script>");
    await has("#failure", "exit code 1");
    await has(".timeline li.failed", "train");
    await shot("failure");
    await post("brief", "done", { status: "failed", final_metrics: {}, checkpoint_path: null, error_message: "It broke." });
    await tab.goto(`${PAGE_URL}/?job=brief`);
    await has("#failure .message", "It broke.");
    assert.ok(!(await text("#failure")).includes("null"), "a failure without a hint says null");
  },
  async "a job that nobody knows is waited for"() {
    await tab.goto(`${PAGE_URL}/?job=nobody`);
    await has("main", "No callback of nobody has come yet");
    await event("nobody", "agent_started", "at last");
    await has("h1", "nobody");
  },
  async "a fault is armed and disarmed by hand"() {
    await tab.goto(PAGE_URL);
    await tab.locator("#faults summary").click();
    await tab.getByLabel("How often").fill("2");
    await tab.getByRole("button", { name: "Arm" }).click();
    await has("#faults li", '"status":503');
    await post("demo", "event", { event_type: "x", message: "", data: {} }, { expect: 503 });
    await tab.getByRole("button", { name: "Disarm" }).click();
    await tab.locator("#faults li").waitFor({ state: "detached" });
    await post("demo", "event", { event_type: "x", message: "", data: {} });
    await shot("jobs");
  },
  async "a sandbox that is gone is said to be gone"() {
    assert.deepEqual(complaints, [], "errors in the browser's console");
    assert.ok(await tab.locator("#offline").isHidden());
    await fetch(`${PAGE_URL}/test/stop`, { method: "POST" }).catch(() => {});
    await tab.locator("#offline").waitFor({ state: "visible" });
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED: ${name}\n${error.stack}`);
    await shot(`failed-${failed}`).catch(() => {});
    break; // the steps build on each other
  }
}
if (complaints.length && failed) console.log(complaints.join("\n"));
await browser.close();
process.exit(failed ? 1 : 0);
