// Drives the hub's page in headless Chromium while the stages do what this script says.
// Usage: node browser.mjs; the environment says where everything is (browser_test.go).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { appeals } from "./appeals.mjs";

const { PAGE_URL, CONTROL_URL, PAGE_SHOTS, CHROMIUM, NODE_FOLDER, PACKAGES } = process.env;
const require = createRequire(path.join(NODE_FOLDER, "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");
const WIDTHS = [320, 390, 768, 1240];
// What a stranger's package may say of itself: markup, a script, an end of the page's own, text that turns around.
const HOSTILE = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}\u202egpj.exe`;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1240, height: 900 } });
const complaints = [];
const tab = await open();

async function open() {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  // An answer that refuses something is in the console as well; what the page makes of it is looked at below.
  page.on("console", (m) => m.type() === "error" && !m.text().startsWith("Failed to load resource") && complaints.push(`${m.text()} ${m.location().url}`));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(PAGE_URL) && complaints.push(`asked another server: ${r.url()}`));
  page.on("dialog", (d) => { complaints.push(`a dialog: ${d.message()}`); void d.dismiss(); });
  return page;
}

const control = async (where, body) => {
  const response = await fetch(`${CONTROL_URL}/${where}`, { method: "POST", body: body && JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.text();
};
const step = (command) => control("step", command);
const report = (name, more = {}) => step({ Report: { name, status: "passed", seconds: 1.25, findings: [], ...more } });
const link = async (user, role = "author") => PAGE_URL + (await control(`login?user=${user}&role=${role}`));
const login = async (page, user = "ann", role = "author") => {
  await page.goto(await link(user, role));
  await button(`Log in as ${user}`, page).click();
  await has("h1", "My submissions", page);
};
const file = (name) => path.join(PACKAGES, name);
const has = (selector, wanted, page = tab) => page.locator(selector, { hasText: wanted }).first().waitFor();
const gone = (selector, page = tab) => page.locator(selector).first().waitFor({ state: "detached" });
const shot = (name, page = tab) => page.screenshot({ path: path.join(PAGE_SHOTS, `hub-${name}.png`), fullPage: true });
const button = (name, page = tab) => page.getByRole("button", { name, exact: true });
const ask = (where) => tab.evaluate(async (w) => (await fetch(w)).json(), where);
const submissions = () => ask("/api/v1/trainers/validation");

/** choose opens the dialog, chooses a package, and waits for what it says of itself. */
async function choose(name, page = tab) {
  if (!(await page.locator("dialog").isVisible())) await button("Upload a trainer", page).click();
  await page.getByLabel("Package (zip)").setInputFiles(file(name));
}

/** looked checks one place: nothing serious at any width, in light and dark, and nothing wider than the window. */
async function looked(what) {
  for (const scheme of ["light", "dark"]) {
    await tab.emulateMedia({ colorScheme: scheme });
    for (const width of scheme === "light" ? WIDTHS : [1240]) {
      await tab.setViewportSize({ width, height: 900 });
      await tab.evaluate(axe.source);
      const { violations, passes } = await tab.evaluate(() => window.axe.run());
      assert.ok(passes.length > 5, "axe-core has looked at the page");
      const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")}`);
      assert.deepEqual(serious, [], `${what}, ${width} pixels, ${scheme}`);
      const [wide, window_] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= window_, `${what} is ${wide} pixels wide in a window of ${window_}`);
      if (width === 320) await shot(`${what}-narrow`);
    }
  }
  await shot(`${what}-dark`);
  await tab.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  assert.deepEqual(await moving(), [], `${what} moves for who wants nothing to move`);
  await tab.emulateMedia({ reducedMotion: "no-preference" });
  await tab.setViewportSize({ width: 1240, height: 900 });
}

/** moving is what moves by itself, would when it changes, or does when something is scrolled to. */
const moving = () => tab.evaluate(() => {
  const smooth = [...document.querySelectorAll("*")].filter((e) => getComputedStyle(e).scrollBehavior === "smooth" || getComputedStyle(e).transitionDuration.split(", ").some((d) => d !== "0s"));
  return [...document.getAnimations().map((a) => a.animationName ?? a.constructor.name), ...smooth.map((e) => e.outerHTML.slice(0, 80))];
});

