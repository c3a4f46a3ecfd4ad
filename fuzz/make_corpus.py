#!/usr/bin/python3
"""Writes the seed corpora of the fuzz targets: small files that reach every branch of a reader. Run from anywhere."""
import base64
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent / "corpus"


def put(target, name, data):
    (HERE / target).mkdir(parents=True, exist_ok=True)
    (HERE / target / name).write_bytes(data)


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version=version)
    return out.getvalue()


def npz(save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()


def idx(code, array):
    head = bytes([0, 0, code, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def arrays():
    for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
        put("npy", code, npy(np.arange(6).reshape(2, 3).astype("<" + code)))
    put("npy", "big", npy(np.arange(6).reshape(2, 3).astype(">f8")))
    put("npy", "fortran", npy(np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))))
    put("npy", "scalar", npy(np.float64(1)))
    put("npy", "empty", npy(np.zeros((2, 0))))
    put("npy", "version2", npy(np.arange(3.0), (2, 0)))
    put("npy", "version3", npy(np.arange(3.0), (3, 0)))
    two = {"W0": np.arange(6.0).reshape(2, 3), "b0": np.ones(2, dtype="f4")}
    put("npz", "stored", npz(np.savez, **two))
    put("npz", "deflated", npz(np.savez_compressed, **two))
    put("npz", "empty", npz(np.savez))
    for code, kind in [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]:
        put("idx", kind, idx(code, np.arange(6).reshape(2, 3).astype(kind)))
    put("idx", "gzip", gzip.compress(idx(8, np.arange(64, dtype="u1").reshape(1, 8, 8)), mtime=0))


def certificates():
    steps = {"kind": [1, 0, 0], "node": [0, 0, 0], "unit": [0, 0, 0], "at": [0.0, 0.0, 0.0], "multipliers": [1.0, 1.0]}
    put("certificate", "file", npz(np.savez, format=np.array([1]), fingerprints=np.arange(3),
                                   **{name: np.array(values) for name, values in steps.items()}))
    put("certificate", "witness", npz(np.savez, format=np.array([1]), fingerprints=np.arange(3), witness=np.ones(2),
                                      **{name: np.array(values)[:0] for name, values in steps.items()}))
    step = struct.pack("<d", 0)  # as the target reads it: how many steps, (place, kind, node, unit) each, multipliers
    put("certificate", "steps", bytes([3]) + step + bytes([1, 0, 0]) + 2 * (step + bytes(3)) + struct.pack("<2d", 1, 1))
    put("certificate", "units", bytes([3]) + step + bytes([1, 2, 1]) + 2 * (step + bytes(3)) + struct.pack("<4d", 1, 1, 1, 1))


def model(name, shape, nodes, opset=13, **constants):
    """Nodes are (op, inputs, outputs, attributes); the input is x, the output y."""
    initializers = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(
        [helper.make_node(op, inputs.split(), outputs.split(), **attributes) for op, inputs, outputs, attributes in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    put("onnx", name, made.SerializeToString())


def f(*shape):
    return (np.arange(int(np.prod(shape))).reshape(shape) * 0.5 - 1).astype("f4")


def i(*values):
    return np.array(values, dtype="i8")


def models():
    image = ["N", 2, 5, 4]
    for op in ["Relu", "Abs", "Neg", "Identity", "Dropout", "Flatten", "GlobalMaxPool", "GlobalAveragePool", "Softmax", "Tanh"]:
        model(op, image, [(op, "x", "y", {})])
    model("LeakyRelu", [3], [("LeakyRelu", "x", "y", {"alpha": 0.1})])
    model("HardSigmoid", [3], [("HardSigmoid", "x", "y", {"alpha": 0.5})])
    model("Shrink", [3], [("Shrink", "x", "y", {"lambd": 0.5, "bias": 0.5})])
    model("PRelu", image, [("PRelu", "x s", "y", {})], s=f(2, 1, 1))
    model("Clip", [3], [("Clip", "x a b", "y", {})], a=np.float32(-1), b=np.float32(1))
    model("Clip6", [3], [("Clip", "x", "y", {"min": 0.0, "max": 6.0})], 7)
    model("Max", [3], [("Max", "x a", "t", {}), ("Neg", "x", "n", {}), ("Min", "t n a", "y", {})], a=f(3))
    model("Arithmetic", [2, 3], [("Add", "x a", "p", {}), ("Mul", "p b", "q", {}), ("Sub", "a q", "r", {}), ("Div", "r b", "s", {}), ("Sum", "s x a", "t", {}), ("Mean", "t x", "y", {})], a=f(3) + 9, b=f(2, 1) + 7)
    model("Gemm", [1, 3], [("Gemm", "x w b", "y", {"alpha": 0.5, "beta": 2.0, "transB": 1})], w=f(4, 3), b=f(4))
    model("GemmLeft", [3, 2], [("Gemm", "w x", "y", {"transA": 1})], w=f(3, 4))
    model("MatMul", [2, 2, 3], [("MatMul", "x w", "t", {}), ("MatMul", "v t", "y", {})], w=f(3, 4), v=f(2, 5, 2))
    model("MatMul1", [4], [("MatMul", "x w", "t", {}), ("MatMul", "t v", "y", {})], w=f(4, 3), v=f(3))
    model("BatchNormalization", image, [("BatchNormalization", "x s b m v", "y", {})], s=f(2), b=f(2), m=f(2), v=f(2) + 2)
    model("Conv", image, [("Conv", "x w b", "y", {"pads": [1, 0, 1, 0], "strides": [2, 1], "group": 2})], w=f(4, 1, 3, 2), b=f(4))
    model("Conv1", ["N", 2, 6], [("Conv", "x w", "y", {"dilations": [2], "auto_pad": "SAME_UPPER"})], w=f(3, 2, 2))
    model("ConvTranspose", image, [("ConvTranspose", "x w", "y", {"strides": [2, 2], "pads": [1, 1, 0, 0], "output_padding": [1, 0]})], w=f(2, 3, 2, 2))
    model("MaxPool", image, [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 0, 0, 0]})])
    model("AveragePool", image, [("AveragePool", "x", "y", {"kernel_shape": [3, 2], "pads": [1, 1, 1, 1], "count_include_pad": 0})])
    model("ReduceMean", [2, 3, 4], [("ReduceMean", "x", "t", {"axes": [1], "keepdims": 0}), ("ReduceSum", "t a", "u", {}), ("ReduceMax", "u", "v", {"axes": [0]}), ("ReduceMin", "v", "y", {})], a=i(-1))
    model("Layout", [2, 3, 4], [("Transpose", "x", "a", {"perm": [2, 0, 1]}), ("Reshape", "a r", "b", {}), ("Slice", "b s e ax st", "c", {}), ("Concat", "c c", "d", {"axis": 0}), ("Unsqueeze", "d u", "g", {}), ("Squeeze", "g u", "h", {}), ("Gather", "h idx", "y", {"axis": 1})], r=i(0, -1), s=i(-1), e=i(-9), ax=i(1), st=i(-2), u=i(0), idx=i(1, -1))
    model("Split", [6], [("Split", "x n", "a b", {}), ("Concat", "b a", "y", {"axis": -1})], n=i(2, 4))
    model("Pad", [2, 3], [("Pad", "x p v", "a", {}), ("Pad", "a p", "b", {"mode": "reflect"}), ("Pad", "b p", "y", {"mode": "edge"})], p=i(1, 0, -1, 2), v=np.float32(3))
    model("Expand", [2, 1], [("Expand", "x s", "a", {}), ("Tile", "a t", "y", {})], s=i(3, 2, 4), t=i(1, 2, 1))
    model("Resize", image, [("Resize", "x e s", "y", {"mode": "nearest"})], e=f(0), s=np.array([1, 1, 2, 1.5], "f4"))
    model("Resize2", image, [("Resize", "x e e z", "y", {"coordinate_transformation_mode": "align_corners", "nearest_mode": "floor"})], e=f(0), z=i(1, 2, 3, 8))
    model("Upsample", image, [("Upsample", "x s", "y", {})], 9, s=np.array([1, 1, 2, 2], "f4"))
    model("DepthToSpace", ["N", 4, 2, 2], [("DepthToSpace", "x", "a", {"blocksize": 2}), ("SpaceToDepth", "a", "y", {"blocksize": 2})])
    model("ShapeChain", ["N", 2, 3], [("Shape", "x", "s", {}), ("Gather", "s z", "b", {}), ("Unsqueeze", "b z1", "c", {}), ("Concat", "c m", "d", {"axis": 0}), ("Reshape", "x d", "y", {})], z=np.int64(0), z1=i(0), m=i(-1))
    model("Constants", [3], [("Constant", "", "c", {"value_floats": [1.0, 2.0, 3.0]}), ("ConstantOfShape", "n", "k", {}), ("Range", "a b d", "r", {}), ("Cast", "r", "q", {"to": 1}), ("Equal", "q c", "w", {}), ("Where", "w x k", "y", {})], n=i(3), a=np.int64(1), b=np.int64(7), d=np.int64(2))
    model("DequantizeLinear", [3, 2], [("DequantizeLinear", "q s z", "w", {"axis": 0}), ("Gemm", "w x", "y", {})], q=np.array([[1, -2, 3], [4, 5, -6]], "i1"), s=f(2) + 2, z=np.array([1, -1], "i1"))
    model("DequantizeVariable", [2], [("DequantizeLinear", "q x", "y", {})], q=np.array([[1, -2]], "i1"))
    model("Softmax7", [1, 3], [("Gemm", "x w", "h", {}), ("Relu", "h", "r", {}), ("LogSoftmax", "r", "y", {})], 7, w=f(3, 2))


