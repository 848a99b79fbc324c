// Does steps in a headless Chromium without scripts, and prints what it saw.
// Standard input: {"executable": "/usr/bin/chromium", "steps": [["open", url], ["fill", label, text], ["click", "button"|"link", name], …]}.
// Standard output: one line of JSON for each step: {"status", "url", "title", "text", "landmarks"} of the page after it.

import { chromium } from 'playwright-core';

const STEP_MS_MAX = 20_000;

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { executable, steps } = JSON.parse(input);

const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
const context = await browser.newContext({ javaScriptEnabled: false });
context.setDefaultTimeout(STEP_MS_MAX);
const page = await context.newPage();
let status = 0;
page.on('response', (response) => {
  if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) status = response.status();
});
const refused = [];
page.on('console', (message) => refused.push(message.text()));

const act = {
  open: (url) => page.goto(url),
  fill: (label, text) => page.getByLabel(label, { exact: true }).fill(text),
  click: (role, name) => page.getByRole(role, { name }).first().click(),
  // A new browser: nobody is signed in.
  forget: () => context.clearCookies(),
};

try {
  for (const [what, ...words] of steps) {
    await act[what](...words);
    await page.waitForLoadState();
    const unlabelled = await page.locator('textarea, input:not([type=hidden])').evaluateAll(
      (fields) => fields.filter((field) => field.labels.length === 0).length,
    );
    const seen = {
      status,
      url: page.url(),
      title: await page.title(),
      language: await page.locator('html').getAttribute('lang'),
      headings: await page.getByRole('heading', { level: 1 }).allInnerTexts(),
      alerts: await page.getByRole('alert').allInnerTexts(),
      text: await page.locator('body').innerText(),
      unlabelled,
      refused,
    };
    console.log(JSON.stringify(seen));
  }
} finally {
  await browser.close();
}
