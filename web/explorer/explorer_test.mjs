// node explorer_test.mjs EXPLORER_PAGES FOLDER: opens pages in a real browser and does what a reader does.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { open_browser, open_page } from "./browser.mjs";

const [maker, folder] = process.argv.slice(2);
const [browser, missing] = await open_browser();
if (!browser) {
  console.log(`skipped: ${missing}`);
  process.exit(77);
}

let passed = 0,
  failed = 0;
function check(is, what) {
  if (is) passed++;
  else {
    failed++;
    console.log(`FAILED: ${what}`);
  }
}
function equal(value, expected, what) {
  check(
    JSON.stringify(value) === JSON.stringify(expected),
    `${what}: ${JSON.stringify(value)}, expected ${JSON.stringify(expected)}`,
  );
}

mkdirSync(folder, { recursive: true });
function made(name, widths) {
  const file = path.join(folder, `${name}.html`);
  execFileSync(maker, widths ? [file, widths] : [file]);
  return file;
}

// ---- what a test asks of a page

const text = (page, id) => page.locator(`#${id}`).innerText();
/** Where a point of the plane is on the screen. */
const on_screen = (page, point) =>
  page.evaluate(([x, y]) => {
    const { view, canvas } = window.explorer,
      box = canvas.getBoundingClientRect();
    const [gx, gy] = [(x - view.range[0][0]) / view.step[0], (y - view.range[1][0]) / view.step[1]];
    return [box.left + view.width / 2 + (gx - view.x) * view.sx, box.top + view.height / 2 - (gy - view.y) * view.sy];
  }, point);
async function point_at(page, point) {
  await page.mouse.move(...(await on_screen(page, point)));
}
/** [layer name, digits, …] as the panel shows them. */
const configuration = (page) => page.locator(".bits > *").allInnerTexts();
/** Colours that the plot has at places of the plane, or at all pixels. */
const colors = (page, points) =>
  page.evaluate((points) => {
    const { plot, view, ratio } = window.explorer,
      { gl } = plot;
    window.explorer.draw();
    const { width, height } = gl.canvas,
      pixels = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    const color = (i) => (pixels[4 * i] << 16) | (pixels[4 * i + 1] << 8) | pixels[4 * i + 2];
    if (!points) return [...new Set(Array.from({ length: width * height }, (_, i) => color(i)))];
    return points.map(([x, y]) => {
      const [gx, gy] = [(x - view.range[0][0]) / view.step[0], (y - view.range[1][0]) / view.step[1]];
      const px = Math.floor(width / 2 + (gx - view.x) * view.sx * ratio),
        py = Math.floor(height / 2 + (gy - view.y) * view.sy * ratio);
      return color(py * width + px);
    });
  }, points);

/**
 * Of the pixels around a place on the grid, the part that has its polygon's colour, when only polygons are drawn: the GPU
 * against the search on the processor.
 */
