// What the colours say: a number for every polygon of a layer, and its place on a colour map.

/** 256 colours, RGBA, from as many hexadecimal triples. */
function table_of(digits) {
  const table = new Uint8Array(1024).fill(255);
  for (let i = 0; i < 256; i++)
    for (let k = 0; k < 3; k++) table[4 * i + k] = parseInt(digits.substr(6 * i + 2 * k, 2), 16);
  return table;
}

/** 256 light colours in no order, to tell neighbours apart. */
function pastel_table() {
  const table = new Uint8Array(1024).fill(255);
  const encode = (c) => Math.min(Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055)), 255);
  for (let i = 0; i < 256; i++) {
    // Oklab: lightness 0.80 … 0.94, chroma 0.055, any hue
    const lightness = 0.8 + 0.14 * ((i * 0.754877666) % 1),
      hue = 2 * Math.PI * ((i * 0.569840291) % 1);
    const a = 0.055 * Math.cos(hue),
      b = 0.055 * Math.sin(hue);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    table[4 * i] = encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
    table[4 * i + 1] = encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
    table[4 * i + 2] = encode(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  }
  return table;
}

function range_of(values) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/** The same function, worked out once a layer. */
function once_a_layer(work) {
  const known = [];
  return (layer) => (known[layer.index] ??= work(layer));
}

/**
 * All ways to colour: {name, categories, values(layer): a number a polygon}, and where they have it at_corner(last layer): a
 * number a corner. What is known of the last layer's polygons gives means for those of the layers before.
 */
function colorings(data) {
  const last = data.layers.at(-1),
    polygons = (layer) => Array.from({ length: layer.polygons }, (_, p) => p);
  const areas = once_a_layer((layer) => Float64Array.from(polygons(layer), (p) => layer.area(p)));

  /** From values of a layer's polygons those of the layer before: means by area, or what all agree on. */
  function lifted(layer, values, agree) {
    const before = data.layers[layer.index - 1],
      area = areas(layer);
    const out = new Float32Array(before.polygons).fill(NaN),
      sums = new Float64Array(before.polygons),
      whole = new Float64Array(before.polygons);
    for (let p = 0; p < layer.polygons; p++) {
      const parent = layer.parent[p],
        value = values[p];
      if (agree) out[parent] = whole[parent]++ === 0 || out[parent] === value ? value : NaN;
      else if (!Number.isNaN(value)) {
        sums[parent] += area[p] * value;
        whole[parent] += area[p];
        out[parent] = sums[parent] / whole[parent];
      }
    }
    return out;
  }
  function from_last(values, agree = false) {
    const of = once_a_layer((layer) =>
      layer === last ? values() : lifted(data.layers[layer.index + 1], of(data.layers[layer.index + 1]), agree),
    );
    return of;
  }

  const ways = data.columns.map(({ name, values, categories }) => ({
    name,
    categories,
    values: from_last(() => values, categories.length > 0),
  }));
  data.outputs.forEach((name, k) => {
    const at_corner = () => {
      const out = new Float32Array(last.places.length / 2),
        [dx, dy] = data.steps;
      for (let p = 0; p < last.polygons; p++) {
        const m = 3 * (p * data.outputs.length + k),
          [a, b, c] = data.maps.subarray(m, m + 3);
        for (let i = last.starts[p]; i < last.starts[p + 1]; i++) {
          out[i] = a * (data.x[0] + last.places[2 * i] * dx) + b * (data.y[0] + last.places[2 * i + 1] * dy) + c;
        }
      }
      return out;
    };
    const means = () => {
      const corners = at_corner();
      return Float32Array.from(polygons(last), (p) => {
        const own = corners.subarray(last.starts[p], last.starts[p + 1]);
        return own.reduce((sum, value) => sum + value, 0) / own.length;
      });
    };
    ways.push({ name: `output ${name}`, categories: [], values: from_last(means), at_corner });
  });
  if (
    data.layers.every((layer) => layer.changes.every((change) => (change & 255) < 2)) &&
    !ways.some(({ name }) => name === "active units")
  ) {
    const active = once_a_layer((layer) => {
      const before = layer.parent && active(data.layers[layer.index - 1]),
        out = new Float32Array(layer.polygons);
      for (let p = 0, here = 0; p < layer.polygons; p++) {
        if (p % 256 === 0) here = 0;
        for (let i = layer.first_change[p]; i < layer.first_change[p + 1]; i++) here += layer.changes[i] & 1 ? 1 : -1;
        out[p] = here + (before ? before[layer.parent[p]] : 0);
      }
      return out;
    });
    ways.push({ name: "active units", categories: [], values: active, own_range: true });
  }
  ways.push({
    name: "distinct colours",
    categories: [],
    distinct: true,
    values: (layer) => Float32Array.from(polygons(layer)),
  });
  return ways;
}