const steps = {
  async "nobody is let in, and told how to get in"() {
    for (const [place, why] of [["/login?code=guess", "older than 15 minutes"], ["/?login=domain", "not open to your account"], ["/?login=constructor", "did not work"]]) {
      await tab.goto(PAGE_URL + place);
      await has("[role=alert]", why);
    }
    await tab.route("**/api/v1/about", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), login: "the lab" } });
    });
    await tab.goto(`${PAGE_URL}/?submission=7`);
    assert.equal(await tab.getByRole("link", { name: "Log in with the lab" }).getAttribute("href"), "/login/oidc?to=%2F%3Fsubmission%3D7");
    await tab.unroute("**/api/v1/about");
    await tab.goto(PAGE_URL);
    await has("h1", "Log in");
    await has("main", "trainer-hub link NAME");
    await looked("login");
    const mine = await link("ann");
    for (let n = 0; n < 2; n++) await tab.goto(mine); // whoever looks at a link does not use it up
    await has("main", "logs this browser in as ann");
    await looked("login-link");
    await button("Log in as ann").click();
    await has("h1", "My submissions");
    await tab.goto(mine);
    await has("main", "There are none yet"); // who is in stays in
    assert.equal(await tab.locator("nav", { hasText: "Audit log" }).count(), 0, "an author sees no audit log");
  },
  async "the upload is opened and left by keyboard"() {
    await tab.keyboard.press("Tab");
    assert.equal(await tab.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await button("Upload a trainer").focus();
    await tab.keyboard.press("Enter");
    await has("dialog h2", "Upload a trainer");
    assert.ok(await tab.evaluate(() => document.querySelector("dialog").contains(document.activeElement)), "the focus is in the dialog");
    await tab.keyboard.press("Escape");
    await gone("dialog");
    assert.equal(await tab.evaluate(() => document.activeElement.textContent), "Upload a trainer", "the focus is where it was");
  },
  async "what cannot be taken is named before it is sent"() {
    for (const [name, why] of [["text.zip", "It is no zip"], ["none.zip", "capabilities.json is missing"], ["bomb.zip", "has more than 1048576 bytes"], ["huge.zip", "this hub takes 1.0 MiB"]]) {
      await choose(name);
      await has("dialog [role=alert]", why);
      assert.ok(await button("Upload").isDisabled(), name);
    }
  },
  async "the form is filled from the package, and the hub has the last word"() {
    await choose("wrong.zip");
    assert.equal(await tab.getByLabel("Name", { exact: true }).inputValue(), "Not <b>a</b> name");
    await button("Upload").click();
    await has("dialog [role=alert]", "is no trainer name");
    await looked("upload-refused");
    await choose("cells.zip");
    await tab.waitForFunction(() => document.querySelector("dialog fieldset input")?.value === "cell-counter");
    for (const [label, value] of [["Name", "cell-counter"], ["Version", "1.2.0"], ["Display name", "Cell counter"], ["Description", "Counts cells."]]) {
      assert.equal(await tab.getByRole("textbox", { name: label, exact: true }).inputValue(), value);
    }
    assert.equal(await tab.locator("dialog [role=alert]").count(), 0, "what was wrong with another package is gone");
    await tab.getByLabel("Description").fill(HOSTILE);
    await shot("upload");
  },
  async "an upload becomes a submission whose steps are seen as they are taken"() {
    await button("Upload").click();
    await has("h1", "cell-counter");
    await has("h1 .badge", "scanning");
    await has(".way [aria-current]", "scanning");
    await step({ Begin: "security" });
    await has(".steps .line", "security running");
    await report("security", { seconds: 61, findings: [
      { rule: "secret.aws-key", severity: "warning", file: `cells/${HOSTILE}.py`, line: 12, text: HOSTILE, fix: HOSTILE }], log: `${HOSTILE}\n\u001b[31mred\u001b[0m\nbar 10 %\rbar 100 %\n${"x".repeat(16_000)}` });
    await has(".steps summary", "1 min 1 s");
    await step({ Done: true });
    await has("h1 .badge", "testing");
    await step({ Begin: "training_test" });
    await has("[role=status]", "training_test is running");
    await has(".steps li", "inference_test waiting");
    await has(".steps .line .n", /^[1-9]\.0 s$/); // it counts by itself
  },
  async "what a step writes is seen while it runs, and its end is followed"() {
    await tab.locator(".steps summary", { hasText: "training_test" }).click();
    await tab.locator(".log summary").last().click();
    await has(".log pre", "Nothing was written yet");
    await step({ Write: "epoch 1 of 90\n" });
    await has(".log pre", "epoch 1 of 90");
    await step({ Write: Array.from({ length: 80 }, (_, n) => `epoch ${n + 2} of 90\n`).join("") });
    await has(".log pre", "epoch 81 of 90");
    await tab.waitForFunction(() => { const log = document.querySelector(".log .scroll"); return log.scrollHeight > log.clientHeight && log.scrollHeight - log.scrollTop - log.clientHeight < 40; });
    await tab.locator(".log .scroll").evaluate((log) => log.scrollTo(0, 0));
    await step({ Write: "epoch 82 of 90\n" });
    await has(".log pre", "epoch 82 of 90");
    assert.equal(await tab.locator(".log .scroll").evaluate((log) => log.scrollTop), 0, "who has scrolled up stays there");
    await tab.locator(".steps summary", { hasText: "training_test" }).click();
  },
  async "what a package says is shown as text and as nothing else"() {
    await tab.locator(".steps summary", { hasText: "security" }).click();
    await has(".findings .where", ":12");
    await tab.locator(".log summary").first().click();
    await has(".log pre", "bar 100 %");
    const log = await tab.locator(".log pre").first().innerText();
    assert.ok(log.includes("window.hacked=1") && log.includes("\nred\n") && !log.includes("bar 10 %"), log.slice(0, 400));
    assert.equal(await tab.evaluate(() => window.hacked), undefined);
    assert.equal(await tab.locator("main img, main script").count(), 0);
    const where = await tab.locator(".findings .where").innerText();
    assert.ok(where.includes("\\u202egpj.exe.py") && !where.includes("\u202e"), `what turns text around is seen: ${where}`);
    for (const media of ["/log", "/events", ""]) {
      const got = await tab.evaluate(async (m) => { const r = await fetch(`/api/v1/trainers/validation/${new URLSearchParams(location.search).get("submission")}${m}`, { signal: AbortSignal.timeout(30_000) }); return [r.headers.get("Content-Type"), r.headers.get("X-Content-Type-Options")]; }, media);
      assert.ok(!got[0].includes("html") && got[1] === "nosniff", `${media}: ${got}`);
    }
    await looked("running");
    assert.deepEqual(await moving(), ["turn"], "something does move for all others");
  },
  async "a line that breaks is found again, and nothing is missed"() {
    await control("cut");
    await report("training_test", { facts: { models_validated: 3, isolation: "namespaces" } });
    await has(".steps summary", "training_test");
    await control("away?is=true");
    await has("main", "Connecting to the hub");
    await step({ Begin: "inference_test" });
    await control("away?is=false");
    await has(".steps .line", "inference_test running");
    await gone(".said.quiet");
    assert.equal(await tab.locator("[role=alert]").count(), 0, "what was wrong is over");
  },
  async "a state of the future is shown as the hub says it"() {
    const second = await open();
    await second.route(/\/validation\/[^/]+$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), state: "reviewing" } });
    });
    await second.goto(tab.url());
    await has("h1 .badge", "reviewing", second);
    await has(".way [aria-current]", "reviewing", second);
    await second.close();
  },
  async "seven tabs that nobody looks at take no line from the one that is"() {
    const streams = new Set();
    const tabs = [];
    for (let n = 0; n < 7; n++) {
      const page = await open();
      page.on("request", (r) => r.url().endsWith("/events") && streams.add(r));
      for (const end of ["requestfailed", "requestfinished"]) page.on(end, (r) => streams.delete(r));
      await page.addInitScript(() => Object.defineProperty(document, "visibilityState", { get: () => window.hiddenTab ?? "hidden" }));
      await page.goto(tab.url());
      await has("h1", "cell-counter", page);
      tabs.push(page);
    }
    assert.equal(streams.size, 0);
    await tabs[0].evaluate(() => { window.hiddenTab = "visible"; document.dispatchEvent(new Event("visibilitychange")); });
    await has(".steps .line", "inference_test running", tabs[0]);
    assert.equal(streams.size, 1);
    await tabs[0].evaluate(() => { window.hiddenTab = "hidden"; document.dispatchEvent(new Event("visibilitychange")); });
    await Promise.all(tabs.map((page) => page.close()));
  },
  async "addresses that strangers make lead nowhere"() {
    const second = await open();
    for (const place of ["?submission=..%2f..%2fme", "?submission=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E", "?submission=..", "?page=__proto__", "?page=constructor"]) {
      await second.goto(`${PAGE_URL}/${place}`);
      await has("h1", "My submissions", second);
    }
    await second.goto(`${PAGE_URL}/?submission=nobody`);
    await has("[role=alert]", "no such submission", second);
    await second.close();
    const broken = await context.newPage(); // what is wrong is in its console as well
    await broken.route(/\/validation\/[^/]+$/, (route) => route.fulfill({ json: { status: "validating" } }));
    await broken.goto(tab.url());
    await has("[role=alert]", "a bug of its own", broken);
    await broken.close();
  },
  async "a rejection says what is wrong and where"() {
    await report("inference_test", { status: "failed", findings: [{ rule: "inference.invalid", severity: "error", file: "cells/predict.py", line: 40, text: "a box lies outside of its image", fix: "clip boxes to the image" }], log: "Traceback (most recent call last):\n" });
    await step({ Reject: "not passed: inference_test; the findings say why" });
    await has("h1 .badge", "rejected");
    await has(".said.bad", "not passed: inference_test");
    assert.equal(await button("Upload a corrected package").count(), 1);
    await has(".findings li.error .where", "cells/predict.py:40");
    await has(".findings li.error", "clip boxes to the image");
    await looked("rejected");
  },
  async "a second tab tries it again, and this one sees it"() {
    const second = await open();
    await second.goto(tab.url());
    await button("Try again", second).click();
    await has("h1 .badge", "scanning", second);
    await second.close();
    await tab.bringToFront();
    await tab.evaluate(() => window.dispatchEvent(new Event("focus")));
    await has("h1 .badge", "scanning");
    assert.equal(await tab.locator(".findings").count(), 0, "the findings are of this attempt");
  },
  async "the hub's own fault is not the author's"() {
    await step({ Fault: "the disk is full" });
    await has(".said.warning", "the disk is full");
    await has(".said.warning", "1 of 3");
    await button("Cancel").click();
    await has("h1 .badge", "cancelled");
    assert.equal(await button("Upload a corrected package").count(), 0, "nothing of it is wrong");
    await button("Try again").click();
    await has("h1 .badge", "scanning");
  },
  async "success is a card"() {
    await report("security", { findings: [{ rule: "unscanned.malware", severity: "warning", text: "it was not scanned for malware: no clamd is set" }] });
    await step({ Done: true });
    for (const name of ["structure", "config_schema", "capabilities", "training_test", "inference_test"]) {
      await step({ Begin: name });
      await report(name, { seconds: 3, facts: name === "capabilities" ? { models_validated: 12 } : {} });
    }
    await step({ Done: true });
    await has(".card.passed h2", "cell-counter 1.2.0 passed");
    assert.equal(await tab.title(), "proven: cell-counter 1.2.0 · Trainer hub");
    await has(".card.passed", "12");
    await has(".card.passed", "not scanned for everything (malware)");
    await has(".card.passed", "nothing was published");
    assert.equal(await button("Cancel").count() + await button("Try again").count(), 0);
    await looked("passed");
  },
  async "a script that names no models says nothing of the package"() {
    const second = await open();
    await second.route(/\/validation\/[^/]+$/, async (route) => {
      const response = await route.fetch();
      const at = await response.json();
      for (const s of at.steps) if (s.facts?.models_validated) s.facts.models_validated = 0;
      await route.fulfill({ response, json: at });
    });
    await second.goto(tab.url());
    await has(".card.passed h2", "cell-counter 1.2.0 passed", second);
    assert.equal(await second.locator(".card.passed", { hasText: "Models" }).count(), 0);
    await second.close();
  },
  async "the list has it, and links to it"() {
    await tab.getByRole("link", { name: "All submissions" }).click();
    await has("tbody .badge", "proven");
    await looked("list");
    await tab.getByRole("link", { name: "cell-counter" }).press("Enter");
    await has("h1 .badge", "proven");
    await tab.goBack();
    await has("h1", "My submissions");
  },
  async "a session that ends during an upload loses nothing"() {
    const line = await context.newCDPSession(tab);
    const speed = (bytes) => line.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes });
    await choose("large.zip");
    await tab.waitForFunction(() => document.querySelector("dialog fieldset input")?.value === "large-cells");
    await speed(200_000);
    await button("Upload").click();
    await has("dialog", /[1-9]\d? % of/);
    await button("Stop").click();
    await has("dialog [role=alert]", "the hub keeps nothing of it");
    assert.equal((await submissions()).length, 1, "what was stopped is no submission");
    await tab.getByLabel("Display name").fill("Large cells");
    await button("Upload").click();
    await has("dialog", /[1-9]\d? % of/);
    await control("expire");
    // The hub looked who it is when the upload began: it is taken.
    await has("main", "Your session has ended");
    await speed(-1);
    const second = await open();
    await login(second);
    assert.equal((await submissions()).length, 2);
    await second.close();
    await tab.evaluate(() => window.dispatchEvent(new Event("focus")));
    await tab.reload();
    await has("h1", "large-cells");
    await button("Cancel").click();
    await has("h1 .badge", "cancelled");
  },
  async "a session that has ended before an upload leaves the form as it is"() {
    await tab.goto(PAGE_URL);
    await choose("large.zip");
    await tab.getByLabel("Display name").fill("Typed by hand");
    await control("expire");
    await button("Upload").click();
    await has("dialog [role=alert]", /session has ended|login is unknown/);
    const second = await open();
    await login(second);
    await second.close();
    await tab.evaluate(() => window.dispatchEvent(new Event("focus")));
    await gone("main > .said.bad");
    assert.equal(await tab.getByLabel("Display name").inputValue(), "Typed by hand");
    await button("Upload").click();
    await has("h1", "large-cells");
    await button("Cancel").click();
    await has("h1 .badge", "cancelled");
  },
  async "an upload that is stopped after its last byte is not said to be kept nowhere"() {
    await tab.goto(PAGE_URL);
    const before = (await submissions()).length;
    await control("hold?is=true");
    await choose("cells.zip");
    await tab.waitForFunction(() => document.querySelector("dialog fieldset input")?.value === "cell-counter");
    await button("Upload").click();
    await has("dialog", "Sent; the hub looks at it");
    while ((await submissions()).length === before) await tab.waitForTimeout(50);
    await button("Stop").click();
    await has("dialog [role=alert]", "Your submissions show whether the hub took it");
    await control("hold?is=false");
    await button("Close").click();
    await gone("dialog");
    await tab.reload();
    await tab.getByRole("link", { name: "cell-counter" }).first().click();
    await button("Cancel").click();
    await has("h1 .badge", "cancelled");
  },
  async "a package that is dropped anywhere is taken"() {
    await tab.goto(PAGE_URL);
    await has("tbody th", "cell-counter");
    const data = await tab.evaluateHandle((bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], "dropped.zip"));
      return data;
    }, [...readFileSync(file("cells.zip"))]);
    await tab.dispatchEvent("body", "drop", { dataTransfer: data });
    await has("dialog .drop", "dropped.zip");
    assert.equal(await tab.getByLabel("Version", { exact: true }).inputValue(), "1.2.0");
    await button("Close").click();
    await gone("dialog");
  },
  async "what one was told is new until it was seen"() {
    await tab.goto(PAGE_URL);
    await tab.getByRole("link", { name: /^Notifications \(\d+ new\)$/ }).click();
    await has("li.card.new", "cell-counter 1.2.0 passed");
    await has("nav", /Notifications(?! \()/);
    await looked("notifications");
    await tab.reload();
    await has("li.card", "cell-counter 1.2.0 passed");
    assert.equal(await tab.locator("li.card.new").count(), 0, "what was on the screen was seen");
  },
  async "the words of a published trainer are text, at every width"() {
    const card = { display_name: HOSTILE, description: HOSTILE, license: HOSTILE, tasks: ["object_detection", HOSTILE] };
    const published = { name: "cell-counter", version: "1.2.0", package_sha256: "a".repeat(64), bundle: `sha256:${"b".repeat(64)}`, image: "", reference: "", python: "3.11", platform: "linux/amd64", agent: "1", card, published: Date.now(), state: "deprecated", reason: HOSTILE };
    const readme = ["script", "img", "h1", "p", "a", "table"].map((tag) => ({ tag, href: tag === "a" ? "https://example.com" : undefined, kids: [{ text: HOSTILE }] }));
    const schema = { fields: [{ name: HOSTILE, type: "select", default: HOSTILE, options: [HOSTILE, 1], description: HOSTILE }] };
    const capabilities = { models: [{ model_name: HOSTILE, task_types: [HOSTILE], description: HOSTILE, supported: true }] };
    const proof = { isolation: "namespaces", models_validated: 3, unscanned: ["malware"], steps: [{ name: "training_test", status: "passed", seconds: 5 }] };
    const training = { version: "1.2.0", task: "object_detection", device: HOSTILE, started: Date.now(), seconds: 61, status: "failed", failure_code: "CUDA_OOM", metric: HOSTILE, value: 0.5 };
    const numbers = { trainings: 3, succeeded: 1, failed: 1, stopped: 0, running: 1, median_seconds: 61, causes: [{ of: "settings", code: "CUDA_OOM", count: 1 }], recent: [training] };
    const answers = { "/api/v1/trainers": [published], "/api/v1/trainers/cell-counter": { ...published, readme, schema, capabilities, proof }, "/api/v1/trainers/cell-counter/versions": [published], "/api/v1/trainers/cell-counter/analytics": numbers };
    await tab.route((url) => url.pathname in answers, (route) => {
      const { pathname, search } = new URL(route.request().url());
      const goesOn = /trainers$|versions$/.test(pathname) && !search.includes("cursor=");
      const rest = search.includes("cursor=") ? [{ ...published, name: "older-one", version: "1.0.0" }] : answers[pathname];
      return route.fulfill({ json: rest, headers: goesOn ? { Link: `<${pathname}?cursor=1.x>; rel="next"` } : {} });
    });
    await tab.getByRole("link", { name: "Trainers", exact: true }).click();
    await has(".shelf h2", "window.hacked=1");
    await has("[role=status]", "1 trainer so far");
    await button("Show older ones").click();
    await has("[role=status]", /^2 trainers$/);
    await gone("main button");
    await looked("trainers");
    await tab.locator(".shelf h2 a").first().press("Enter");
    await button("Show older ones").click();
    await has("#versions ~ ul li", /^1\.0\.0/);
    for (const words of ["settings (CUDA_OOM, 1)", "1 min 1 s", "not scanned for everything (malware)"]) await has("main", words);
    await has(".readme", "window.hacked=1");
    assert.equal(await tab.evaluate(() => window.hacked), undefined);
    assert.equal(await tab.locator("main img, main script").count(), 0);
    assert.equal(await tab.locator(".readme a").getAttribute("rel"), "noopener noreferrer nofollow");
    await looked("trainer");
    await tab.unrouteAll();
    await tab.goto(PAGE_URL);
  },
  async "a token is made, shown once, and ended"() {
    await tab.getByRole("link", { name: "Tokens" }).click();
    await tab.getByLabel("Name", { exact: true }).fill(HOSTILE.slice(0, 60));
    await button("Make it").click();
    await has("[role=status] code", "tah_");
    const secret = await tab.locator("[role=status] code").innerText();
    assert.equal((await fetch(`${PAGE_URL}/api/v1/me`, { headers: { Authorization: `Bearer ${secret}` } })).status, 200);
    await looked("tokens");
    await tab.getByRole("button", { name: /^End / }).click();
    await gone("tbody");
    assert.equal((await fetch(`${PAGE_URL}/api/v1/me`, { headers: { Authorization: `Bearer ${secret}` } })).status, 401);
  },
  ...appeals({ browser, tab, control, step, report, login, has, gone, button, choose, looked, HOSTILE, PAGE_URL }),
  async "the operator reads the audit log and everybody's submissions"() {
    await tab.goto(await link("boss", "operator"));
    await has("main", "You are logged in as ann now");
    await button("Log in as boss").click();
    await has("h1", "My submissions");
    let answer;
    const late = new Promise((resolve) => { answer = resolve; });
    await tab.route(/\/validation\?limit=50$/, async (route) => { const response = await route.fetch(); await late; await route.fulfill({ response }); });
    const asked = tab.waitForRequest(/\/validation\?limit=50$/);
    await tab.evaluate(() => window.dispatchEvent(new Event("focus")));
    await asked;
    await tab.getByLabel("Everybody's").check();
    await has("tbody th", "cell-counter");
    await has("tbody td", /^ann$/);
    const came = tab.waitForResponse(/\/validation\?limit=50$/);
    answer();
    await (await came).finished();
    await tab.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    assert.ok(await tab.locator("tbody tr").count() > 0, "an answer that is late replaces no newer one");
    await tab.unroute(/\/validation\?limit=50$/);
    const all = (await ask("/api/v1/trainers/validation?all=true")).length;
    assert.ok(all > 2, "there is something to go on to");
    await tab.route(/\/validation\?limit=50&all=true$/, (route) => route.continue({ url: route.request().url().replace("limit=50", "limit=1") }));
    await tab.evaluate(() => window.dispatchEvent(new Event("focus")));
    for (let shown = 1; shown < all; shown++) {
      await tab.waitForFunction((n) => document.querySelectorAll("tbody tr").length === n, shown);
      await button("Show older ones").click();
    }
    await tab.waitForFunction((n) => document.querySelectorAll("tbody tr").length === n, all);
    await gone("button:text('Show older ones')");
    assert.equal(new Set(await tab.locator("tbody th a").evaluateAll((links) => links.map((a) => a.href))).size, all, "each of them once");
    await tab.unroute(/\/validation\?limit=50&all=true$/);
    await tab.getByRole("link", { name: "Audit log" }).click();
    await has("tbody tr", "submission.proven");
    await has("tbody tr", "ann");
    await looked("audit");
    let older = 0;
    const act = (seq) => ({ seq, at: 0, actor: "hub", action: "user.made", subject: "x", detail: null });
    await tab.route(/\/admin\/audit/, async (route) => {
      const more = new URL(route.request().url()).searchParams.has("before");
      older += more;
      await route.fulfill({ json: more ? [act(1)] : Array.from({ length: 100 }, (_, n) => act(101 - n)) });
    });
    await tab.reload();
    await button("Show older ones").dblclick();
    await tab.waitForFunction(() => document.querySelectorAll("tbody tr").length > 100);
    assert.equal(older, 1, "older acts were asked for twice");
    await tab.unroute(/\/admin\/audit/);
    await button("Log out").click();
    await has("h1", "Log in");
  },
  async "the browser had nothing to complain of"() {
    assert.deepEqual(complaints, []);
    const blocked = await tab.evaluate(() => { try { document.body.innerHTML = "<i></i>"; return false; } catch { return true; } });
    assert.ok(blocked, "the policy lets no text become markup");
  },
};

let failed = false;
for (const [name, run] of Object.entries(steps)) {
  const began = Date.now();
  try {
    await run();
    console.log(`ok: ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed = true;
    console.log(`FAILED: ${name}\n${error.stack}\n${complaints.join("\n")}\n${await tab.locator("body").innerText().catch(() => "")}`);
    await shot("failed").catch(() => {});
    break; // the steps build on each other
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
