// Steps of browser.mjs: an appeal, and versions that are withdrawn. The tab is an author's.

import assert from "node:assert/strict";

export const appeals = ({ browser, tab, control, step, report, login, has, gone, button, choose, looked, HOSTILE, PAGE_URL }) => {
  let boss; // the operator, in a browser of their own
  return {
    async "an author appeals by keyboard"() {
      await tab.goto(PAGE_URL);
      await choose("cells.zip");
      await tab.waitForFunction(() => document.querySelector("dialog fieldset input")?.value === "cell-counter");
      await button("Upload").click();
      await has("h1 .badge", "scanning");
      await step({ Begin: "security" });
      await report("security", { status: "failed", findings: [{ rule: "pickle.code", severity: "error", file: "cells/weights.pkl", text: "it calls os.getpid", sha256: "ab".repeat(32) }] });
      await step({ Reject: "not passed: security" });
      await has("h1 .badge", "rejected");
      await button("Appeal").focus();
      await tab.keyboard.press("Enter");
      await has("dialog h2", "Appeal");
      await looked("appeal");
      assert.equal(await tab.evaluate(() => document.activeElement.name), "reason", "the keyboard is where it writes");
      await tab.keyboard.type(HOSTILE.slice(0, 60));
      await tab.keyboard.press("Tab");
      await tab.keyboard.press("Tab");
      await tab.keyboard.press("Enter");
      await gone("dialog");
      await has("h1 .badge", "review");
      await has("section[aria-label=Appeal]", "It waits for the hub's operator");
      assert.equal(await button("Grant").count(), 0, "an author decides nothing");
      await looked("review");
    },
    async "the operator grants it, and it is proven again"() {
      boss = await (await browser.newContext()).newPage();
      await login(boss, "boss", "operator");
      await boss.getByRole("link", { name: "Appeals" }).click();
      await has("tbody td", "<img src=x", boss); // as text
      await boss.getByRole("link", { name: "cell-counter" }).click();
      await button("Grant", boss).click();
      await boss.getByLabel("Reason").fill("getpid does no harm");
      await button("Grant it", boss).click();
      await has("section[aria-label=Appeal]", "getpid does no harm", boss);
      await has("h1 .badge", "scanning"); // the author's tab, which nobody has loaded again
      await report("security", { findings: [] });
      await step({ Done: true });
      await step({ Done: true });
      await has("h1 .badge", "proven");
    },
    async "a published version is yanked and restored, and quarantined by the operator"() {
      await control(`published?id=${new URL(tab.url()).searchParams.get("submission")}`);
      await tab.reload();
      const offered = "section[aria-label='How it is offered']";
      await has(`${offered} .badge`, "active");
      assert.equal(await button("Quarantine").count(), 0, "quarantine is the operator's");
      await button("Yank").click();
      await tab.keyboard.press("Escape");
      await gone("dialog");
      await has(`${offered} .badge`, "active");
      await button("Yank").click();
      await tab.getByLabel("Reason").fill(`it forgets a class ${HOSTILE}`);
      await tab.locator("dialog").getByRole("button", { name: "Yank", exact: true }).click();
      await gone("dialog");
      await has(`${offered} .badge`, "yanked");
      await has(offered, "it forgets a class");
      await looked("yanked");
      await button("Restore").click();
      await tab.getByLabel("Reason").fill("it remembers");
      await tab.locator("dialog").getByRole("button", { name: "Restore", exact: true }).click();
      await has(`${offered} .badge`, "active");
      await boss.reload();
      await button("Quarantine", boss).click();
      await boss.getByLabel("Reason").fill("it sends images elsewhere");
      await boss.locator("dialog").getByRole("button", { name: "Quarantine", exact: true }).click();
      await has(`${offered} .badge`, "quarantined", boss);
      await tab.reload();
      await has(`${offered} .badge`, "quarantined");
      assert.equal(await button("Restore").count() + await button("Yank").count(), 0, "only the operator ends a quarantine");
      await boss.context().close();
    },
  };
};
