"""Tables as they are published: small, and h as it was measured.

Random digits do not compress, and of a measure that is printed with two
digits most are random. So *h*, counts and parameters stay as they are to the
bit. Times are rounded down to multiples of 2^-20 s, about a microsecond:
down, as a time beyond that of a run would not count. Other measures have 24
bits, as in float32 but without its bounds. The table keeps its columns, their
types and its rows.
"""
import numpy as np
import pyarrow as pa
import pyarrow.parquet

#: Measures that stay to the bit: gaps of 1e-12 are read from them.
EXACT = ["objective_value"]
#: Bits of a mantissa that stay of the other ones.
BITS = 24
#: Seconds between two times.
TICK = 2.0**-20
#: A column with fewer values a row than this is stored as a list of them.
FEW = 0.2


def rounded(df):
    """A table of results with times and measures of fewer digits.

    Parameters
    ----------
    df : pandas.DataFrame
        Of benchopt, which is not changed.

    Returns
    -------
    pandas.DataFrame
        Of the same columns, types and rows. Rounding it again changes
        nothing.
    """
    df = df.copy()
    for name in df.select_dtypes("float64"):
        if name == "time":
            df[name] = np.floor(df[name] / TICK) * TICK
        elif name.startswith("objective_") and name not in EXACT:
            mantissa, exponent = np.frexp(df[name].to_numpy())
            df[name] = np.ldexp(
                np.round(np.ldexp(mantissa, BITS)), exponent - BITS)
    return df


def write(df, file):
    """Write a table of results, rounded, to a Parquet file.

    Parameters
    ----------
    df : pandas.DataFrame
        Of benchopt.
    file : str or Path
    """
    df = rounded(df)
    numbers = {name for name in df.select_dtypes("number")
               if df[name].nunique() > FEW * len(df)}
    # Bytes of the same place of neighbouring numbers resemble each other.
    pa.parquet.write_table(
        pa.Table.from_pandas(df, preserve_index=False), file,
        compression="zstd", compression_level=19, write_statistics=False,
        use_dictionary=[name for name in df if name not in numbers],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"))
