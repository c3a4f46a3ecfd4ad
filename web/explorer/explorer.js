// The page: what the reader does, and what the side panel tells.

class Explorer {
  constructor(data) {
    this.data = data;
    this.canvas = $("plot");
    this.plot = new Plot(this.canvas);
    this.view = new View(data);
    data.steps = this.view.step;
    this.ways = colorings(data);
    this.layer = data.layers.at(-1);
    this.hover = this.pin = null; // places on the grid
    this.unit = null; // the lines that it made
    this.fill_controls();
    this.listen();
    this.read_theme();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
    this.show_layer(this.layer.index);
    $("message").textContent = "";
  }

  // ---- drawing

  read_theme() {
    const style = getComputedStyle(document.documentElement);
    this.ink = Object.fromEntries(
      ["ink", "muted", "line", "soft", "page"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
    this.request();
  }
  resize() {
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.view.resize(width, height);
    for (const canvas of [this.canvas, $("axes")]) {
      canvas.width = Math.round(canvas.clientWidth * this.ratio);
      canvas.height = Math.round(canvas.clientHeight * this.ratio);
    }
    this.draw();
  }
  request() {
    this.waiting ??= requestAnimationFrame(() => this.draw());
  }
  draw() {
    cancelAnimationFrame(this.waiting);
    this.waiting = undefined;
    if (!this.colored) return;
    const { plot, layer, ratio, data } = this;
    plot.begin(this.view.on_screen(ratio), rgb(this.ink.soft));
    plot.draw_polygons(layer, rgb("#c9cdd4"));
    for (let l = 0; $("edges").checked && l <= layer.index; l++) {
      const color = $("by-layer").checked ? rgb(layer_color(data, l)) : rgb("#1f2430");
      const width = Math.max(0.9, 1.6 * 0.8 ** l) * ratio;
      plot.draw_edges(data.layers[l], {
        ink: [...color, $("by-layer").checked ? 0.95 : 0.7],
        width,
        fade: [5 * ratio, 18 * ratio],
      });
    }
    if (this.unit) this.stroke(this.unit, "#d55e00", 3);
    const kept = this.polygon_at(this.pin),
      under = this.polygon_at(this.hover);
    if (under >= 0 && under !== kept) this.stroke(this.outline(under), "#1f2430", 1.6);
    if (kept >= 0) this.stroke(this.outline(kept), "#1f2430", 2.6);
    draw_axes($("axes"), this.view, data.names, this.canvas.offsetLeft, this.canvas.offsetTop, this.ink);
  }
  /** Lines in a white seam. */
  stroke(lines, color, width) {
    for (const [ink, wide] of [
      [[1, 1, 1, 0.9], width + 2.2],
      [[...rgb(color), 1], width],
    ]) {
      this.plot.draw_lines(lines, { ink, width: wide * this.ratio, cap: (wide * this.ratio) / 3 });
    }
  }
  outline(p) {
    const { starts, places } = this.layer,
      ends = [];
    for (let i = starts[p]; i < starts[p + 1]; i++) {
      const j = i + 1 < starts[p + 1] ? i + 1 : starts[p];
      ends.push(places[2 * i], places[2 * i + 1], places[2 * j], places[2 * j + 1]);
    }
    return Lines.of(ends);
  }
  polygon_at(place) {
    return place ? this.plot.pick(this.layer, ...place) : -1;
  }

  // ---- controls

  fill_controls() {
    const { data } = this;
    $("layer").max = data.layers.length - 1;
    $("play").disabled = $("layer").disabled = data.layers.length < 2;
    $("color").append(...this.ways.map(({ name }, i) => element("option", { value: i, textContent: name })));
    $("layers-legend").append(
      keys(
        data.layers.map((_, l) => `layer ${l}`),
        data.layers.map((_, l) => layer_color(data, l)),
      ),
    );
    $("layers-legend").hidden = true;
  }
  show_layer(index) {
    this.layer = this.data.layers[Math.min(Math.max(index, 0), this.data.layers.length - 1)];
    $("layer").value = this.layer.index;
    $("layer-name").textContent = `After layer ${this.layer.index}`;
    $("layer-text").textContent = `C${subscript(this.layer.index + 1)}: ${count_of(this.layer.polygons, "polygon")}`;
    this.show_color();
    this.show_region();
  }
  show_color() {
    const way = this.ways[$("color").value];
    this.colored = colored(this.data, this.layer, way, $("rank").checked);
    this.plot.color(this.layer, this.colored.corners, this.colored.table);
    const { stops, categories, colors } = this.colored.legend,
      { table } = this.colored;
    $("rank").disabled = !stops || Boolean(way.at_corner);
    $("legend").replaceChildren();
    if (stops) {
      const shades = Array.from(
        { length: 17 },
        (_, i) =>
          `rgb(${table
            .subarray(4 * Math.round((i * 255) / 16))
            .subarray(0, 3)
            .join(" ")})`,
      );
      const bar = element("div", { className: "bar" });
      bar.style.background = `linear-gradient(to right, ${shades.join(", ")})`;
      $("legend").append(
        bar,
        element(
          "div",
          { className: "stops" },
          ...stops.map(([, value]) => element("span", { textContent: format_number(value, 3) })),
        ),
      );
    } else if (categories) {
      $("legend").append(
        keys(
          categories,
          colors.map((color) => `#${color}`),
        ),
      );
    }
    this.request();
  }
  play(on = !this.playing) {
    clearInterval(this.playing);
    this.playing = undefined;
    if (on && this.data.layers.length > 1) {
      this.show_layer(this.layer === this.data.layers.at(-1) ? 0 : this.layer.index + 1);
      this.playing = setInterval(() => {
        this.show_layer(this.layer.index + 1);
        if (this.layer === this.data.layers.at(-1)) this.play(false);
      }, 1100);
    }
    $("play").classList.toggle("playing", Boolean(this.playing));
    $("play").ariaLabel = this.playing ? "Stop" : "Play";
  }
  show_unit(text) {
    const match = text.trim().match(/^(\d+)\s*[:,. ]\s*(\d+)$/),
      { data } = this;
    this.unit = null;
    let told = text.trim() ? "expected layer:unit" : "";
    if (match) {
      const layer = data.layers[Number(match[1])],
        index = Number(match[2]);
      if (!layer) told = `layers are 0 … ${data.layers.length - 1}`;
      else if (index >= layer.units)
        told = layer.units ? `units are 0 … ${layer.units - 1}` : "this layer has no units";
      else {
        const ends = [],
          wanted = data.first_unit[layer.index] + index;
        each_drawn_edge(layer, (_, i, j, unit) => {
          if (unit === wanted)
            ends.push(...layer.places.subarray(2 * i, 2 * i + 2), ...layer.places.subarray(2 * j, 2 * j + 2));
        });
        this.unit = Lines.of(ends);
        told = `${count_of(ends.length / 4, "edge")} of C${subscript(layer.index + 1)}`;
      }
    }
    $("unit-text").textContent = told;
    this.request();
  }

  // ---- the region's panel

  show_region() {
    const place = this.pin ?? this.hover,
      p = this.polygon_at(place);
    const nothing = { className: "empty", textContent: "Point at a polygon to read it; click to keep it." };
    $("region").replaceChildren(...(p < 0 ? [element("p", nothing)] : region_panel(this, p, place)));
  }
  /** Digits of every layer up to the one shown, read along the parents. */
  configuration(p) {
    const digits = [];
    for (let l = this.layer.index; l >= 0; p = this.data.layers[l].parent?.[p], l--)
      digits[l] = Array.from(this.data.layers[l].pieces(p), (piece) => piece.toString(36)).join("");
    return digits;
  }
  async copy() {
    const p = this.polygon_at(this.pin ?? this.hover);
    if (p < 0) return;
    const text = this.configuration(p).join(",");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // not offered everywhere
      const box = element("textarea", { value: text });
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    const button = $("copy");
    if (button) button.textContent = "Copied";
  }
  look_for(name) {
    $("unit").value = name;
    this.show_unit(name);
  }

  // ---- the reader's hands

  moved() {
    this.show_place();
    this.request();
  }
  show_place() {
    const [x, y] = this.hover ? this.view.to_plane(this.hover) : [];
    const digits = Math.min(16, 5 + Math.ceil(Math.log10(Math.max(this.view.zoom, 1))));
    $("place").textContent = this.hover
      ? `${this.data.names[0]} ${format_number(x, digits)}   ${this.data.names[1]} ${format_number(y, digits)}`
      : "";
  }
  point(px, py) {
    this.hover = px === undefined ? null : this.view.to_grid(px, py);
    this.show_place();
    const under = this.polygon_at(this.hover);
    if (under !== this.under) this.request();
    this.under = under;
    if (!this.pin) this.show_region();
  }
  keep(place) {
    this.pin =
      this.pin && this.polygon_at(this.pin) === this.polygon_at(place)
        ? null
        : this.polygon_at(place) < 0
          ? null
          : place;
    this.show_region();
    this.request();
  }
  listen() {
    const { canvas, view } = this,
      fingers = new Map();
    let travelled = 0;
    const at = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, at(event));
      travelled = fingers.size > 1 ? Infinity : 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId),
        [x, y] = at(event);
      if (before) {
        travelled += Math.hypot(x - before[0], y - before[1]);
        if (travelled > 4) canvas.classList.add("moving");
        if (fingers.size === 2) {
          const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
          const spread = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
          view.pan((x - before[0]) / 2, (y - before[1]) / 2);
          view.zoom_at((x + other[0]) / 2, (y + other[1]) / 2, spread([x, y]) / spread(before));
        } else if (travelled > 4) view.pan(x - before[0], y - before[1]);
        fingers.set(event.pointerId, [x, y]);
        this.moved();
      }
      if (!canvas.classList.contains("moving")) this.point(x, y);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => {
        if (kind === "pointerup" && fingers.has(event.pointerId) && travelled <= 4)
          this.keep(view.to_grid(...at(event)));
        fingers.delete(event.pointerId);
        if (fingers.size === 0) canvas.classList.remove("moving");
      });
    }
    canvas.addEventListener("pointerleave", () => this.point());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const pixels = event.deltaY * [1, 20, 400][event.deltaMode];
        view.zoom_at(...at(event), Math.exp(-Math.max(-300, Math.min(300, pixels)) * (event.ctrlKey ? 0.01 : 0.002)));
        this.moved();
      },
      { passive: false },
    );
    canvas.addEventListener("dblclick", () => this.press("0"));
    canvas.addEventListener(
      "webglcontextlost",
      () => ($("message").textContent = "The browser has taken the graphics away; load the page again."),
    );
    $("layer").addEventListener("input", (event) => {
      this.play(false);
      this.show_layer(Number(event.target.value));
    });
    $("play").addEventListener("click", () => this.play());
    for (const id of ["color", "rank"]) $(id).addEventListener("change", () => this.show_color());
    for (const id of ["edges", "by-layer"]) $(id).addEventListener("change", () => this.request());
    $("by-layer").addEventListener("change", (event) => ($("layers-legend").hidden = !event.target.checked));
    $("unit").addEventListener("input", (event) => this.show_unit(event.target.value));
    $("help-button").addEventListener("click", () => $("help").showModal());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.read_theme());
    window.addEventListener("keydown", (event) => {
      const typing = event.target.matches('input[type="text"]') || $("help").open;
      if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
      if (event.target.matches("input, select, button") && !["[", "]", "/", "Escape", "?"].includes(event.key)) return;
      if (this.press(event.key)) event.preventDefault();
    });
  }
  /** What a key does; false for one that does nothing. */
  press(key) {
    const { view } = this,
      middle = [view.width / 2, view.height / 2];
    const toggle = (id) => $(id).click();
    const actions = {
      ArrowLeft: () => view.pan(60, 0),
      ArrowRight: () => view.pan(-60, 0),
      ArrowUp: () => view.pan(0, 60),
      ArrowDown: () => view.pan(0, -60),
      "+": () => view.zoom_at(...middle, 1.4),
      "=": () => view.zoom_at(...middle, 1.4),
      "-": () => view.zoom_at(...middle, 1 / 1.4),
      0: () => view.fit(),
      "[": () => this.show_layer(this.layer.index - 1),
      "]": () => this.show_layer(this.layer.index + 1),
      " ": () => this.play(),
      e: () => toggle("edges"),
      l: () => toggle("by-layer"),
      c: () => this.copy(),
      Enter: () => this.keep(this.hover ?? view.to_grid(...middle)),
      "/": () => $("unit").focus(),
      "?": () => $("help").showModal(),
      Escape: () => {
        this.pin = null;
        this.look_for("");
        this.canvas.focus();
        this.show_region();
      },
    };
    if (!actions[key]) return false;
    actions[key]();
    this.moved();
    return true;
  }
}

load((part) => ($("message").textContent = `Reading … ${Math.round(100 * part)} %`))
  .then((data) => (window.explorer = new Explorer(data)))
  .catch((error) => ($("message").textContent = error.message));
