"""The conditional engine in NumPy, float32: what benches/conditional.rs is compared with.

    python conditional.py WIDTH

does one run for every line it reads and answers "seconds coupling f_1 ... f_P": the coupling
(coupling.forward.layer) and the outputs of the last forward sweep. The same passes as in Rust, each
on whole columns: they are stored in Fortran order, so every product is one call of sgemm, and
products that read the same columns are one call.
"""

import sys
import time

import numpy as np

SAMPLES, DIMENSION, DEPTH, STEPS = 4, 16, 8, 6
PROBED = (0, 2, 4, 6, 8)
TOLERANCE = 5e-7
ORTHONORMAL = 1e-7
RESOLUTION = 1e-13
SINGLE = np.float32


def samples():
    i = np.arange(SAMPLES * DIMENSION, dtype=np.float64)
    x = np.sin(i * i * 0.7).reshape(SAMPLES, DIMENSION)
    x /= np.sqrt((x * x).mean(axis=1, keepdims=True))
    return x, np.where(np.arange(SAMPLES) % 2 == 0, 1.0, -1.0)


def factor(gram, squares, tolerance):
    """Cholesky of a Gram matrix that skips columns with small pivots; rows, kept, settled."""
    columns = len(gram)
    rows, kept, settled = np.zeros((columns, columns)), [], columns
    for j in range(columns):
        for i, column in enumerate(kept):
            known = rows[:i, column] @ rows[:i, j]
            rows[i, j] = (gram[column, j] - known) / rows[i, column]
        pivot = gram[j, j] - (rows[: len(kept), j] ** 2).sum()
        least = tolerance**2 * squares[j]
        noise = RESOLUTION * gram[j, j] if kept else 0.0
        if pivot > max(least, noise):
            rows[len(kept), j] = np.sqrt(pivot)
            kept.append(j)
        elif gram[j, j] > least and noise > least:
            settled = j
            break
    return rows[: len(kept), :settled], kept, settled


def gram64(x):
    wide = x.astype(np.float64)
    return wide.T @ wide


def panel(width, columns):
    return np.zeros((width, columns), SINGLE, order="F")


class Product:
    """q k for thin k, in memory that is used again: each result lasts until the next."""

    def __init__(self, width):
        self.room = panel(width, 4 * SAMPLES)

    def __call__(self, q, k):
        return np.matmul(q, k.astype(SINGLE, copy=False), out=self.room[:, : k.shape[1]])


class Side:
    """Orthonormal queries of one direction, and their answers."""

    def __init__(self, width, product):
        # Room for every column that could come; grown by taking a longer slice.
        self.bases = panel(width, STEPS * SAMPLES)
        self.all_answers = panel(width, STEPS * SAMPLES)
        self.product = product
        self.clear()

    def clear(self):
        self.rank, self.overlap = 0, np.zeros((0, 0))

    @property
    def basis(self):
        return self.bases[:, : self.rank]

    @property
    def answers(self):
        return self.all_answers[:, : self.rank]

    def expand(self, x):
        """x = [basis, new] C, new written behind the basis: C and how many; x is overwritten."""
        product, stored = self.product, self.rank
        coefficients = np.zeros((stored + SAMPLES, SAMPLES))
        rank, first, squares = stored, 0, None
        # As a rule one block; see src/backend/cpu/conditional/orthogonal.rs.
        while first < SAMPLES:
            q, block = self.bases[:, :rank], x[:, first:]
            along = q.T @ block
            block -= product(q, along)
            again = (q.T @ block).astype(np.float64)
            gram = gram64(block) - again.T @ again
            if squares is None:
                squares = np.diag(gram) + ((along + again) ** 2).sum(axis=0)
            rows, kept, settled = factor(gram, squares[first:], TOLERANCE)
            coefficients[:rank, first:] += along
            coefficients[:rank, first : first + settled] += again[:, :settled]
            if kept:
                inverse = np.linalg.inv(rows[:, kept])
                new = self.bases[:, rank : rank + len(kept)]
                whole = len(kept) == block.shape[1]
                chosen = block if whole else np.asfortranarray(block[:, kept])
                np.matmul(chosen, inverse.astype(SINGLE), out=new)
                new -= product(q, again[:, kept] @ inverse)
                defect, gram = (q.T @ new).astype(np.float64), gram64(new)
                worst = abs(gram - np.eye(len(kept))).max()
                if max(worst, abs(defect).max(initial=0.0)) > ORTHONORMAL:
                    coefficients[:rank, first : first + settled] += defect @ rows
                    triangle, _, _ = factor(gram - defect.T @ defect, np.zeros(len(kept)), 0.0)
                    inverse = np.linalg.inv(triangle)
                    new[:] = product(new, inverse)
                    new -= product(q, defect @ inverse)
                    rows = triangle @ rows
                coefficients[rank : rank + len(kept), first : first + settled] = rows
                rank += len(kept)
            first += settled
        return coefficients[:rank], rank - stored

    def ask(self, other, x, rng, scale, drift, parts):
        """The image of x (overwritten) and what goes with it.

        `drift` maps coefficients to what is added along the other basis, for its first columns;
        `parts` are the rows of that basis of which the coupling is wanted, one after the other.
        """
        coefficients, count = self.expand(x)
        before, rank = self.rank, self.rank + count
        along, fresh = coefficients[:before], coefficients[before:]
        new, z = self.bases[:, before:rank], self.all_answers[:, before:rank]
        if count:
            rng.standard_normal(dtype=SINGLE, out=z.T)
        known = other.answers.T @ new
        excess = other.basis.T @ z - known
        coupling = self.overlap @ along + known @ fresh
        moved = drift(along)
        padded = np.zeros((other.rank, SAMPLES))
        padded[: len(moved)] = moved
        wanted = [excess, padded]
        for part in parts:
            alone = np.zeros_like(coupling)
            alone[part] = scale * coupling[part]
            wanted.append(alone)
        self.rank = rank
        self.overlap = np.hstack([self.overlap, known])
        other.overlap = np.vstack([other.overlap, np.zeros((count, other.rank))])
        # One reading of the other basis for all that is made of it.
        made = self.product(other.basis, np.hstack(wanted))
        z -= made[:, :count]
        y = np.matmul(self.answers, (scale * coefficients).astype(SINGLE), out=x)
        y += made[:, count : count + SAMPLES]
        coupled = [made[:, count + SAMPLES * i :][:, :SAMPLES] for i in range(1, 1 + len(parts))]
        return y, coefficients, coupling, coupled