def properties():
    declared = "".join(f"(declare-const {name} Real)\n" for name in ["X_0", "X_1", "Y_0", "Y_1"])
    box = "; inputs\n(assert (<= X_0 0.5))\n(assert (>= X_0 -1e-3))\n(assert (and (<= X_1 2) (<= (- 2.5) X_1)))\n"
    for name, unsafe in {
        "everything": "",
        "least": "(assert (<= Y_0 Y_1))\n",
        "either": "(assert (or (and (<= Y_0 Y_1) (>= Y_0 0)) (<= Y_1 .25)))\n",
        "mixed": "(assert (or (and (<= X_0 0) (<= Y_0 1)) (and (>= X_0 0) (or (<= Y_1 1) (>= Y_1 2)))))\n",
        "shared": "(assert (or (and (<= X_0 0) (<= Y_0 1)) (and (<= X_0 0) (<= Y_1 1))))\n",
        "linear": "(assert (<= (+ X_0 (* 2 X_1 3) (- X_1)) (- 1 X_0 2)))(assert (>= (* (- Y_0 1) -2) (+ 1 (* 0 Y_1))))\n",
        "product": "(assert (or (<= Y_0 0) (<= Y_1 0)))\n" * 4,
        "empty": "(assert (or (<= X_0 -1) (<= 1 0)))\n",
    }.items():
        put("vnnlib", name, (declared + box + unsafe).encode())
    put("vnnlib", "gzip", gzip.compress((declared + box).encode(), mtime=0))


