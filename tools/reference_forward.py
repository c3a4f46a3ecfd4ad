#!/usr/bin/python3
"""Evaluates an ONNX model with plain numpy, independently of unrect: an oracle for its importer.

    reference_forward.py MODEL.onnx X.npy Y.npy [--double] [--cut-softmax]

X holds one sample a row: the graph's inputs, flattened, end to end. So does Y with its outputs. Open extents are 1.
"""
import itertools
import sys

import numpy as np
import onnx
from onnx import numpy_helper

FLOATS = (np.dtype("f2"), np.dtype("f4"), np.dtype("f8"))


def ints(value):
    return [int(v) for v in np.atleast_1d(value)]


def windows(x, kernel, a, ceil=False):
    """Pads, strides, dilations and output extents over the spatial axes."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    pads = list(a.get("pads", [0] * 2 * rank))
    auto = a.get("auto_pad", b"NOTSET").decode()
    out = []
    for k in range(rank):
        n, reach = x.shape[k + 2], dilations[k] * (kernel[k] - 1) + 1
        if auto.startswith("SAME"):
            m = -(-n // strides[k])
            total = max((m - 1) * strides[k] + reach - n, 0)
            small, large = total // 2, total - total // 2
            pads[k], pads[k + rank] = (small, large) if auto == "SAME_UPPER" else (large, small)
        else:
            if auto == "VALID":
                pads[k] = pads[k + rank] = 0
            room = n + pads[k] + pads[k + rank] - reach
            m = (-(-room // strides[k]) if ceil else room // strides[k]) + 1
            if ceil and (m - 1) * strides[k] >= n + pads[k]:
                m -= 1
        out.append(m)
    return strides, dilations, pads, out


def patches(x, kernel, a, fill, ceil=False):
    """(N, C, out…, kernel…): what every window sees, `fill` outside the input."""
    strides, dilations, pads, out = windows(x, kernel, a, ceil)
    rank = len(kernel)
    width = [(0, 0), (0, 0)]
    for k in range(rank):
        last = (out[k] - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1
        width.append((pads[k], max(0, last - x.shape[k + 2] - pads[k])))
    padded = np.pad(x, width, constant_values=fill)
    result = np.empty(x.shape[:2] + tuple(out) + tuple(kernel), x.dtype)
    for place in itertools.product(*(range(n) for n in kernel)):
        cut = tuple(slice(p * d, p * d + (m - 1) * s + 1, s) for p, d, m, s in zip(place, dilations, out, strides))
        result[(Ellipsis,) + place] = padded[(slice(None), slice(None)) + cut]
    return result


def conv(x, w, bias, a):
    groups, rank = a.get("group", 1), w.ndim - 2
    seen = patches(x, list(w.shape[2:]), a, 0)
    per_in, per_out = x.shape[1] // groups, w.shape[0] // groups
    parts = []
    for g in range(groups):
        axes = [1] + list(range(2 + rank, 2 + 2 * rank))
        part = np.tensordot(seen[:, g * per_in : (g + 1) * per_in], w[g * per_out : (g + 1) * per_out],
                            axes=(axes, [1] + list(range(2, 2 + rank))))
        parts.append(np.moveaxis(part, -1, 1))
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias.reshape([1, -1] + [1] * rank)


def conv_transpose(x, w, bias, a):
    """Scatters every input element, the definition of the adjoint of a convolution."""
    rank, groups = w.ndim - 2, a.get("group", 1)
    kernel = w.shape[2:]
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    extra, pads = a.get("output_padding", [0] * rank), a.get("pads", [0] * 2 * rank)
    full = [strides[k] * (x.shape[k + 2] - 1) + dilations[k] * (kernel[k] - 1) + 1 + extra[k] for k in range(rank)]
    per_in, per_out = x.shape[1] // groups, w.shape[1]
    y = np.zeros([x.shape[0], groups * per_out] + full, x.dtype)
    for g in range(groups):
        for pixel in itertools.product(*(range(n) for n in x.shape[2:])):
            for tap in itertools.product(*(range(n) for n in kernel)):
                to = tuple(p * s + t * d for p, s, t, d in zip(pixel, strides, tap, dilations))
                values = x[(slice(None), slice(g * per_in, (g + 1) * per_in)) + pixel]
                weights = w[(slice(g * per_in, (g + 1) * per_in), slice(None)) + tap]
                y[(slice(None), slice(g * per_out, (g + 1) * per_out)) + to] += values @ weights
    cut = tuple(slice(pads[k], full[k] - pads[k + rank]) for k in range(rank))
    y = y[(slice(None), slice(None)) + cut]
    return y if bias is None else y + bias.reshape([1, -1] + [1] * rank)


def pool_kernel(x, a):
    kernel = list(a["kernel_shape"])
    return kernel[1:] if len(kernel) == x.ndim - 1 else kernel  # some exporters list the channels, too


def max_pool(x, a):
    kernel = pool_kernel(x, a)
    seen = patches(x, kernel, a, -np.inf, a.get("ceil_mode", 0))
    return seen.max(axis=tuple(range(x.ndim, x.ndim + len(kernel))))


def average_pool(x, a):
    kernel = pool_kernel(x, a)
    axes = tuple(range(x.ndim, x.ndim + len(kernel)))
    ceil = a.get("ceil_mode", 0)
    total = patches(x, kernel, a, 0, ceil).sum(axis=axes)
    ones = np.ones_like(x)
    if not a.get("count_include_pad", 0):
        return total / patches(ones, kernel, a, 0, ceil).sum(axis=axes)
    rank = len(kernel)
    _, _, pads, out = windows(x, kernel, a, ceil)
    ones = np.pad(ones, [(0, 0), (0, 0)] + [(pads[k], pads[k + rank]) for k in range(rank)], constant_values=1)
    bare = {**a, "pads": [0] * 2 * rank, "auto_pad": b"NOTSET"}
    return total / patches(ones, kernel, bare, 0, ceil).sum(axis=axes)[tuple([...] + [slice(0, m) for m in out])]


def cut_out(x, starts, ends, axes, steps):
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        n = x.shape[axis]
        if step < 0 and end < -n:
            end = None
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def reshape(x, shape, zero_is_zero):
    shape = [x.shape[k] if n == 0 and not zero_is_zero else n for k, n in enumerate(shape)]
    return x.reshape(shape)


def axes_of(a, inputs, position):
    if len(inputs) > position and inputs[position] is not None:
        return tuple(ints(inputs[position]))
    return tuple(a["axes"]) if "axes" in a else None


def reduce(f, x, inputs, a):
    axes = axes_of(a, inputs, 1)
    return x if axes is None and a.get("noop_with_empty_axes", 0) else f(x, axis=axes, keepdims=bool(a.get("keepdims", 1)))


def pad(x, inputs, a):
    pads = ints(inputs[1]) if len(inputs) > 1 else a["pads"]
    fill = inputs[2] if len(inputs) > 2 and inputs[2] is not None else a.get("value", 0.0)
    rank = x.ndim
    crop = tuple(slice(max(0, -pads[k]), x.shape[k] - max(0, -pads[k + rank])) for k in range(rank))
    width = [(max(0, pads[k]), max(0, pads[k + rank])) for k in range(rank)]
    mode = a.get("mode", b"constant").decode()
    return np.pad(x[crop], width, **({"constant_values": fill} if mode == "constant" else {"mode": mode}))


def resize(x, inputs, a, opset):
    old = opset < 11
    scales = a.get("scales")
    if scales is None:
        scales = inputs[1] if old else (inputs[2] if len(inputs) > 2 else None)
    if scales is not None and np.size(scales):
        sizes = [int(np.floor(n * s)) for n, s in zip(x.shape, scales)]
    else:
        sizes = ints(inputs[3])
        scales = [m / n for m, n in zip(sizes, x.shape)]
    place = a.get("coordinate_transformation_mode", b"asymmetric" if old else b"half_pixel").decode()
    rule = a.get("nearest_mode", b"floor" if old else b"round_prefer_floor").decode()
    for axis, (m, s) in enumerate(zip(sizes, scales)):
        n, i = x.shape[axis], np.arange(m, dtype="f8")
        at = {"asymmetric": lambda: i / s, "half_pixel": lambda: (i + 0.5) / s - 0.5,
              "pytorch_half_pixel": lambda: (i + 0.5) / s - 0.5 if m > 1 else 0 * i,
              "align_corners": lambda: i * (n - 1) / (m - 1) if m > 1 else 0 * i}[place]()
        near = {"floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - 0.5),
                "round_prefer_ceil": np.floor(at + 0.5)}[rule]
        x = np.take(x, np.clip(near, 0, n - 1).astype(int), axis=axis)
    return x


def gemm(i, a):
    x = i[0].T if a.get("transA") else i[0]
    w = i[1].T if a.get("transB") else i[1]
    y = a.get("alpha", 1.0) * (x @ w)
    return y + a.get("beta", 1.0) * i[2] if len(i) > 2 and i[2] is not None else y


def batch_norm(i, a):
    x, scale, shift, mean, var = i[:5]
    shape = [1, -1] + [1] * (x.ndim - 2)
    s, b, m, v = (t.reshape(shape) for t in (scale, shift, mean, var))
    return (x - m) / np.sqrt(v + a.get("epsilon", 1e-5)) * s + b


def divide(a, b):
    return a / b if a.dtype in FLOATS else (a / b).astype(a.dtype)


def softmax(x, log):
    e = x - x.max(axis=-1, keepdims=True)
    e = e - np.log(np.exp(e).sum(axis=-1, keepdims=True))
    return e if log else np.exp(e)


def split(i, a, count):
    axis = a.get("axis", 0)
    sizes = ints(i[1]) if len(i) > 1 else a.get("split") or [-(-i[0].shape[axis] // count)] * count
    return np.split(i[0], np.cumsum(sizes)[:-1], axis=axis)


def depth_to_space(x, b, mode):
    n, c, h, w = x.shape
    if mode == b"CRD":
        return x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)
    return x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def space_to_depth(x, b):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


class Reference:
    def __init__(self, path, real, cut_softmax=False):
        self.model = onnx.load(path)
        self.graph = self.model.graph
        self.real = np.dtype(real)
        self.cut = cut_softmax
        self.opset = next(o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx"))
        self.constants = {t.name: self.array(t) for t in self.graph.initializer}
        self.inputs = [(v.name, [d.dim_value or 1 for d in v.type.tensor_type.shape.dim])
                       for v in self.graph.input if v.name not in self.constants]

    def array(self, tensor):
        value = numpy_helper.to_array(tensor)
        return value.astype(self.real) if value.dtype in FLOATS else value

    def attributes(self, node):
        return {a.name: self.array(a.t) if a.type == onnx.AttributeProto.TENSOR else onnx.helper.get_attribute_value(a)
                for a in node.attribute}

    def __call__(self, row):
        values, at = dict(self.constants), 0
        for name, shape in self.inputs:
            size = int(np.prod(shape))
            values[name] = row[at : at + size].astype(self.real).reshape(shape)
            at += size
        assert at == row.size, (at, row.size)
        waiting = list(self.graph.node)
        while waiting:  # some files are not sorted
            ready = [n for n in waiting if all(not i or i in values for i in n.input)]
            assert ready, "a cycle"
            for node in ready:
                result = self.apply(node, [values[i] if i else None for i in node.input])
                result = result if isinstance(result, list) else [result]
                values.update(zip(node.output, result))
            waiting = [n for n in waiting if not any(n is r for r in ready)]
        return np.concatenate([np.ravel(values[o.name]) for o in self.graph.output])

    def apply(self, node, i):
        a, op, x = self.attributes(node), node.op_type, i[0] if i else None
        number = self.real.type
        ops = {
            "Relu": lambda: np.maximum(x, 0), "Abs": lambda: np.abs(x), "Neg": lambda: -x, "Identity": lambda: x,
            "LeakyRelu": lambda: np.where(x < 0, number(a.get("alpha", 0.01)) * x, x),
            "PRelu": lambda: np.where(x < 0, i[1] * x, x),
            "Clip": lambda: np.clip(x, i[1] if len(i) > 1 and i[1] is not None else a.get("min", -np.inf),
                                    i[2] if len(i) > 2 and i[2] is not None else a.get("max", np.inf)).astype(x.dtype),
            "HardSigmoid": lambda: np.clip(number(a.get("alpha", 0.2)) * x + number(a.get("beta", 0.5)), 0, 1),
            "Shrink": lambda: np.where(x < -a["lambd"], x + number(a["bias"]), np.where(x > a["lambd"], x - number(a["bias"]), 0)),
            "ThresholdedRelu": lambda: np.where(x > a.get("alpha", 1.0), x, 0),
            "Max": lambda: np.maximum.reduce(np.broadcast_arrays(*i)), "Min": lambda: np.minimum.reduce(np.broadcast_arrays(*i)),
            "Add": lambda: x + i[1], "Sub": lambda: x - i[1], "Mul": lambda: x * i[1], "Div": lambda: divide(x, i[1]),
            "Sum": lambda: sum(i[1:], x), "Mean": lambda: sum(i[1:], x) / number(len(i)),
            "MatMul": lambda: np.matmul(x, i[1]), "Gemm": lambda: gemm(i, a).astype(x.dtype),
            "BatchNormalization": lambda: batch_norm(i, a).astype(x.dtype),
            "Conv": lambda: conv(x, i[1], i[2] if len(i) > 2 else None, a),
            "ConvTranspose": lambda: conv_transpose(x, i[1], i[2] if len(i) > 2 else None, a),
            "MaxPool": lambda: max_pool(x, a), "AveragePool": lambda: average_pool(x, a),
            "GlobalAveragePool": lambda: x.mean(axis=tuple(range(2, x.ndim)), keepdims=True),
            "GlobalMaxPool": lambda: x.max(axis=tuple(range(2, x.ndim)), keepdims=True),
            "ReduceMean": lambda: reduce(np.mean, x, i, a), "ReduceSum": lambda: reduce(np.sum, x, i, a),
            "ReduceMax": lambda: reduce(np.max, x, i, a), "ReduceMin": lambda: reduce(np.min, x, i, a),
            "Flatten": lambda: x.reshape(int(np.prod(x.shape[: a.get("axis", 1)])), -1),
            "Reshape": lambda: reshape(x, ints(i[1]), a.get("allowzero", 0)),
            "Squeeze": lambda: np.squeeze(x, axes_of(a, i, 1)), "Unsqueeze": lambda: np.expand_dims(x, axes_of(a, i, 1)),
            "Transpose": lambda: np.transpose(x, a.get("perm")), "Concat": lambda: np.concatenate(i, a["axis"]),
            "Slice": lambda: cut_out(x, *([a["starts"], a["ends"], a.get("axes"), None] if "starts" in a else
                                          [ints(v) if v is not None else None for v in (i[1:] + [None] * 4)[:4]])),
            "Split": lambda: split(i, a, len(node.output)), "Gather": lambda: np.take(x, i[1], axis=a.get("axis", 0)),
            "Pad": lambda: pad(x, i, a), "Expand": lambda: x * np.ones(ints(i[1]), x.dtype), "Tile": lambda: np.tile(x, ints(i[1])),
            "Resize": lambda: resize(x, i, a, self.opset), "Upsample": lambda: resize(x, i, a, self.opset),
            "DepthToSpace": lambda: depth_to_space(x, a["blocksize"], a.get("mode", b"DCR")),
            "SpaceToDepth": lambda: space_to_depth(x, a["blocksize"]),
            "Shape": lambda: np.array(x.shape, dtype="i8"), "Size": lambda: np.array(x.size, dtype="i8"),
            "Constant": lambda: a["value"] if "value" in a else np.asarray(next(iter(a.values())),
                                                                          dtype="i8" if "int" in next(iter(a)) else self.real),
            "ConstantOfShape": lambda: np.full(ints(x), np.ravel(a.get("value", np.zeros(1, self.real)))[0]),
            "Range": lambda: np.arange(x, i[1], i[2], dtype=x.dtype), "Equal": lambda: x == i[1],
            "Where": lambda: np.where(x, i[1], i[2]),
            "Cast": lambda: x.astype(self.real if a["to"] in (1, 10, 11) else onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[a["to"]]),
            "Dropout": lambda: [x],
        }
        if op in ("Softmax", "LogSoftmax"):
            return x if self.cut else softmax(x, op == "LogSoftmax")
        return ops[op]()


def main():
    flags = {v for v in sys.argv[1:] if v.startswith("--")}
    path, samples, out = [v for v in sys.argv[1:] if not v.startswith("--")]
    reference = Reference(path, "f8" if "--double" in flags else "f4", "--cut-softmax" in flags)
    np.save(out, np.stack([reference(row) for row in np.load(samples)]))


if __name__ == "__main__":
    main()
