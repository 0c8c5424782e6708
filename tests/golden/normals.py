#!/usr/bin/env python3
"""Writes normals.json: Philox4x32-10 words and the normals made from them, by exact rational
arithmetic rounded once per operation to binary32. Independent of the Rust code and of any floating
point unit: every later backend must match these bits.

    python3 tests/golden/normals.py > tests/golden/normals.json
"""
import json
import math
from fractions import Fraction
import struct

LOG = [0xC0000000, 0x3F7FFFFC, 0xBF2AAAA8, 0x3F000214, 0xBECCD1F6,
       0x3EAA1388, 0xBE9138D5, 0x3E879CF1, 0xBE8424C6, 0x3E1C148B]
SIN = [0x3FC90FDB, 0xBF255DDD, 0x3DA32F49, 0xBB96C981]
COS = [0x3F800000, 0xBF9DE9E6, 0x3E81E0EE, 0xBCAAE2BE, 0x3A6CE1B2]
MINUS_2_LN_2 = 0xBFB17218


def value(bits):
    return Fraction(struct.unpack("<f", struct.pack("<I", bits))[0])


def round32(x):
    """The binary32 nearest to the rational x, ties to even (normal range only)."""
    if x == 0:
        return Fraction(0)
    sign, x = (-1, -x) if x < 0 else (1, x)
    exponent = math.floor(math.log2(x))
    while Fraction(2) ** exponent > x:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= x:
        exponent += 1
    assert exponent >= -126
    ulp = Fraction(2) ** (exponent - 23)
    return sign * round(x / ulp) * ulp  # round() of a Fraction ties to even


def sqrt32(x):
    """The binary32 nearest to √x, from an integer square root with 40 spare bits."""
    if x == 0:
        return Fraction(0)
    shift = 160
    root = Fraction(math.isqrt(int(x * 4 ** shift)), 2 ** shift)
    return round32(root)  # a tie is impossible: its square would need 49 bits, x has 24


def polynomial(bits, x):
    result = value(bits[-1])
    for b in reversed(bits[:-1]):
        result = round32(result * x + value(b))
    return result


def to_bits(x, negative=False):
    bits = struct.unpack("<I", struct.pack("<f", float(x)))[0]
    return bits | (0x80000000 if negative and x == 0 else 0)


def pair(w0, w1):
    tiny = Fraction(1, 2 ** 33)
    u = round32(round32(Fraction(w0)) * 2 * tiny + tiny)
    root_half = value(0x3F3504F3)
    exponent, m = 0, u
    while m < root_half:
        m, exponent = m * 2, exponent - 1
    t = m - 1
    s = round32(exponent * value(MINUS_2_LN_2) + round32(t * polynomial(LOG, t)))
    radius = sqrt32(s)
    signed = ((w1 << 2) & 0xFFFFFFFF)
    signed -= (signed >> 31) << 32
    y = round32(round32(Fraction(signed)) * 2 * tiny + tiny)
    square = round32(y * y)
    sine, cosine = round32(y * polynomial(SIN, square)), polynomial(COS, square)
    a, b = [(cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine)][w1 >> 30]
    assert a != 0 and b != 0 or y == 0
    # At u = 1 the logarithm is fma(0, −2 ln 2, 0·(−2)) = −0 and its root −0: signs turn round.
    return [to_bits(round32(radius * v), negative=(v < 0) != (radius == 0)) for v in (a, b)]


def philox(key, counter):
    k0, k1 = key
    x = list(counter)
    for _ in range(10):
        p0, p1 = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [p1 >> 32 ^ x[1] ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ x[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return x


def normals(w):
    return pair(w[0], w[1]) + pair(w[2], w[3])


def main():
    edge = [0, 1, 2, 0x3FFFFFFF, 0x40000000, 0x5FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xB504F333,
            0xBFFFFFFF, 0xC0000000, 0xE0000000, 0xFFFFFF7F, 0xFFFFFF80, 0xFFFFFFFE, 0xFFFFFFFF]
    edges = [{"words": w, "normals": normals(w)}
             for i, a in enumerate(edge) for w in [[a, edge[-1 - i], edge[(5 * i) % 16], a]]]
    columns = []
    for seed, address in [(0, (0, 1, 0)), (7, (3, 128, 0x30000002)), (2 ** 40 + 12345, (1796, 64, 0x4000000B)),
                          (2 ** 64 - 1, (2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1))]:
        key = (seed & 0xFFFFFFFF, seed >> 32)
        rows = [b for block in range(100) for b in normals(philox(key, (block,) + address))]
        columns.append({"seed": str(seed), "address": address, "normals": rows})
    print(json.dumps({"edges": edges, "columns": columns}))


main()