const agreement = (page, place, zoom, radius) =>
  page.evaluate(
    ([place, zoom, radius]) => {
      const { plot, view, canvas, colored, layer } = window.explorer,
        { gl } = plot,
        side = 2 * radius;
      [view.x, view.y] = place;
      view.zoom = zoom;
      view.pan(0, 0); // keeps the centre within the domain
      plot.begin(view.on_screen(1), [0, 0, 0]);
      plot.draw_polygons(layer, [0, 0, 0]);
      const left = (canvas.width >> 1) - radius,
        low = (canvas.height >> 1) - radius,
        pixels = new Uint8Array(4 * side * side);
      gl.readPixels(left, low, side, side, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      let agreed = 0;
      for (let i = 0; i < side * side; i++) {
        const at = view.to_grid(left + (i % side) + 0.5, canvas.height - (low + Math.floor(i / side) + 0.5)),
          p = plot.pick(layer, ...at);
        const entry = p < 0 ? -1 : Math.round(colored.corners[layer.starts[p]] * 255);
        if ([0, 1, 2].every((k) => pixels[4 * i + k] === (p < 0 ? 0 : colored.table[4 * entry + k]))) agreed++;
      }
      return agreed / (side * side);
    },
    [place, zoom, radius],
  );

const problems = [];

// ---- two layers cut by hand

{
  const page = await open_page(browser, made("small"), problems, {}, (page) =>
    page.addInitScript(() => {
      Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => (window.copied = text) } });
    }),
  );
  equal(await text(page, "message"), "", "message of a page that works");
  equal(await page.title(), "Small <partition>", "title");
  equal(await page.locator("header p").allInnerTexts(), ["Two layers, 2 and 1 units", '& "quoted" </script>'], "notes");
  equal(await text(page, "layer-text"), "C₂: 7 polygons", "polygons after the last layer");

  const expected = [
    [[0.6, 0.7], "11", "1"],
    [[0.1, 0.2], "11", "0"],
    [[-0.5, 0.8], "01", "1"],
    [[-0.5, 0.2], "01", "0"],
    [[0.8, -0.5], "10", "1"],
    [[0.2, -0.5], "10", "0"],
    [[-0.5, -0.5], "00", "0"],
  ];
  const seen = new Set();
  for (const [point, first, second] of expected) {
    await point_at(page, point);
    equal(await configuration(page), ["layer 0", first, "layer 1", second], `configuration at ${point}`);
    seen.add(await page.locator("#region h2").innerText());
  }
  equal(seen.size, 7, "different regions");

  await point_at(page, [0.6, 0.7]);
  const rows = await page.locator("#region .wide tbody tr").allInnerTexts();
  equal(rows[0].split("\t").slice(0, 4), ["up", "2", "2", "−1"], "affine map of the corner: 2 max(x + y − ½, 0)");
  check(Math.abs(Number(rows[0].split("\t")[4]) - 1.6) < 0.02, `its value here: ${rows[0]}, expected 1.6`);
  equal(
    (await page.locator(".tags > *").allInnerTexts()).sort(),
    ["0:0", "0:1", "1:0", "border", "border"],
    "edges of the corner",
  );
  const fields = await page.locator("#region > table tr").allInnerTexts();
  equal(fields, ["corners\t5", "area\t0.875", "number\t0", "side\tright", "active units\t3"], "its numbers");
  await page.keyboard.press("c");
  equal(await page.evaluate(() => window.copied), "11,1", "copied configuration");

  await page.selectOption("#color", { label: "distinct colours" });
  await page.mouse.move(2, 2);
  const [low, high, outside] = await colors(page, [
    [-0.5, 0.2],
    [-0.5, 0.8],
    [-1.1, 0.2],
  ]);
  check(low !== high && low !== outside, "two regions differ in colour from each other and from what lies outside");

  await page.locator("#plot").focus();
  await page.keyboard.press("[");
  equal(await text(page, "layer-text"), "C₁: 4 polygons", "polygons after the first layer");
  const [below, above] = await colors(page, [
    [-0.5, 0.2],
    [-0.5, 0.8],
  ]);
  equal(below, above, "colours within a polygon of the first layer");
  await point_at(page, [0.1, 0.2]);
  equal(await configuration(page), ["layer 0", "11"], "configuration after the first layer");
  equal(
    (await page.locator("#region > table tr").allInnerTexts()).slice(0, 4),
    ["corners\t4", "area\t1", "number, mean\t0.125", "side\tright"],
    "numbers of a coarse polygon: means by area of its regions",
  );
  await page.locator("#layer").fill("1");
  equal(await text(page, "layer-text"), "C₂: 7 polygons", "the slider moved back");
  await page.locator("#play").click();
  equal(await text(page, "layer-text"), "C₁: 4 polygons", "playing starts over");
  await page.waitForFunction(() => document.getElementById("layer-text").textContent.startsWith("C₂"));

  for (const [asked, told] of [
    ["1:0", "3 edges of C₂"],
    ["0:0", "2 edges of C₁"],
    ["0 : 1", "2 edges of C₁"],
    ["0:2", "units are 0 … 1"],
    ["3:0", "layers are 0 … 1"],
    ["x", "expected layer:unit"],
    ["", ""],
  ]) {
    await page.fill("#unit", asked);
    equal(await text(page, "unit-text"), told, `unit '${asked}'`);
  }
  await page.mouse.move(2, 2);
  await page.fill("#unit", "1:0");
  const bent = [
    [0.25, 0.25],
    [-0.5, 0.5],
    [0.5, -0.5],
  ];
  equal(await colors(page, bent), [0xd55e00, 0xd55e00, 0xd55e00], "the bent line x⁺ + y⁺ = ½ is lit");
  await page.keyboard.press("Escape");
  check(
    (await colors(page, bent)).every((color) => color !== 0xd55e00),
    "and lit no longer",
  );

  await page.mouse.click(...(await on_screen(page, [0.1, 0.2])));
  await point_at(page, [-0.5, -0.5]);
  equal(await configuration(page), ["layer 0", "11", "layer 1", "0"], "a region that is kept");
  await page.mouse.click(...(await on_screen(page, [0.1, 0.2])));
  await point_at(page, [-0.5, -0.5]);
  equal(await configuration(page), ["layer 0", "00", "layer 1", "0"], "a region let go");
  await page.mouse.move(2, 2);
  equal(await text(page, "region"), "Point at a polygon to read it; click to keep it.", "nothing to tell");

  const zoom = () => page.evaluate(() => window.explorer.view.zoom);
  await point_at(page, [0.5, 0.5]);
  await page.mouse.wheel(0, -400);
  await page.waitForFunction(() => window.explorer.view.zoom > 1.5);
  const [x, y] = await on_screen(page, [0.5, 0.5]);
  await page.mouse.down();
  await page.mouse.move(x - 100, y + 50, { steps: 4 });
  await page.mouse.up();
  const moved = await on_screen(page, [0.5, 0.5]);
  check(Math.hypot(moved[0] - x + 100, moved[1] - y - 50) < 2, "dragging takes the plane along");
  await page.mouse.dblclick(x, y);
  equal(await zoom(), 1, "zoom after a double click");
  await page.keyboard.press("?");
  check(await page.locator("#help").isVisible(), "help opens");
  await page.context().close();
}