class Network:
    def __init__(self, width):
        self.width, product = width, Product(width)
        self.forward = [Side(width, product) for _ in range(DEPTH)]
        self.backward = [Side(width, product) for _ in range(DEPTH)]
        self.hidden = [panel(width, SAMPLES) for _ in range(DEPTH + 1)]
        self.first_hidden = {l: panel(width, SAMPLES) for l in PROBED}
        self.first_signal = {l: panel(width, SAMPLES) for l in PROBED}
        self.query, self.g, self.slope = (panel(width, SAMPLES) for _ in range(3))
        self.accumulated = [panel(width, SAMPLES) for _ in range(3)]

    def look(self, initial, step, l, x):
        """Movement since step 0, and whether all of x is finite."""
        if l in initial and step == 0:
            initial[l][:] = x
        elif l in initial:
            difference = (x - initial[l]).ravel(order="K")
            np.dot(difference, difference)
        if not np.isfinite(x).all():
            raise ValueError("not finite")

    def run(self, rng):
        """One run from initialisation: coupling.forward.layer and f of the last forward sweep."""
        n, scale = self.width, (DEPTH * self.width) ** -0.5
        drift_scale = scale * scale
        inputs, labels = samples()
        for side in self.forward + self.backward:
            side.clear()
        drifts = [np.zeros((0, 0)) for _ in range(DEPTH)]
        embedding = rng.standard_normal((DIMENSION, n), dtype=SINGLE).T
        scaled = (inputs.T / DIMENSION**0.5).astype(SINGLE)
        np.matmul(embedding, scaled, out=self.hidden[0])
        readout = rng.standard_normal(n, dtype=SINGLE)

        for step in range(STEPS):
            layer_coupling, queries, earlier = 0.0, [], []
            sums = self.accumulated
            for a in sums:
                a.fill(0.0)
            for l in range(1, DEPTH + 1):
                forward, backward, drift = self.forward[l - 1], self.backward[l - 1], drifts[l - 1]
                h, query = self.hidden[l - 1], self.query
                self.look(self.first_hidden, step, l - 1, h)
                np.tanh(h, out=query)
                earlier.append(forward.rank)
                y, coefficients, coupling, coupled = forward.ask(
                    backward,
                    query,
                    rng,
                    scale,
                    lambda along, m=drift: -drift_scale * (m @ along[: m.shape[1]]),
                    [slice(None)],
                )
                sums[0] += coupled[0]
                np.add(h, y, out=self.hidden[l])
                layer_coupling += (coupling**2).sum() * scale**2 / (n * SAMPLES * DEPTH)
                queries.append(coefficients)
            self.look(self.first_hidden, step, DEPTH, self.hidden[DEPTH])
            np.einsum("ij,ij->", sums[0], sums[0])
            f = (readout @ self.hidden[DEPTH]).astype(np.float64) / n
            chi = (f - labels) / SAMPLES

            g, slope = self.g, self.slope
            g[:] = readout[:, None]
            self.look(self.first_signal, step, DEPTH, g)
            for l in range(DEPTH, 0, -1):
                forward, backward, drift = self.forward[l - 1], self.backward[l - 1], drifts[l - 1]
                self.query[:] = g
                y, coefficients, _, coupled = backward.ask(
                    forward,
                    self.query,
                    rng,
                    scale,
                    lambda along, m=drift: -drift_scale * (m.T @ along[: m.shape[0]]),
                    [slice(earlier[l - 1]), slice(earlier[l - 1], None)],
                )
                np.tanh(self.hidden[l - 1], out=slope)
                np.multiply(slope, slope, out=slope)
                np.subtract(1.0, slope, out=slope)
                y *= slope
                g += y
                for a, part in zip(sums[1:], coupled):
                    part *= slope
                    np.einsum("ij,ij->", part, part)
                    a += part
                self.look(self.first_signal, step, l - 1, g)
                # The drift knows the columns of this step from the next one on.
                grown = np.zeros((len(coefficients), len(queries[l - 1])))
                grown[: drift.shape[0], : drift.shape[1]] = drift
                drifts[l - 1] = grown + (coefficients * chi) @ queries[l - 1].T
            for a in sums[1:]:
                np.einsum("ij,ij->", a, a)
            inner = (inputs @ inputs.T) / DIMENSION
            self.hidden[0] -= g @ (chi[:, None] * inner).astype(SINGLE)
            readout -= self.hidden[DEPTH] @ chi.astype(SINGLE)
        return layer_coupling, f


def main():
    network, rng = Network(int(sys.argv[1])), np.random.default_rng(1)
    for _ in sys.stdin:
        start = time.perf_counter()
        coupling, f = network.run(rng)
        print(time.perf_counter() - start, coupling, *f, flush=True)


main()
