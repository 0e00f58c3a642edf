"""Metrics of a logistic regression by Newton's method, to many digits."""
import mpmath
import numpy as np
from scipy import sparse


def exact_logistic(inner, outer, x, digits=40, floor="1e-12"):
    """h(x) and the norm of its gradient by Newton's method in mpmath.

    Shares no code with the suite: samples, sums and the linear solves are
    written out. Linear penalties are x + floor; their slopes count as far as
    x may go down to 0.
    """
    with mpmath.workdps(digits):
        mp = mpmath.mpf
        n, p = inner.rows.shape
        rows, out_rows = (
            [[mp(float(a)) for a in row] for row in np.asarray(
                f.rows.toarray() if sparse.issparse(f.rows) else f.rows)]
            for f in (inner, outer))
        if inner.reg_parametrization == "exponential":
            r = slopes = [mpmath.exp(mp(float(x_k))) for x_k in x]
        else:
            r = [mp(float(x_k)) + mp(floor) for x_k in x]
            slopes = [mp(1)] * p

        def sigma(row, z):
            return 1 / (1 + mpmath.exp(mpmath.fdot(row, z)))

        z = [mp(0)] * p
        for _ in range(400):
            gradient = mpmath.matrix([r[k] * z[k] for k in range(p)])
            H = mpmath.diag(r)
            for row in rows:
                s = sigma(row, z)
                for k in range(p):
                    gradient[k] -= s * row[k] / n
                    for c in range(p):
                        H[k, c] += s * (1 - s) * row[k] * row[c] / n
            step = mpmath.lu_solve(H, gradient)
            decrement = mpmath.fdot(step, gradient)
            # Damped as for self-concordant functions; full at the end.
            length = 1 if decrement < mp("1e-3") else 1 / (
                1 + 3 * mpmath.sqrt(decrement))
            z = [z[k] - length * step[k] for k in range(p)]
            if decrement < mp(10) ** (-digits):
                break
        h, f1 = mp(0), mpmath.matrix([mp(0)] * p)
        for row in out_rows:
            s = sigma(row, z)
            h -= mpmath.log(1 - s) / len(out_rows)
            for k in range(p):
                f1[k] -= s * row[k] / len(out_rows)
        v = mpmath.lu_solve(H, -f1)
        gradient = [slopes[k] * z[k] * v[k] for k in range(p)]
        if inner.reg_parametrization == "linear":
            gradient = [min(gradient[k], mp(float(x[k]))) for k in range(p)]
        return float(h), float(mpmath.norm(gradient))
