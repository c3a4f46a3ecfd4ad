// The partition that stands in the page: gzip in base64, undone as a stream. unrect/view/explorer.cpp wrote it.

/** Bytes of the arrays, one after the other. */
class ByteReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  take(count) {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  /** Whole numbers below 2³², their lowest bytes first, then all second bytes, … */
  numbers(count) {
    const [a, b, c, d] = [0, 1, 2, 3].map(() => this.take(count));
    const out = new Uint32Array(count);
    for (let i = 0; i < count; i++) out[i] = a[i] | (b[i] << 8) | (c[i] << 16) | (d[i] << 24);
    return out;
  }
  floats(count) {
    return new Float32Array(this.numbers(count).buffer);
  }
  /** Numbers that stand there as differences. */
  sums(count) {
    const out = new Int32Array(this.numbers(count).buffer);
    for (let i = 0, sum = 0; i < count; i++) out[i] = sum = (sum + ((out[i] >>> 1) ^ -(out[i] & 1))) | 0;
    return out;
  }
}

function from_base64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text),
    bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function unpacked_bytes(total, progress) {
  const scripts = document.querySelectorAll("script.data");
  const packed = new ReadableStream({
    pull(stream) {
      const script = (this.next = (this.next ?? -1) + 1);
      if (script === scripts.length) return stream.close();
      stream.enqueue(from_base64(scripts[script].textContent));
      scripts[script].remove(); // the text is larger than what is made of it
    },
  });
  const bytes = new Uint8Array(total),
    reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  let filled = 0;
  for (let part; !(part = await reader.read()).done; filled += part.value.length) {
    bytes.set(part.value, filled);
    progress(filled / total);
  }
  if (filled !== total) throw new Error(`${filled} bytes, expected ${total}`);
  return bytes;
}

function starts_of(sizes) {
  const starts = new Uint32Array(sizes.length + 1);
  for (let i = 0; i < sizes.length; i++) starts[i + 1] = starts[i] + sizes[i];
  return starts;
}

/** One layer's partition. Polygon p has corners starts[p] … starts[p + 1] − 1; `places` holds x, y of each on the grid. */
class Layer {
  constructor(index, shape, reader, points, numbering) {
    this.index = index;
    this.units = shape.units;
    this.polygons = shape.polygons;
    const sizes = reader.numbers(shape.polygons);
    const corners = reader.numbers(shape.corners);
    this.edges = reader.numbers(shape.corners); // (unit + 1) · 2 + (1 if drawn for this polygon)
    this.parent = index > 0 ? reader.sums(shape.polygons) : null;
    this.first_change = starts_of(reader.numbers(shape.polygons));
    this.changes = reader.numbers(shape.changes); // unit · 256 + piece
    this.starts = starts_of(sizes);
    this.places = new Int32Array(2 * shape.corners);
    for (let i = 0; i < shape.corners; i++) {
      const point = corners[i] === 0 ? numbering.next++ : numbering.next - corners[i];
      this.places[2 * i] = points.x[point];
      this.places[2 * i + 1] = points.y[point];
    }
  }

  /** The piece each unit is on in polygon p: changes from polygon to polygon, with a fresh start every 256. */
  pieces(p) {
    const pieces = new Uint8Array(this.units);
    for (let i = this.first_change[p & ~255]; i < this.first_change[p + 1]; i++)
      pieces[this.changes[i] >>> 8] = this.changes[i] & 255;
    return pieces;
  }
  /** Area in steps² of the grid: exact products, differences taken from the first corner. */
  area(p) {
    const { places, starts } = this,
      first = 2 * starts[p],
      x = places[first],
      y = places[first + 1];
    let twice = 0;
    for (let i = first + 2; i + 3 < 2 * starts[p + 1]; i += 2) {
      twice += (places[i] - x) * (places[i + 3] - y) - (places[i + 2] - x) * (places[i + 1] - y);
    }
    return Math.abs(twice) / 2;
  }
  holds(p, x, y) {
    const { places, starts } = this,
      start = starts[p],
      end = starts[p + 1];
    for (let i = start, j = end - 1; i < end; j = i++) {
      const ax = places[2 * j],
        ay = places[2 * j + 1];
      if ((places[2 * i] - ax) * (y - ay) - (places[2 * i + 1] - ay) * (x - ax) < 0) return false;
    }
    return true;
  }
}

/** {layers, first_unit, columns, maps, …the manifest}: what the page shows. */
async function load(progress) {
  const data = JSON.parse(document.getElementById("manifest").textContent);
  const bytes = await unpacked_bytes(data.bytes, progress).catch((error) => {
    throw new Error(`This page's data are damaged: ${error.message}`);
  });
  const reader = new ByteReader(bytes);
  const points = { x: reader.sums(data.points), y: reader.sums(data.points) },
    numbering = { next: 0 };
  const shapes = data.layers;
  data.layers = [];
  for (let l = shapes.length; l-- > 0;) data.layers[l] = new Layer(l, shapes[l], reader, points, numbering);
  data.first_unit = [0];
  for (const layer of data.layers) data.first_unit.push(data.first_unit.at(-1) + layer.units);
  const polygons = data.layers.at(-1).polygons;
  for (const column of data.columns) column.values = reader.floats(polygons);
  data.maps = reader.floats(polygons * data.outputs.length * 3);
  return data;
}