// ---- a random network, against its own forward pass

{
  const file = made("network", "2,16,16,16,3"),
    layers = JSON.parse(readFileSync(file.replace(".html", ".json")));
  const forward = (x) => {
    const bits = [];
    for (const [l, units] of layers.entries()) {
      const z = units.map(([weights, bias]) => weights.reduce((sum, w, i) => sum + w * x[i], bias));
      if (l + 1 < layers.length) bits.push(z.map((value) => (value > 0 ? "1" : "0")).join(""));
      x = l + 1 < layers.length ? z.map((value) => Math.max(value, 0)) : z;
    }
    return { bits, output: x };
  };
  const page = await open_page(browser, file, problems, { colorScheme: "dark" });
  equal(
    await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
    "rgb(21, 24, 30)",
    "page in the dark",
  );
  const told = await page.evaluate(() => {
    const { data, plot, view } = window.explorer,
      last = data.layers.at(-1),
      places = [];
    for (let i = 0; i < 300; i++) {
      const place = [((i * 0.7548776662) % 1) * 2147483647, ((i * 0.5698402909) % 1) * 2147483647],
        p = plot.pick(last, ...place);
      const point = view.to_plane(place),
        maps = data.maps.subarray(9 * p, 9 * p + 9);
      const held = data.layers.map((layer) =>
        Array.from({ length: layer.polygons }, (_, q) => q).filter((q) => layer.holds(q, ...place)),
      );
      places.push({
        point,
        p,
        held,
        bits: window.explorer.configuration(p),
        parent: last.parent[p],
        output: [0, 1, 2].map((k) => maps[3 * k] * point[0] + maps[3 * k + 1] * point[1] + maps[3 * k + 2]),
      });
    }
    const areas = data.layers.map(
      (layer) =>
        Array.from({ length: layer.polygons }, (_, p) => layer.area(p)).reduce((a, b) => a + b) / 2147483647 ** 2,
    );
    return { places, areas };
  });
  for (const { point, p, held, bits, parent, output } of told.places) {
    const right = forward(point);
    equal(bits, right.bits, `configuration at ${point}`);
    equal([held[2], held[1]], [[p], [parent]], `polygons that hold ${point}`);
    check(
      output.every((value, k) => Math.abs(value - right.output[k]) < 1e-5),
      `outputs at ${point}: ${output}, expected ${right.output}`,
    );
  }
  check(
    told.areas.every((area) => Math.abs(area - 1) < 1e-6),
    `areas ${told.areas}, expected 1`,
  );

  // Deep down, around corners where polygons meet.
  await page.selectOption("#color", { label: "distinct colours" });
  for (let i = 0; i < 20; i++) {
    const corner = await page.evaluate(
      (i) => [...window.explorer.layer.places.subarray(2 * 97 * i, 2 * 97 * i + 2)],
      i,
    );
    const agreed = await agreement(page, [corner[0] + 77.3, corner[1] - 51.2], 2e5, 15);
    check(agreed > 0.9, `at corner ${corner}, enlarged 200,000 times, ${agreed} of the pixels are right`);
  }
  await page.evaluate(() => window.explorer.view.fit());

  await page.selectOption("#color", { label: "active units" });
  const counts = await page.locator("#legend .stops span").allInnerTexts();
  check(counts.length > 1 && counts.every((text) => /^\d+$/.test(text)), `of counts only counts are told: ${counts}`);
  const ways = await page.locator("#color option").allInnerTexts();
  equal(
    ways,
    ["Lipschitz constant", "largest output", "output y0", "output y1", "output y2", "active units", "distinct colours"],
    "colourings",
  );
  for (const way of ways) {
    await page.selectOption("#color", { label: way });
    for (const layer of [0, 1, 2]) {
      await page.locator("#layer").fill(String(layer));
      check((await colors(page)).length > 10, `'${way}' after layer ${layer} has colours`);
    }
    if (await page.locator("#rank").isEnabled()) {
      await page.locator("#rank").check();
      check((await colors(page)).length > 10, `'${way}' by rank has colours`);
      await page.locator("#rank").uncheck();
    }
  }
  await page.context().close();
}

