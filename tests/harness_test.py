"""The verification competition's three scripts, called as it calls them."""
import os
import pathlib
import subprocess
import tempfile
import unittest

UNRECT = os.environ["UNRECT"]
HARNESS = pathlib.Path(__file__).resolve().parent.parent / "harness"


def script(name, *args):
    return subprocess.run([HARNESS / name, *map(str, args)], capture_output=True, text=True, timeout=120)


class Harness(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.folder.name)
        self.net, self.prop, self.results = self.dir / "a net.onnx", self.dir / "p.vnnlib", self.dir / "out.counterexample"
        subprocess.run([UNRECT, "random", "2,6,6,1", "--seed", "2", "--out", self.net], check=True, stdout=subprocess.DEVNULL)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, row):
        self.prop.write_text("".join(f"(declare-const X_{i} Real)(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in (0, 1)) +
                             f"(declare-const Y_0 Real)(assert {row})")

    def run_instance(self, timeout):
        done = script("run_instance.sh", "v1", "test", self.net, self.prop, self.results, timeout)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.results.read_text().splitlines()

    def test_answers(self):
        self.write("(<= Y_0 1000)")
        self.assertEqual(script("prepare_instance.sh", "v1", "test", self.net, self.prop).returncode, 0)
        lines = self.run_instance(60)
        self.assertEqual(lines[0], "sat")
        self.assertTrue(lines[1].startswith("((X_0 ") and lines[-1].startswith("(Y_0 ") and lines[-1].endswith("))"))
        self.write("(>= Y_0 1000)")
        self.assertEqual(self.run_instance(0.5), ["unsat"])

    def test_trouble_is_an_answer_too(self):
        self.write("(>= Y_1 0)")
        self.assertEqual(self.run_instance(60), ["error"])

    def test_wrong_use(self):
        self.write("(>= Y_0 0)")
        for name in ("install_tool.sh", "prepare_instance.sh", "run_instance.sh"):
            done = script(name, "v2", "test", self.net, self.prop)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
            self.assertIn("expected v1", done.stderr)
        done = script("prepare_instance.sh", "v1", "test", self.dir / "none.onnx", self.prop)
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.onnx", done.stderr)
        self.assertEqual(script("run_instance.sh", "v1", "test", self.net, self.prop).returncode, 1)


if __name__ == "__main__":
    unittest.main()
