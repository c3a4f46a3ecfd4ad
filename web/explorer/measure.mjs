// node measure.mjs PAGE.html: how long a page takes to load, and a frame to draw at several zooms, in headless chromium, which
// draws in software on the processor. Each frame is waited for, by reading a pixel back.
import { statSync } from "node:fs";

import { open_browser, open_page } from "./browser.mjs";

const file = process.argv[2],
  [browser, missing] = await open_browser();
if (!browser) throw new Error(missing);
const start = performance.now(),
  problems = [],
  page = await open_page(browser, file, problems);
await page.evaluate(() => window.explorer.draw());
console.log(
  `${(statSync(file).size / 1e6).toFixed(1)} MB, ${await page.evaluate(() => window.explorer.layer.polygons)} polygons, drawn ${((performance.now() - start) / 1000).toFixed(1)} s after opening`,
);
const rows = await page.evaluate(() => {
  const { plot, view, canvas } = window.explorer,
    { gl } = plot,
    pixel = new Uint8Array(4),
    rows = [];
  for (const zoom of [1, 2, 4, 8, 32, 256, 1e5]) {
    view.fit();
    view.zoom_at(view.width * 0.4, view.height * 0.4, zoom);
    const times = [];
    for (let frame = 0; frame < 15; frame++) {
      view.pan(frame % 2 ? 9 : -9, 5);
      const before = performance.now();
      window.explorer.draw();
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    rows.push({
      zoom,
      "median ms": +times[7].toFixed(1),
      "worst ms": +times[14].toFixed(1),
      size: `${canvas.width}×${canvas.height}`,
    });
  }
  const places = Array.from({ length: 1000 }, (_, i) => [
    ((i * 0.7548776662) % 1) * 2147483647,
    ((i * 0.5698402909) % 1) * 2147483647,
  ]);
  const before = performance.now();
  for (const place of places) plot.pick(window.explorer.layer, ...place);
  return { rows, pick: performance.now() - before };
});
console.table(rows.rows);
console.log(`finding the polygon under the pointer: ${rows.pick.toFixed(1)} µs`);
console.log(problems.join("\n"));
await browser.close();
