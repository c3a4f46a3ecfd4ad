// Pieces of the side panel.

const $ = (id) => document.getElementById(id);
const subscript = (k) => String(k).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);
const count_of = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

/** An element with text and children; what is given is never read as markup. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.substr(i, 2), 16) / 255);
const layer_color = (data, l) => `#${data.categorical[l % data.categorical.length]}`;

function keys(names, colors) {
  return element(
    "div",
    { className: "keys" },
    ...names.map((name, i) => {
      const key = element("span", { textContent: name });
      key.style.setProperty("--key", colors[i]);
      return key;
    }),
  );
}

function table_of_rows(head, rows) {
  const line = (cells, name) =>
    element("tr", {}, ...cells.map((cell, i) => element(i === 0 ? "th" : name, { textContent: cell })));
  return element(
    "table",
    {},
    element("thead", {}, ...(head.length ? [line(head, "th")] : [])),
    element("tbody", {}, ...rows.map((row) => line(row, "td"))),
  );
}

/** The numbers of polygon p: of its shape, and of all ways to colour that are constant on it. */
function number_rows({ layer, ways, view, data }, p) {
  const is_last = layer === data.layers.at(-1);
  const rows = [
    ["corners", layer.starts[p + 1] - layer.starts[p]],
    ["area", format_number(layer.area(p) * view.step[0] * view.step[1])],
  ];
  for (const { name, categories, values, own_range, distinct, at_corner } of ways) {
    if (distinct || at_corner) continue;
    const value = values(layer)[p],
      mean = !is_last && !own_range && categories.length === 0;
    const unnamed = is_last ? "not known" : "mixed";
    rows.push([
      mean ? `${name}, mean` : name,
      categories.length ? (categories[value] ?? unnamed) : format_number(value),
    ]);
  }
  return rows;
}

/** a, b, c of each output a·x + b·y + c, and what that is at (x, y). */
function map_rows(data, p, [x, y]) {
  return data.outputs.map((name, k) => {
    const at = 3 * (p * data.outputs.length + k),
      [a, b, c] = data.maps.subarray(at, at + 3);
    return [name, ...[a, b, c, a * x + b * y + c].map((value) => format_number(value, 4))];
  });
}

/** Digits of every layer, zeros pale. */
function configuration_list(configuration) {
  const list = element("dl", { className: "bits" });
  for (const [l, digits] of configuration.entries()) {
    if (digits === "") continue;
    const runs = digits.split(/(0+)/).map((run) => (run[0] === "0" ? element("i", { textContent: run }) : run));
    list.append(element("dt", { textContent: `layer ${l}` }), element("dd", {}, ...runs));
  }
  return list;
}

function unit_name(data, unit) {
  const l = data.first_unit.findLastIndex((first) => first <= unit);
  return `${l}:${unit - data.first_unit[l]}`;
}

/** What is known of polygon p of the layer that the explorer shows; `place` is where the reader points. */
function region_panel(explorer, p, place) {
  const { data, layer, view } = explorer,
    is_last = layer === data.layers.at(-1);
  const name = is_last ? `Region ${p}` : `Polygon ${p} of C${subscript(layer.index + 1)}`;
  const parts = [
    element("h2", {}, name, element("small", { textContent: explorer.pin ? "kept" : "" })),
    table_of_rows([], number_rows(explorer, p)),
  ];
  if (is_last && data.outputs.length > 0) {
    const table = table_of_rows(["", ...data.names, "1", "here"], map_rows(data, p, view.to_plane(place)));
    parts.push(element("h3", { textContent: "Affine map" }), element("div", { className: "wide" }, table));
  }
  const list = configuration_list(explorer.configuration(p));
  if (list.childElementCount > 0) {
    const copy = element("button", { id: "copy", type: "button", textContent: "Copy", onclick: () => explorer.copy() });
    parts.push(element("h3", {}, "Configuration", copy), list);
  }
  const tags = element("div", { className: "tags" });
  for (let i = layer.starts[p]; i < layer.starts[p + 1]; i++) {
    const unit = (layer.edges[i] >>> 1) - 1,
      textContent = unit < 0 ? "border" : unit_name(data, unit);
    const onclick = () => explorer.look_for(textContent);
    tags.append(
      unit < 0 ? element("span", { textContent }) : element("button", { type: "button", textContent, onclick }),
    );
  }
  parts.push(element("h3", { textContent: "Edges, by the unit that made each" }), tags);
  return parts;
}
