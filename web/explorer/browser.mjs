// A headless chromium, driven by playwright-core; neither is part of the project.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** [browser, ""], or [null, what is missing]. */
export async function open_browser() {
  const program = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
    (file) => file && existsSync(file),
  );
  if (!program) return [null, "no chromium"];
  const folder = [
    process.env.UNRECT_NODE_MODULES,
    path.join(root, "build/web/node_modules"),
    path.join(root, "node_modules"),
  ].find((place) => place && existsSync(path.join(place, "playwright-core")));
  if (!folder)
    return [null, "no playwright-core in build/web/node_modules (npm install --prefix build/web playwright-core)"];
  const { chromium } = createRequire(path.join(folder, "x"))("playwright-core");
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  const software = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
  return [await chromium.launch({ executablePath: program, args: ["--no-sandbox", ...quiet, ...software] }), ""];
}

/** Opens a page and waits until it draws or says why not. `problems` collects what the console is told. */
export async function open_page(browser, file, problems, options = {}, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on(
    "request",
    (request) => /^(file|data|blob):/.test(request.url()) || problems.push(`asks for ${request.url()}`),
  );
  await prepare(page);
  await page.goto("file://" + path.resolve(file), { timeout: 300000 });
  await page.waitForFunction(
    () => window.explorer || !document.getElementById("message").textContent.startsWith("Reading"),
    null,
    { timeout: 300000 },
  );
  return page;
}
