"""`unrect` at a terminal: progress lines, Ctrl-C at any moment, and what is left after it."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

import numpy as np

from command import UNRECT, Case
from sensing_test import png

PATIENCE = 120  # seconds until a test gives up


def catches(process, number):
    """Whether the process has its own handler for a signal: it then is past its start."""
    with open(f"/proc/{process.pid}/status") as status:
        mask = next(line.split()[1] for line in status if line.startswith("SigCgt"))
    return int(mask, 16) >> (number - 1) & 1


class Terminal(Case):
    def start(self, *args, **pipes):
        # Whoever runs these tests in the background may have had Ctrl-C ignored: the program would respect that.
        heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen([UNRECT, *map(str, args)], cwd=self.dir, preexec_fn=heard, **pipes)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def wait_until(self, process, happens):
        deadline = time.monotonic() + PATIENCE
        while not happens():
            self.assertIsNone(process.poll(), "ended too early")
            self.assertLess(time.monotonic(), deadline, "nothing happened")
            time.sleep(0.001)

    def on_terminal(self, *args, until="", number=signal.SIGINT, both=False):
        """Runs with stderr on a terminal (stdout, too, if `both`) and sends a signal once `until` (a pattern) is seen there.
        The exit status, stdout, and all that the terminal was told."""
        ours, theirs = pty.openpty()
        out = open(self.dir / "stdout.txt", "w+")
        self.addCleanup(out.close)
        process = self.start(*args, stdout=theirs if both else out, stderr=theirs)
        os.close(theirs)
        told, sent = b"", not until
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.05)[0]:
                continue
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            told += part
            if not sent and re.search(until, told.decode(errors="replace")):
                process.send_signal(number)
                sent = True
        os.close(ours)
        status = process.wait(timeout=PATIENCE)
        self.assertTrue(sent, told)
        out.close()
        return status, (self.dir / "stdout.txt").read_text(), told.decode()

    def nothing_half_written(self):
        self.assertEqual([f.name for f in self.dir.rglob("*.part")], [])

    def last_line(self, told):
        """What stays on the terminal."""
        line = told.replace("\r\n", "\n").rstrip("\n").split("\n")[-1]
        return line.split("\r\x1b[K")[-1]

    # ---- progress lines

    def test_a_progress_line_is_gone_before_the_result(self):
        for args, first in (
            (["signal", "dictionary", "--atoms", "64", "--iterations", "5", "--samples", "3000"], "64 atoms of"),
            (["signal", "phases", "--n", "60", "--cells", "6", "--trials", "20"], "omp: n = 60"),
            (["signal", "lista", "--n", "40", "--measurements", "20", "--samples", "4000", "--epochs", "3"], "20 measurements of"),
        ):
            status, _, told = self.on_terminal(*args, both=True)
            self.assertEqual(status, 0, told)
            self.assertIn("\r\x1b[K", told)
            self.assertLess(told.rindex("\r\x1b[K"), told.index(first), args)

    # ---- Ctrl-C where a verb has something to keep

    def test_train_keeps_the_network(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(4000, 6))
        np.save(self.dir / "x.npy", x)
        np.save(self.dir / "y.npy", np.abs(x[:, :2]))
        args = ["train", "--task", "regress", "--data", "x.npy,y.npy", "--layers", "64,64", "--epochs", "1000000"]
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            got, out, told = self.on_terminal(*args, "--out", "net.onnx", "--log", "log.npz", until="epoch", number=number)
            self.assertEqual((got, out), (status, ""), told)
            self.assertRegex(self.last_line(told), r"^unrect: interrupted in epoch \d+; net.onnx has the network so far$")
            self.assertEqual(json.loads(self.ok("info", "net.onnx", "--json"))["outputs"], 2)
            self.assertIn("train_loss", np.load(self.dir / "log.npz"))
            self.nothing_half_written()
        got, _, told = self.on_terminal(*args, "--out", "net.onnx", "--checkpoint", "c.npz", until="epoch")
        self.assertEqual(got, 130, told)
        self.assertIn("net.onnx has the network so far; --resume goes on from c.npz", self.last_line(told))

    def test_no_moment_of_a_training_is_a_wrong_one(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(4000, 6))
        np.save(self.dir / "x.npy", x)
        np.save(self.dir / "y.npy", np.abs(x[:, :2]))
        args = ["train", "--task", "regress", "--data", "x.npy,y.npy", "--layers", "64,64", "--epochs", "1000000", "--out", "net.onnx"]
        for _ in range(25):
            got, _, told = self.on_terminal(*args, until="epoch")
            self.assertEqual(got, 130, told)
            self.assertIn("net.onnx has the network so far", self.last_line(told))

    def test_train_keeps_it_while_a_frame_is_drawn_and_by_every_method(self):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, size=(600, 2))
        np.save(self.dir / "x.npy", x)
        np.save(self.dir / "y.npy", np.abs(x[:, :1]))
        args = ["train", "--task", "regress", "--data", "x.npy,y.npy", "--epochs", "1000000", "--out", "net.onnx"]
        process = self.start(*args, "--layers", "60,60", "--frames", "frames", stderr=subprocess.PIPE, text=True)
        self.wait_until(process, lambda: (self.dir / "frames/epoch-0001.png").exists())
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=PATIENCE)[1]
        self.assertEqual(process.returncode, 130)
        self.assertRegex(told, r"^unrect: interrupted in epoch \d+; net.onnx has the network so far\n$")
        self.nothing_half_written()
        for method in ("adam", "lbfgs", "gauss-newton-al", "explicit-al"):
            (self.dir / "net.onnx").unlink()
            layers = "60,60" if method == "lbfgs" else "12,12"  # a small problem it would have solved by then
            got, _, told = self.on_terminal(*args, "--layers", layers, "--method", method, until="epoch")
            self.assertEqual(got, 130, told)
            self.assertIn("net.onnx has the network so far", self.last_line(told), method)
            self.ok("info", "net.onnx")

    def test_phases_print_what_is_complete(self):
        args = ["signal", "phases", "--solver", "ista", "--n", "60", "--cells", "5", "--trials", "200", "--out", "map.png"]
        got, out, told = self.on_terminal(*args, "--json", until=r"K([6-9]|1\d) of 25 cells")
        self.assertEqual(got, 130, told)
        result = json.loads(out)
        self.assertFalse(result["complete"])
        self.assertIn(len(result["columns"]), (1, 2, 3))
        for column in result["columns"]:
            self.assertEqual(len(column["success"]), 5)
            self.assertNotIn(None, column["success"])
        self.assertRegex(self.last_line(told), r"^unrect: interrupted after \d+ of 25 cells: \d of 5 columns are complete")
        self.assertFalse((self.dir / "map.png").exists())
        got, out, told = self.on_terminal(*args, until=r"K[6-9] of 25 cells")
        self.assertEqual(got, 130)
        self.assertIn("weak threshold", out)
        self.assertNotIn("nan", out)
        got, out, told = self.on_terminal(*args[:-2], until=r"K[0-3] of 25 cells")
        self.assertEqual((got, out), (130, ""))
        self.assertIn("before a column was complete", self.last_line(told))

    def test_dictionaries_and_lista_keep_what_they_have(self):
        args = ["signal", "dictionary", "--atoms", "100", "--samples", "3000", "--iterations", "100000", "--save", "D.npy", "--json"]
        got, out, told = self.on_terminal(*args, until=r"K\d+ of")
        self.assertEqual(got, 130, told)
        self.assertGreater(json.loads(out)["iterations"], 0)
        self.assertEqual(np.load(self.dir / "D.npy").shape, (100, 64))
        self.assertRegex(self.last_line(told), r"^unrect: interrupted after \d+ of 100000 iterations$")
        args = ["signal", "lista", "--n", "40", "--measurements", "20", "--samples", "4000", "--epochs", "100000"]
        got, out, told = self.on_terminal(*args, "--out", "lista.onnx", until="lista: ")
        self.assertEqual((got, out), (130, ""))
        self.assertIn("lista.onnx has the network so far", self.last_line(told))
        self.assertEqual(json.loads(self.ok("info", "lista.onnx", "--json"))["inputs"], 20)

    def test_a_comparison_can_be_left(self):
        got, out, told = self.on_terminal("train", "--task", "classify", "--data", "spiral", "--samples", "20000", "--layers", "200,200",
                                          "--epochs", "1000", "--compare", "adam,sgd", until="adam")
        self.assertEqual((got, out), (130, ""))
        self.assertIn("interrupted", self.last_line(told))

    # ---- Ctrl-C everywhere else

    def ends_at_once(self, process, number=signal.SIGINT):
        process.send_signal(number)
        out, told = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 128 + number, told)
        self.assertRegex(told, r"^unrect: interrupted( after \d+ regions)?\n$")
        self.nothing_half_written()
        return out

    def test_every_verb_ends_with_one_line(self):
        self.ok("random", "2500,2500,2500", "--out", "big.npz")
        rng = np.random.default_rng(1)
        (self.dir / "image.png").write_bytes(png(rng.uniform(0, 255, size=(384, 384))))
        self.ok("sense", "image.png", "--ratio", "0.3", "--out", "y.npz")
        np.save(self.dir / "wide.npy", rng.normal(size=(1500, 1500)))
        np.save(self.dir / "signals.npy", rng.normal(size=(20000, 400)))
        self.network((6, 60, 60, 60, 2))
        for args in (
            ["inspect", "big.npz", "--random", "--all-facets", "--out", "new.npz"],
            ["inspect", "big.npz", "--random", "--report", "new.html"],
            ["convert", "big.npz", "--out", "new.onnx"],
            ["info", "big.npz"],
            ["regions", "big.npz", "--slice", "wide.npy"],
            ["regions", "net.npz", "--box=-1,1", "--distinct-maps"],
            ["recover", "y.npz", "--method", "tv", "--out", "new.png"],
            ["recover", "y.npz", "--method", "bp", "--out", "new.png"],
            ["train", "--task", "recovery", "--data", "signals.npy", "--measurements", "200", "--out", "new.onnx"],
            ["bench", "recovery", "--data", "signals.npy", "--measurements", "200", "--picture", "new.png"],
            ["bench", "sensing", "--data", "leaves", "--ratio", "0.3", "--methods", "tv,bp", "--picture", "new.png"],
            ["signal", "frame", "--matrix", "wide.npy", "--out", "new.npy"],
            ["signal", "dictionary", "--samples", "100000", "--out", "new.png"],
        ):
            with self.subTest(args=args[:2]):
                process = self.start(*args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.wait_until(process, lambda: catches(process, signal.SIGINT))
                self.assertEqual(self.ends_at_once(process), "")
                self.assertEqual([f.name for f in self.dir.glob("new.*")], [])
        process = self.start("recover", "y.npz", "--method", "bp", "--out", "new.png", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        self.wait_until(process, lambda: catches(process, signal.SIGTERM))
        self.ends_at_once(process, signal.SIGTERM)

    def test_a_recovery_network_taken_apart_tells_how_far_it_is(self):
        rng = np.random.default_rng(1)
        self.ok("train", "--task", "recovery", "--data", "leaves", "--measurements", 109, "--phases", 2, "--channels", 8, "--crop", 33,
                "--samples", 4, "--validation", 1, "--epochs", 1, "--out", "net.onnx")
        for side, until in ((150, ""), (1000, "of 48 products")):
            (self.dir / "image.png").write_bytes(png(rng.uniform(0, 255, size=(side, side))))
            self.ok("sense", "image.png", "--ratio", 0.1, "--operator", "orthonormal", "--out", "y.npz")
            status, out, told = self.on_terminal("inspect", "net.onnx", "--measurement", "y.npz", until=until)
            if until:
                self.assertEqual((status, out), (130, ""), told)
                self.assertRegex(self.last_line(told), r"^unrect: interrupted after \d+ of 48 products for the noise gain$")
            else:
                self.assertEqual((status, self.last_line(told)), (0, ""), told)
                self.assertRegex(told, r"\d+ of 48 products for the noise gain, \d+ s")
                self.assertIn("pass with noise added", told)

    def test_what_cannot_be_asked_ends_at_the_second_one(self):
        # One cell of this map takes minutes.
        process = self.start("signal", "phases", "--solver", "lp", "--n", "2000", "--cells", "2", "--trials", "1", stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.wait_until(process, lambda: catches(process, signal.SIGINT))
        for _ in range(2):
            time.sleep(0.3)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (130, ""))
        self.assertRegex(told, r"^unrect: interrupted.*\n$")

    def test_a_picture_does_not_take_the_count_along(self):
        self.network((2, 150, 150, 150, 2))
        process = self.start("regions", "net.npz", "--box=-1,1", "--picture", "p", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = process.stdout.readline()
        self.assertRegex(first, r"^\d+ regions in 2 dimensions")
        self.ends_at_once(process)
        self.assertFalse((self.dir / "p.png").exists())

    def test_no_half_written_file(self):
        (self.dir / "big.npz").write_bytes(b"what was there")
        for _ in range(20):
            process = self.start("random", "4000,4000,4000", "--out", "big.npz", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while process.poll() is None and not list(self.dir.glob("*.part")):
                time.sleep(0.0005)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
            self.nothing_half_written()
            if process.returncode == 130:
                self.assertEqual((self.dir / "big.npz").read_bytes(), b"what was there")
                return
        self.fail("never met it writing")


if __name__ == "__main__":
    unittest.main()