// ---- many polygons: a picture serves the far views

{
  const page = await open_page(browser, made("many", "2,24,24,500,3"), problems);
  const polygons = await page.evaluate(() => window.explorer.layer.polygons);
  check(polygons > 1 << 16, `${polygons} polygons are many`);
  const difference = await page.evaluate(() => {
    const { plot, layer, view } = window.explorer,
      { gl } = plot,
      shown = [];
    for (const all of [false, true]) {
      plot.begin(view.on_screen(1), [1, 1, 1]);
      if (all) plot.draw_all_polygons(layer, [0, 0, 0]);
      else plot.draw_polygons(layer, [0, 0, 0]);
      const pixels = new Uint8Array(4 * view.width * view.height);
      gl.readPixels(0, 0, view.width, view.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      shown.push(pixels);
    }
    return shown[0].reduce((sum, value, i) => sum + Math.abs(value - shown[1][i]), 0) / shown[0].length;
  });
  check(difference < 2, `the picture differs by ${difference} of 255 from the polygons`);
  // How strong an edge is drawn is its own matter, whatever chunk it lies in: as the larger polygon beside it has room.
  const edges = await page.evaluate(() => {
    const { data, plot } = window.explorer,
      told = [];
    for (const layer of data.layers) {
      const { lines, chunks } = plot.edges_on_gpu(layer),
        wanted = new Map(),
        name = (a, b) => [a, b].sort().join(" ");
      for (let p = 0; p < layer.polygons; p++) {
        const own = Math.sqrt(layer.area(p)) | 0;
        for (let i = layer.starts[p]; i < layer.starts[p + 1]; i++) {
          const unit = (layer.edges[i] >>> 1) - 1;
          if (unit < data.first_unit[layer.index]) continue;
          const j = i + 1 < layer.starts[p + 1] ? i + 1 : layer.starts[p],
            corner = (k) => layer.places.subarray(2 * k, 2 * k + 2).join(",");
          const edge = name(corner(i), corner(j));
          wanted.set(edge, Math.max(wanted.get(edge) ?? 0, own));
        }
      }
      let wrong = 0,
        unsorted = 0;
      for (let line = 0; line < lines.count; line++) {
        if (lines.room[line] === 0x7fffffff) continue; // the border
        const ends = lines.ends.subarray(4 * line, 4 * line + 4);
        if (wanted.get(name(ends.subarray(0, 2).join(","), ends.subarray(2).join(","))) !== lines.room[line]) wrong++;
      }
      for (let chunk = 0; chunk < chunks.count; chunk++)
        for (let line = chunks.starts[chunk] + 1; line < chunks.starts[chunk + 1]; line++)
          if (lines.room[line] > lines.room[line - 1]) unsorted++;
      told.push([lines.count > 0, wrong, unsorted]);
    }
    return told;
  });
  for (const [l, told] of edges.entries()) equal(told, [true, 0, 0], `edges of layer ${l}: some, wrong ones, unsorted ones`);
  // What is left out of a view for want of room would not have been seen.
  const seen = await page.evaluate(() => {
    const { plot, view, layer } = window.explorer,
      shown = [];
    view.fit();
    for (const all of [false, true]) {
      plot.begin(view.on_screen(1), [1, 1, 1]);
      const runs = plot.edges_on_gpu(layer).chunks.each_run;
      if (all)
        plot.edges_on_gpu(layer).chunks.each_run = function (box, draw) {
          return runs.call(this, box, draw);
        };
      plot.draw_edges(layer, { ink: [0, 0, 0, 1], width: 1, fade: [5, 18] });
      delete plot.edges_on_gpu(layer).chunks.each_run;
      const pixels = new Uint8Array(4 * view.width * view.height);
      plot.gl.readPixels(0, 0, view.width, view.height, plot.gl.RGBA, plot.gl.UNSIGNED_BYTE, pixels);
      shown.push(pixels);
    }
    return [shown[0].some((value) => value < 128), shown[0].every((value, i) => value === shown[1][i])];
  });
  equal(seen, [true, true], "edges are seen, and the same whether those without room are drawn or not");

  await page.selectOption("#color", { label: "distinct colours" });
  for (const zoom of [20, 300]) {
    const agreed = await agreement(page, [1.3e9, 0.9e9], zoom, 40);
    check(agreed > 0.9, `enlarged ${zoom} times, ${agreed} of the pixels are right`);
  }
  await page.context().close();
}

// ---- fingers, no WebGL 2, damage

{
  const page = await open_page(browser, path.join(folder, "small.html"), problems, { hasTouch: true });
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  await touch("touchStart", [400, 400], [500, 400]);
  await touch("touchMove", [350, 400], [550, 400]);
  await touch("touchEnd");
  const zoom = await page.evaluate(() => window.explorer.view.zoom);
  check(Math.abs(zoom - 2) < 0.1, `zoom after two fingers have doubled their distance: ${zoom}`);
  await page.context().close();

  const bare = await open_page(browser, path.join(folder, "small.html"), problems, {}, (page) =>
    page.addInitScript(() => {
      HTMLCanvasElement.prototype.getContext = () => null;
    }),
  );
  equal(
    await text(bare, "message"),
    "This page draws with WebGL 2, which this browser does not offer.",
    "message without WebGL 2",
  );
  await bare.context().close();

  const damaged = path.join(folder, "damaged.html"),
    html = readFileSync(path.join(folder, "small.html"), "utf8");
  writeFileSync(damaged, html.replace(/(<script class="data"[^>]*>.{40}).{40}/, "$1"));
  const broken = await open_page(browser, damaged, []);
  check(
    (await text(broken, "message")).startsWith("This page's data are damaged"),
    `message of a damaged page: ${await text(broken, "message")}`,
  );
  await broken.context().close();
}

equal(problems, [], "what the console was told");
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