def solutions():
    put("mip_solution", "cbc", b"Optimal - objective value -1.5\n      0 x_0   0.25   0\n**    3 d_1_0   1   0.5\n")
    for kind, result, status, dual in (("mip", "o", "", ""), ("ipt", "f", "", " 0"), ("bas", "f f", "b ", " 0")):
        columns = "".join(f"j {j} {status}{j / 4}{dual}\n" for j in range(1, 6))
        put("mip_solution", kind, f"c Problem:\nc\ns {kind} 1 5 {result} -1.5\ni 1 {status}0{dual}\n{columns}e o f\n".encode())


JPEGS = {  # 9 × 8 grey, 9 × 7 progressive colour, 4 × 4 CMYK
    "grey":
        "/9j/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////wAALCAAIAAkBAR"
        "EA/8QAFAABAAAAAAAAAAAAAAAAAAAAAf/EAB4QAAAEBwAAAAAAAAAAAAAAAAABAhMDESExQWGB/9oACAEBAAA/ACTcEklddOZAzof/2Q==",
    "progressive":
        "/9j/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhpeO"
        "uCguv/////////////////////////////////////////////////////////////////////////wgARCAAHAAkDASIAAhEBAxEB/8QAFgAB"
        "AQEAAAAAAAAAAAAAAAAAAAEC/8QAFAEBAAAAAAAAAAAAAAAAAAAAAf/aAAwDAQACEAMQAAABmgf/xAAVEAEBAAAAAAAAAAAAAAAAAAAAIf/aAA"
        "gBAQABBQJH/8QAFhEBAQEAAAAAAAAAAAAAAAAAAQAR/9oACAEDAQE/AQ2//8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAgEBPwF//8QAFBAB"
        "AAAAAAAAAAAAAAAAAAAAEP/aAAgBAQAGPwI//8QAFRABAQAAAAAAAAAAAAAAAAAAABH/2gAIAQEAAT8hU//aAAwDAQACAAMAAAAQ/wD/xAAWEQ"
        "EBAQAAAAAAAAAAAAAAAAARAAH/2gAIAQMBAT8QwTf/xAAWEQADAAAAAAAAAAAAAAAAAAAAARH/2gAIAQIBAT8QdP/EABwQAAEDBQAAAAAAAAAA"
        "AAAAABEAATFBYaGxwf/aAAgBAQABPxABhSNN1XsL/9k=",
    "cmyk":
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwBQNzxGPDJQRkFGWlVQX3jIgnhubnj1r7mRyP////////////////////////////////////////////"
        "///////8AAFAgABAAEBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAID/8QAIhAAAQMCBgMAAAAAAAAAAAAAAQACAxESBBMhMVGx"
        "gZGh/9oADgRDAE0AWQBLAAA/ALYdoy/XQQklfEQ1jqC0HYcKUguIJ4p9Qc0aeeyv/9k=",
}


def png(width, height, bits, kind, rows, interlaced=False, **chunks):
    """`rows`: the bytes behind the filters; kind is PNG's colour type."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced))]
    parts += [chunk(name.encode(), data) for name, data in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def images():
    for name, data in JPEGS.items():
        put("image", f"{name}.jpg", base64.b64decode(data))
    put("image", "grey.png", png(3, 2, 8, 0, bytes(2 * 4)))
    put("image", "wide.png", png(2, 2, 16, 6, bytes(2 * 17)))
    put("image", "palette.png", png(4, 2, 2, 3, bytes([0, 0x1b, 0, 0xe4]), PLTE=bytes(range(12)), tRNS=bytes([0, 128])))
    put("image", "interlaced.png", png(2, 2, 8, 4, bytes(3 + 3 + 5), interlaced=True))
    put("image", "plain.pgm", b"P2 # grey\n2 2 255\n0 1 2 255\n")
    put("image", "raw.pgm", b"P5 2 2 65535\n" + bytes(8))


if __name__ == "__main__":
    images()
    arrays()
    models()
    certificates()
    properties()
    solutions()
