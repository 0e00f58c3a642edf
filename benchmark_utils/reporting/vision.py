"""How different two colours are to people who see colours in other ways.

G. Machado, M. Oliveira, L. Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG, 2009, at full severity; and
the distance in CIELAB of 1976.
"""
import numpy as np

# Of linear red, green and blue: Machado's table of matrices.
_SEEN = np.array([
    np.eye(3),
    # Protanopia.
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
     [-0.003882, -0.048116, 1.051998]],
    # Deuteranopia.
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
     [-0.011820, 0.042940, 0.968881]]])
# From linear sRGB to XYZ, relative to the white of D65 (IEC 61966-2-1).
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
                 [0.0193, 0.1192, 0.9505]])
_XYZ /= _XYZ.sum(axis=1, keepdims=True)


def difference(one, other):
    """Least difference of two colours, over three ways to see them.

    Parameters
    ----------
    one, other : tuple of float
        Red, green and blue of sRGB, from 0 to 1; opacity does not count.

    Returns
    -------
    float
        CIE76's Delta E, the least of that without a deficiency, with
        protanopia and with deuteranopia. From about 10 on, lines that are
        not side by side are told apart.
    """
    return float(np.linalg.norm(_lab(one) - _lab(other), axis=1).min())


def _lab(color):
    """CIELAB of a colour, a row each way to see it, shape (3, 3)."""
    srgb = np.asarray(color[:3], dtype=float)
    linear = np.where(srgb <= 0.04045, srgb / 12.92,
                      ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(_SEEN @ linear, 0.0, 1.0) @ _XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz),
                 xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
