// Drawing with WebGL 2. Corners stay whole numbers on the grid up to the shader, which takes the view's centre away from
// them without rounding: deep zooms stay sharp. Each layer lies in static buffers, in chunks with a box around each, so that
// a view draws only the chunks it meets, and only the edges that do not crowd.

const shared_source = `#version 300 es
precision highp float; precision highp int;
uniform ivec2 centre; uniform vec2 offset, scale, half_size;
vec2 pixels(ivec2 corner) { return (vec2(corner - centre) - offset) * scale; }
`;

const fill_vertex =
  shared_source +
  `
layout(location = 0) in ivec2 corner; layout(location = 1) in float value; out float t;
void main() { t = value; gl_Position = vec4(pixels(corner) / half_size, 0, 1); }`;

const fill_fragment = `#version 300 es
precision highp float; uniform sampler2D table; uniform vec3 unknown; in float t; out vec4 color;
void main() {
  color = t < -0.5 ? vec4(unknown, 1) : texelFetch(table, ivec2(int(clamp(t, 0., 1.) * 255. + .5), 0), 0);
}`;

// A line is a rectangle, one pixel wider than it looks: the last half pixel on each side fades. So do lines without room.
// Its ends come from a texture: instances of four corners each would keep a GPU waiting.
const line_vertex =
  shared_source +
  `
uniform highp isampler2D lines, room; uniform float width, cap; uniform vec2 fade; out float side, strength;
void main() {
  int line = gl_VertexID / 6, corner = gl_VertexID % 6;
  corner = corner < 3 ? corner : 6 - corner;  // two triangles: 0 1 2, 3 2 1
  ivec2 texel = ivec2(line % ${lines_in_row}, line / ${lines_in_row});
  ivec4 ends = texelFetch(lines, texel, 0);
  vec2 p = pixels(ends.xy), q = pixels(ends.zw), d = q - p;
  float length_px = length(d);
  vec2 along = length_px > 0. ? d / length_px : vec2(1, 0), across = vec2(-along.y, along.x);
  float reach = width * .5 + .5;
  side = (corner & 2) == 0 ? -reach : reach;
  strength = smoothstep(fade.x, fade.y, float(texelFetch(room, texel, 0).x) * max(scale.x, scale.y));
  vec2 at = (corner & 1) == 0 ? p - along * cap : q + along * cap;
  gl_Position = vec4((at + across * side) / half_size, 0, 1);
}`;

const line_fragment = `#version 300 es
precision highp float; uniform float width; uniform vec4 ink; in float side, strength; out vec4 color;
void main() {
  float alpha = ink.a * strength * clamp(width * .5 + .5 - abs(side), 0., 1.);
  color = vec4(ink.rgb * alpha, alpha);
}`;

// The whole domain from a picture of it.
const picture_vertex =
  shared_source +
  `
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(pixels(ivec2(at.x > .5 ? 0x7fffffff : 0, at.y > .5 ? 0x7fffffff : 0)) / half_size, 0, 1);
}`;

const picture_fragment = `#version 300 es
precision highp float; uniform sampler2D table; in vec2 at; out vec4 color;
void main() { color = texture(table, at); }`;

const fade_from = 1 << 14,
  no_fade = [-2, -1]; // from so many edges of a layer on they fade
const picture_from = 1 << 16,
  picture_side = 4096; // from so many polygons on they are drawn into a picture first

/** Where the processor draws, smoothing costs more than it gives: lines are smooth by themselves. */
function drawn_in_software() {
  const gl = document.createElement("canvas").getContext("webgl2"),
    names = gl?.getExtension("WEBGL_debug_renderer_info");
  return /swiftshader|llvmpipe|basic render/i.test(
    gl?.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER),
  );
}

