// A layer made ready for drawing: triangles, lines, and chunks of both with a box around each.

const polygons_in_chunk = 256,
  crowd_chunks = 16,
  lines_in_row = 2048;

/** Boxes around runs of items, to skip what the view does not meet. */
class Chunks {
  constructor(most) {
    this.boxes = new Int32Array(4 * most);
    this.starts = new Uint32Array(most + 1);
    this.distances = new Float64Array(most); // between lines; 0 for polygons
    this.count = 0;
  }
  open(start) {
    this.starts[this.count] = start;
    this.boxes.set([0x7fffffff, 0x7fffffff, -1, -1], 4 * this.count++);
  }
  close(end) {
    this.starts[this.count] = end;
  }
  include(x, y) {
    const { boxes } = this,
      at = 4 * this.count - 4;
    if (x < boxes[at]) boxes[at] = x;
    if (y < boxes[at + 1]) boxes[at + 1] = y;
    if (x > boxes[at + 2]) boxes[at + 2] = x;
    if (y > boxes[at + 3]) boxes[at + 3] = y;
  }
  meets(chunk, [x0, y0, x1, y1]) {
    const { boxes } = this,
      at = 4 * chunk;
    return boxes[at] <= x1 && boxes[at + 1] <= y1 && boxes[at + 2] >= x0 && boxes[at + 3] >= y0;
  }
  /** Calls draw(first item, items) for runs that cover the chunks that meet the box and have lines far enough apart. */
  each_run(box, least, draw) {
    let first = -1;
    for (let chunk = 0; chunk <= this.count; chunk++) {
      const wanted = chunk < this.count && this.distances[chunk] >= least && this.meets(chunk, box);
      if (wanted && first < 0) first = chunk;
      if (!wanted && first >= 0) {
        draw(this.starts[first], this.starts[chunk] - this.starts[first]);
        first = -1;
      }
    }
  }
}

function chunks_of_polygons(layer) {
  const chunks = new Chunks(Math.ceil(layer.polygons / polygons_in_chunk));
  const { starts, places } = layer;
  for (let p = 0; p < layer.polygons; p++) {
    if (p % polygons_in_chunk === 0) chunks.open(p);
    for (let i = starts[p]; i < starts[p + 1]; i++) chunks.include(places[2 * i], places[2 * i + 1]);
  }
  chunks.close(layer.polygons);
  return chunks;
}

/** Calls take(polygon, corner, next corner, unit) for each edge that this layer made. */
function each_drawn_edge(layer, take) {
  for (let p = 0; p < layer.polygons; p++) {
    const start = layer.starts[p],
      end = layer.starts[p + 1];
    for (let i = start; i < end; i++) {
      if (layer.edges[i] & 1) take(p, i, i + 1 < end ? i + 1 : start, (layer.edges[i] >>> 1) - 1);
    }
  }
}

/** Lines for the GPU: x, y, x, y of each, and how far such lines are apart. Whole rows of a texture. */
class Lines {
  constructor(count) {
    this.count = count;
    this.rows = Math.max(Math.ceil(count / lines_in_row), 1);
    this.ends = new Int32Array(4 * lines_in_row * this.rows);
    this.distances = new Int32Array(lines_in_row * this.rows);
  }
  static of(ends) {
    const lines = new Lines(ends.length / 4);
    lines.ends.set(ends);
    return lines;
  }
}

/** How far lines are apart around each chunk of polygons: the root of the mean area, over a few chunks so that it is smooth. */
function distances_of(layer) {
  const group = crowd_chunks * polygons_in_chunk,
    distances = [];
  for (let first = 0; first < layer.polygons; first += group) {
    const end = Math.min(first + group, layer.polygons);
    let area = 0;
    for (let p = first; p < end; p++) area += layer.area(p);
    distances.push(Math.sqrt(area / (end - first)) | 0);
  }
  return distances;
}

/** The edges that this layer made, in chunks that go with those of the polygons. */
function drawn_edges(layer) {
  let count = 0;
  each_drawn_edge(layer, () => count++);
  const lines = new Lines(count),
    chunks = new Chunks(Math.ceil(layer.polygons / polygons_in_chunk)),
    { places } = layer;
  const distances = distances_of(layer);
  let line = 0;
  each_drawn_edge(layer, (p, i, j, unit) => {
    while (p >= chunks.count * polygons_in_chunk) {
      chunks.open(line);
      chunks.distances[chunks.count - 1] = distances[Math.floor((chunks.count - 1) / crowd_chunks)];
    }
    if (unit < 0) chunks.distances[chunks.count - 1] = 0x7fffffff; // the border is never crowded
    lines.distances[line] = unit < 0 ? 0x7fffffff : distances[Math.floor(p / (crowd_chunks * polygons_in_chunk))];
    for (const [k, corner] of [i, j].entries()) {
      lines.ends[4 * line + 2 * k] = places[2 * corner];
      lines.ends[4 * line + 2 * k + 1] = places[2 * corner + 1];
      chunks.include(places[2 * corner], places[2 * corner + 1]);
    }
    line++;
  });
  chunks.close(count);
  return { lines, chunks };
}

/** Triangles of all polygons: fans around their first corners. Polygon p's start at 3 (starts[p] − 2p). */
function fans(layer) {
  const { starts } = layer,
    triangles = new Uint32Array(3 * (starts[layer.polygons] - 2 * layer.polygons));
  let at = 0;
  for (let p = 0; p < layer.polygons; p++) {
    for (let i = starts[p] + 1; i + 1 < starts[p + 1]; i++) {
      triangles[at++] = starts[p];
      triangles[at++] = i;
      triangles[at++] = i + 1;
    }
  }
  return triangles;
}
