// A layer made ready for drawing: triangles, lines, and chunks of both with a box around each.

const polygons_in_chunk = 256,
  lines_in_row = 2048;

/** Boxes around runs of items, to skip what the view does not meet. */
class Chunks {
  constructor(most) {
    this.boxes = new Int32Array(4 * most);
    this.starts = new Uint32Array(most + 1);
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
  /** Calls draw(first item, items) for runs that cover the chunks that meet the box, of each those before end_of(chunk). */
  each_run(box, draw, end_of = (chunk) => this.starts[chunk + 1]) {
    let first = 0,
      end = 0;
    for (let chunk = 0; chunk < this.count; chunk++) {
      if (!this.meets(chunk, box)) continue;
      if (this.starts[chunk] !== end) {
        if (end > first) draw(first, end - first);
        first = this.starts[chunk];
      }
      end = end_of(chunk);
    }
    if (end > first) draw(first, end - first);
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

/** Lines for the GPU: x, y, x, y of each, and how much room there is beside it. Whole rows of a texture. */
class Lines {
  constructor(count) {
    this.count = count;
    this.rows = Math.max(Math.ceil(count / lines_in_row), 1);
    this.ends = new Int32Array(4 * lines_in_row * this.rows);
    this.room = new Int32Array(lines_in_row * this.rows);
  }
  static of(ends) {
    const lines = new Lines(ends.length / 4);
    lines.ends.set(ends);
    return lines;
  }
}

/** Finds the line that runs between two places, the other way round: how the polygon on its other side has it. */
class LinesByEnds {
  constructor(lines) {
    this.ends = lines.ends;
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * lines.count + 2))); // a line's number + 1, 0 for none
  }
  slot_of(ax, ay, bx, by) {
    let hash = Math.imul(ax, 0x9e3779b1) ^ Math.imul(ay, 0x85ebca6b);
    hash ^= Math.imul(bx, 0xc2b2ae35) ^ Math.imul(by, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) & (this.slots.length - 1);
  }
  add(line) {
    const { ends, slots } = this,
      at = 4 * line;
    let slot = this.slot_of(ends[at], ends[at + 1], ends[at + 2], ends[at + 3]);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = line + 1;
  }
  find(ax, ay, bx, by) {
    const { ends, slots } = this;
    for (let slot = this.slot_of(ax, ay, bx, by); slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const at = 4 * slots[slot] - 4;
      if (ends[at] === ax && ends[at + 1] === ay && ends[at + 2] === bx && ends[at + 3] === by) return slots[slot] - 1;
    }
    return -1;
  }
}

/**
 * The edges that this layer made, in chunks that go with those of the polygons; within each those with most room first. An
 * edge has as much room as the larger of the two polygons beside it, the root of its area: a large polygon keeps its whole
 * outline, and how dark an edge is drawn has nothing to do with the chunk that it lies in.
 */
function drawn_edges(layer) {
  let count = 0;
  each_drawn_edge(layer, () => count++);
  const lines = new Lines(count),
    chunks = new Chunks(Math.ceil(layer.polygons / polygons_in_chunk)),
    { ends, room } = lines,
    { places, starts } = layer,
    by_ends = new LinesByEnds(lines);
  let line = 0;
  for (let p = 0; p < layer.polygons; p++) {
    if (p % polygons_in_chunk === 0) chunks.open(line);
    const own = Math.sqrt(layer.area(p)) | 0;
    for (let i = starts[p]; i < starts[p + 1]; i++) {
      const j = i + 1 < starts[p + 1] ? i + 1 : starts[p];
      const [ax, ay, bx, by] = [places[2 * i], places[2 * i + 1], places[2 * j], places[2 * j + 1]];
      if ((layer.edges[i] & 1) === 0) {
        const other = by_ends.find(bx, by, ax, ay);
        if (other >= 0 && room[other] < own) room[other] = own;
        continue;
      }
      ends.set([ax, ay, bx, by], 4 * line);
      room[line] = layer.edges[i] >>> 1 === 0 ? 0x7fffffff : own; // the border is never crowded
      chunks.include(ax, ay);
      chunks.include(bx, by);
      by_ends.add(line++);
    }
  }
  chunks.close(count);
  for (let chunk = 0; chunk < chunks.count; chunk++)
    most_room_first(lines, chunks.starts[chunk], chunks.starts[chunk + 1]);
  return { lines, chunks };
}

function most_room_first({ ends, room }, start, end) {
  const keys = new Float64Array(end - start); // room and place in one number, which sorts faster than pairs
  for (let i = start; i < end; i++) keys[i - start] = (0x7fffffff - room[i]) * 0x200000 + (i - start);
  keys.sort();
  const old_ends = ends.slice(4 * start, 4 * end),
    old_room = room.slice(start, end);
  for (let i = start; i < end; i++) {
    const from = keys[i - start] % 0x200000;
    ends.set(old_ends.subarray(4 * from, 4 * from + 4), 4 * i);
    room[i] = old_room[from];
  }
}

/** The first of the lines start … end − 1, sorted so, that has less than so much room. */
function end_of_room({ room }, start, end, least) {
  while (start < end) {
    const middle = (start + end) >>> 1;
    if (room[middle] >= least) start = middle + 1;
    else end = middle;
  }
  return start;
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