class Plot {
  /** Throws where there is no WebGL 2. */
  constructor(canvas) {
    const gl = (this.gl = canvas.getContext("webgl2", { alpha: false, antialias: !drawn_in_software() }));
    if (!gl) throw new Error("This page draws with WebGL 2, which this browser does not offer.");
    this.fill = this.program(fill_vertex, fill_fragment);
    this.line = this.program(line_vertex, line_fragment);
    this.copy = this.program(picture_vertex, picture_fragment);
    this.layers = new Map(); // what lies on the GPU, made when first shown
    this.strokes = this.line_textures(new Lines(0));
    this.no_corners = gl.createVertexArray();
    this.table = this.texture(gl.NEAREST, gl.NEAREST);
    this.picture = { side: Math.min(picture_side, gl.getParameter(gl.MAX_TEXTURE_SIZE)) };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  program(vertex, fragment) {
    const { gl } = this,
      program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const uniforms = {};
    for (let i = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i-- > 0;) {
      const { name } = gl.getActiveUniform(program, i);
      uniforms[name] = gl.getUniformLocation(program, name);
    }
    return { program, uniforms };
  }

  texture(small, large) {
    const { gl } = this,
      texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, small);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, large);
    for (const key of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, key, gl.CLAMP_TO_EDGE);
    return texture;
  }

  buffer(target, content, usage = this.gl.STATIC_DRAW) {
    const buffer = this.gl.createBuffer();
    this.gl.bindBuffer(target, buffer);
    this.gl.bufferData(target, content, usage);
    return buffer;
  }

  /** Textures that hold lines; `into` are older ones to use again. */
  line_textures({ ends, room, rows }, into = [1, 2].map(() => this.texture(this.gl.NEAREST, this.gl.NEAREST))) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, into[0]);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32I, lines_in_row, rows, 0, gl.RGBA_INTEGER, gl.INT, ends);
    gl.bindTexture(gl.TEXTURE_2D, into[1]);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32I, lines_in_row, rows, 0, gl.RED_INTEGER, gl.INT, room);
    return into;
  }

  edges_on_gpu(layer) {
    const own = this.on_gpu(layer);
    if (!own.edges) {
      const { lines, chunks } = drawn_edges(layer);
      own.edges = { textures: this.line_textures(lines), lines, chunks };
    }
    return own.edges;
  }

  on_gpu(layer) {
    if (!this.layers.has(layer)) this.layers.set(layer, {});
    return this.layers.get(layer);
  }

  polygons_on_gpu(layer) {
    const { gl } = this,
      own = this.on_gpu(layer);
    if (own.polygons) return own.polygons;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    this.buffer(gl.ARRAY_BUFFER, layer.places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribIPointer(0, 2, gl.INT, 0, 0);
    const values = this.buffer(gl.ARRAY_BUFFER, layer.places.byteLength / 2, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 1, gl.FLOAT, false, 0, 0);
    this.buffer(gl.ELEMENT_ARRAY_BUFFER, fans(layer));
    gl.bindVertexArray(null);
    return (own.polygons = { array, values, chunks: chunks_of_polygons(layer) });
  }

  /** The polygon of the layer at a place on the grid, or −1. */
  pick(layer, x, y) {
    const { chunks } = this.polygons_on_gpu(layer);
    for (let chunk = 0; chunk < chunks.count; chunk++) {
      if (!chunks.meets(chunk, [x, y, x, y])) continue;
      for (let p = chunks.starts[chunk]; p < chunks.starts[chunk + 1]; p++) if (layer.holds(p, x, y)) return p;
    }
    return -1;
  }

  /** values: for each corner of the layer, its place in the table from 0 to 1, or −1 for not known. */
  color(layer, values, table) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.polygons_on_gpu(layer).values);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    gl.bindTexture(gl.TEXTURE_2D, this.table);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
    this.picture.layer = null;
  }

  use({ program, uniforms }, view) {
    const { gl } = this,
      x = Math.floor(view.x),
      y = Math.floor(view.y);
    gl.useProgram(program);
    gl.uniform2i(uniforms.centre, x, y);
    gl.uniform2f(uniforms.offset, view.x - x, view.y - y);
    gl.uniform2f(uniforms.scale, view.sx, view.sy);
    gl.uniform2f(uniforms.half_size, view.width / 2, view.height / 2);
  }

  /** view: centre x, y on the grid, pixels a step sx, sy, size in pixels. */
  look(view) {
    const dx = view.width / 2 / view.sx,
      dy = view.height / 2 / view.sy;
    this.view = view;
    this.box = [view.x - dx, view.y - dy, view.x + dx, view.y + dy];
    this.gl.viewport(0, 0, view.width, view.height);
  }

  begin(view, background) {
    this.look(view);
    this.gl.clearColor(...background, 1);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT);
  }

  /**
   * The polygons; those without a value in the color `unknown`. Many of them are drawn once into a picture of the whole
   * domain, which then serves all views that are not closer than it.
   */
  draw_polygons(layer, unknown) {
    const { gl, picture, view } = this,
      steps = 0x7fffffff;
    const close = Math.max(view.sx, view.sy) * steps > picture.side;
    if (close || layer.polygons < picture_from) return this.draw_all_polygons(layer, unknown);
    if (picture.layer !== layer) {
      const { side } = picture;
      if (!picture.texture) {
        picture.texture = this.texture(gl.LINEAR_MIPMAP_LINEAR, gl.LINEAR);
        gl.texStorage2D(gl.TEXTURE_2D, Math.log2(side) + 1, gl.RGBA8, side, side);
        picture.frame = gl.createFramebuffer();
        gl.bindFramebuffer(gl.FRAMEBUFFER, picture.frame);
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, picture.texture, 0);
      }
      gl.bindFramebuffer(gl.FRAMEBUFFER, picture.frame);
      this.begin(
        { x: steps / 2, y: steps / 2, sx: side / steps, sy: side / steps, width: side, height: side },
        unknown,
      );
      this.draw_all_polygons(layer, unknown);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.bindTexture(gl.TEXTURE_2D, picture.texture);
      gl.generateMipmap(gl.TEXTURE_2D);
      picture.layer = layer;
      this.look(view);
    }
    this.use(this.copy, view);
    gl.bindVertexArray(this.no_corners);
    gl.bindTexture(gl.TEXTURE_2D, picture.texture);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  draw_all_polygons(layer, unknown) {
    const { gl } = this,
      { array, chunks } = this.polygons_on_gpu(layer),
      { starts } = layer;
    this.use(this.fill, this.view);
    gl.uniform3f(this.fill.uniforms.unknown, ...unknown);
    gl.bindTexture(gl.TEXTURE_2D, this.table);
    gl.bindVertexArray(array);
    chunks.each_run(this.box, (p, count) => {
      const first = starts[p] - 2 * p,
        end = starts[p + count] - 2 * (p + count);
      gl.drawElements(gl.TRIANGLES, 3 * (end - first), gl.UNSIGNED_INT, 12 * first);
    });
  }

  line_style({ ink, width, cap = 0, fade = no_fade }) {
    const { gl } = this,
      { uniforms } = this.line;
    this.use(this.line, this.view);
    gl.uniform4f(uniforms.ink, ...ink);
    gl.uniform1f(uniforms.width, width);
    gl.uniform1f(uniforms.cap, cap);
    gl.uniform2f(uniforms.fade, ...fade);
    gl.uniform1i(uniforms.room, 1);
  }

  draw_run(textures, first, count) {
    const { gl } = this;
    gl.bindVertexArray(this.no_corners);
    textures.forEach((texture, i) => {
      gl.activeTexture(gl.TEXTURE0 + i);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.activeTexture(gl.TEXTURE0);
    gl.drawArrays(gl.TRIANGLES, 6 * first, 6 * count);
  }

  /** The edges that the layer made; where there are many, those fade that have less room in pixels than `fade` says. */
  draw_edges(layer, { fade, ...style }) {
    const { textures, lines, chunks } = this.edges_on_gpu(layer),
      many = chunks.starts[chunks.count] > fade_from;
    this.line_style({ ...style, fade: many ? fade : no_fade });
    const least = fade[0] / Math.max(this.view.sx, this.view.sy);
    chunks.each_run(
      this.box,
      (first, count) => this.draw_run(textures, first, count),
      many ? (chunk) => end_of_room(lines, chunks.starts[chunk], chunks.starts[chunk + 1], least) : undefined,
    );
  }

  /** A few lines. */
  draw_lines(lines, style) {
    this.line_textures(lines, this.strokes);
    this.line_style(style);
    this.draw_run(this.strokes, 0, lines.count);
  }
}
