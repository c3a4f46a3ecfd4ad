#!/usr/bin/env python3
"""Golden values of the sparse solvers by scikit-learn and scipy: prints unrect/signal/sparse_golden.inc.

The problem needs no random numbers: A_ij = sin((i+1)²(j+1)√2) of 12 × 30, y = A x0 with x0 3-sparse, plus a ripple.
Usage: /usr/bin/python3 tools/sparse_golden.py > unrect/signal/sparse_golden.inc   (python3-scipy, python3-sklearn)
"""
import numpy as np
from scipy.optimize import linprog
from sklearn.linear_model import Lasso, orthogonal_mp

m, n = 12, 30
i, j = np.meshgrid(np.arange(1, m + 1), np.arange(1, n + 1), indexing="ij")
a = np.sin(i * i * j * np.sqrt(2.0))
a /= np.linalg.norm(a, axis=0)
x0 = np.zeros(n)
x0[[4, 17, 25]] = [1.5, -2.0, 0.75]
y = a @ x0 + 0.05 * np.cos(np.arange(m))


def show(name: str, x: np.ndarray) -> None:
    rows = ", ".join(f"{{{k}, {x[k]:.12g}}}" for k in np.flatnonzero(np.abs(x) > 1e-9))
    print(f"const std::vector<std::pair<Index, double>> {name} = {{{rows}}};")


print("// Written by tools/sparse_golden.py.")
show("kGoldenOmp", orthogonal_mp(a, y, n_nonzero_coefs=5))
lasso = Lasso(alpha=0.1 / m, fit_intercept=False, tol=1e-15, max_iter=10**6).fit(a, y)
show("kGoldenLasso", lasso.coef_)
program = linprog(np.ones(2 * n), A_eq=np.hstack([a, -a]), b_eq=y, method="highs-ds")
show("kGoldenBasisPursuit", program.x[:n] - program.x[n:])
