// The part of the plane that is looked at, and the axes around it.

const grid_steps = 2147483647,
  most_zoom = 2 ** 18;

class View {
  constructor(data) {
    this.range = [data.x, data.y];
    this.step = this.range.map(([low, high]) => (high - low) / grid_steps); // of the grid, in the plane
    this.equal = data.equal;
    this.x = this.y = grid_steps / 2;
    this.zoom = 1;
  }
  /** Size in pixels of the page. */
  resize(width, height) {
    this.width = width;
    this.height = height;
    let [x, y] = this.range.map(([low, high], i) => (0.97 * [width, height][i]) / (high - low));
    if (this.equal) x = y = Math.min(x, y);
    this.fitted = [x * this.step[0], y * this.step[1]];
  }
  get sx() {
    return this.fitted[0] * this.zoom;
  }
  get sy() {
    return this.fitted[1] * this.zoom;
  }

  fit() {
    this.x = this.y = grid_steps / 2;
    this.zoom = 1;
  }
  /** The centre stays within the domain: differences from it then fit the shader's whole numbers. */
  pan(dx, dy) {
    const within = (value) => Math.min(Math.max(value, 0), grid_steps);
    this.x = within(this.x - dx / this.sx);
    this.y = within(this.y + dy / this.sy);
  }
  /** What lies at (px, py) stays there. */
  zoom_at(px, py, factor) {
    const [x, y] = this.to_grid(px, py);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), most_zoom);
    this.x = x - (px - this.width / 2) / this.sx;
    this.y = y + (py - this.height / 2) / this.sy;
    this.pan(0, 0);
  }
  to_grid(px, py) {
    return [this.x + (px - this.width / 2) / this.sx, this.y - (py - this.height / 2) / this.sy];
  }
  to_plane([x, y]) {
    return [this.range[0][0] + x * this.step[0], this.range[1][0] + y * this.step[1]];
  }
  /** The same in the pixels of a screen that has `ratio` of them to one of the page. */
  on_screen(ratio) {
    const { x, y, sx, sy, width, height } = this;
    return {
      x,
      y,
      sx: sx * ratio,
      sy: sy * ratio,
      width: Math.round(width * ratio),
      height: Math.round(height * ratio),
    };
  }
}

const superscripts = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power_of_ten = (k) => "10" + [...String(k)].map((c) => superscripts[c]).join("");
const minus = (text) => text.replace("-", "−");

/** A few digits for people: 0.1234, 12.5, 48211, 1.23×10⁷. */
function format_number(value, digits = 5) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not known" : minus(String(value)).replace("Infinity", "∞");
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return minus(String(value));
  if (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e7) return minus(String(Number(value.toPrecision(digits))));
  const [mantissa, exponent] = value.toExponential(digits - 2).split("e");
  return `${minus(String(Number(mantissa)))}×${power_of_ten(Number(exponent))}`;
}

/** Round numbers within [low, high], `most` or so: where they are and what to write; deep down, as steps from a base. */
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1),
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step),
    last = Math.floor(high / step);
  const exponent = Math.floor(Math.log10(step) + 1e-9),
    digits = Math.max(0, -exponent);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const places = Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => (first + i) * step);
  if (digits <= 5 && largest < 1e6)
    return { base: "", ticks: places.map((at) => ({ at, text: minus(at.toFixed(digits)) })) };
  const base = Math.round((low + high) / 2 / step) * step,
    shown = base.toPrecision(Math.min(17, Math.max(1, Math.ceil(Math.log10(largest / step)) + 1)));
  return {
    base:
      base === 0 ? ` (${power_of_ten(exponent)})` : ` = ${minus(String(Number(shown)))} + ${power_of_ten(exponent)} ×`,
    ticks: places.map((at) => ({ at, text: minus(String(Math.round((at - base) / 10 ** exponent))) })),
  };
}

/** Ticks, numbers and names below and to the left of the plot, which lies at (left, top). */
function draw_axes(canvas, view, names, left, top, ink) {
  const context = canvas.getContext("2d"),
    ratio = canvas.width / canvas.clientWidth;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = ink.muted;
  context.strokeStyle = ink.line;
  const bottom = top + view.height,
    [x0, y0] = view.to_plane(view.to_grid(0, view.height)),
    [x1, y1] = view.to_plane(view.to_grid(view.width, 0));
  const across = ticks(x0, x1, view.width / 90),
    up = ticks(y0, y1, view.height / 60);
  context.textAlign = "center";
  context.beginPath();
  for (const { at, text } of across.ticks) {
    const x = left + ((at - x0) / (x1 - x0)) * view.width;
    context.moveTo(x, bottom);
    context.lineTo(x, bottom + 4);
    context.fillText(text, x, bottom + 17);
  }
  context.textAlign = "right";
  for (const { at, text } of up.ticks) {
    const y = bottom - ((at - y0) / (y1 - y0)) * view.height;
    context.moveTo(left, y);
    context.lineTo(left - 4, y);
    context.fillText(text, left - 8, y + 4);
  }
  context.stroke();
  context.textAlign = "center";
  context.fillStyle = ink.ink;
  context.font = context.font.replace("11px", "12px");
  context.fillText(names[0] + across.base, left + view.width / 2, bottom + 35);
  context.translate(13, top + view.height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(names[1] + up.base, 0, 0);
}