/** {corners: a place from 0 to 1 (or −1) for each corner, table, legend} for a way to colour a layer. */
function colored(data, layer, way, by_rank) {
  const last = data.layers.at(-1),
    corners = new Float32Array(layer.places.length / 2);
  const spread = (values, place) => {
    for (let p = 0; p < layer.polygons; p++)
      corners.fill(Number.isNaN(values[p]) ? -1 : place(values[p]), layer.starts[p], layer.starts[p + 1]);
  };
  const values = way.values(layer);
  if (way.distinct) {
    spread(values, (p) => ((Math.imul(p + 1, 0x9e3779b1) >>> 24) % 256) / 255);
    return { corners, table: pastel_table(), legend: {} };
  }
  if (way.categories.length > 0) {
    const colors = way.categories.map((_, i) => data.categorical[i % data.categorical.length]);
    const digits = Array.from({ length: 256 }, (_, i) => colors[i % colors.length]).join("");
    spread(values, (value) => (value % 256) / 255);
    return { corners, table: table_of(digits), legend: { categories: way.categories, colors } };
  }
  if (way.at_corner && layer === last) {
    const heights = way.at_corner(),
      { place, ...rest } = scale(data, range_of(heights));
    for (let i = 0; i < corners.length; i++) corners[i] = place(heights[i]);
    return { corners, ...rest };
  }
  const reference = way.own_range ? values : way.values(last);
  if (by_rank) {
    const sorted = Float32Array.from(reference).sort(); // NaN come last
    const count = sorted.findLastIndex((value) => !Number.isNaN(value)) + 1;
    const rank = (value) => {
      let low = 0,
        high = count;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle] < value) low = middle + 1;
        else high = middle;
      }
      return count > 1 ? Math.min(low / (count - 1), 1) : 0;
    };
    spread(values, rank);
    const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => [t, sorted[Math.round(t * (count - 1))] ?? NaN]);
    return { corners, table: table_of(data.sequential), legend: { stops } };
  }
  const { place, ...rest } = scale(data, range_of(reference), reference.every((value) => !(value % 1)));
  spread(values, place);
  return { corners, ...rest };
}

/** A diverging map around 0 where there are values of either sign, else a sequential one over the range. */
function scale(data, [low, high], whole = false) {
  const both = low < 0 && high > 0,
    most = Math.max(-low, high);
  if (both) [low, high] = [-most, most];
  const span = high - low || 1;
  // Of counts only counts are told: as many even parts as give whole numbers, four at most.
  const parts = whole ? [4, 3, 2, 1].find((parts) => span % parts === 0) : 4;
  const stops = Array.from({ length: parts + 1 }, (_, i) => [i / parts, low + (i / parts) * (high - low)]);
  return {
    place: (value) => Math.min(Math.max((value - low) / span, 0), 1),
    table: table_of(both ? data.diverging : data.sequential),
    legend: { stops: high > low ? stops : [[0, low]] },
  };
}
