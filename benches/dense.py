"""The dense engine in NumPy, PyTorch and JAX, float32: what benches/dense.rs is compared with.

    python dense.py WAY THREADS        WAY: numpy, torch, torch-vmap or jax

says "missing", or "ready" and a version. Then it trains once for every line of JSON

    {"file", "width", "depth", "samples", "members", "dimension", "rate", "steps"}

and answers {"seconds", "f", "variant"}: the time of the steps, the outputs of every member after
them, and how it was done. Each way has several variants (by hand or automatic gradients, samples as
rows or columns, how many members at once, ...). On the first line of a configuration the options
are tried one after the other, not timed; the fastest is used from then on.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

WAY, THREADS = sys.argv[1], int(sys.argv[2])

# All of this is read when the packages are loaded. NPROC is the size of XLA's thread pool.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
    os.environ[variable] = str(THREADS)
os.environ["JAX_PLATFORMS"] = "cpu"
# Huge pages, which NumPy asks for itself; glibc reads it when the program starts.
if WAY != "numpy" and "GLIBC_TUNABLES" not in os.environ:
    os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
    os.execv(sys.executable, sys.orig_argv)
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

try:
    import numpy as np

    if WAY == "numpy":
        package = np
        try:
            from scipy.linalg.blas import sgemm
        except ImportError:
            sgemm = None
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            threadpool_limits = None
    elif WAY == "jax":
        import jax

        package, jnp, lax = jax, jax.numpy, jax.lax
    else:
        import torch

        package = torch
        torch.set_num_threads(THREADS)
except ImportError:
    print("missing")
    sys.exit()

SINGLE = np.float32
# With more than one thread, these may be in the products or have members of their own.
pool = ThreadPoolExecutor(THREADS)
# More layers than this are not unrolled for XLA: it would compile for minutes.
UNROLLED = 64
TRIALS = 2


class Problem:
    """What is given, and memory for the weights that are trained."""

    def __init__(self, line):
        self.width, self.depth, self.samples, self.members = (
            line[key] for key in ("width", "depth", "samples", "members")
        )
        n, depth, d = self.width, self.depth, line["dimension"]
        self.scale, self.rate = (n * depth) ** -0.5, line["rate"]
        data = np.memmap(line["file"], "<f4", "r")
        first = self.samples * (d + 1)
        x, self.y = np.split(data[:first], [self.samples * d])
        x = x.reshape(self.samples, d) / SINGLE(d**0.5)
        own = data[first:].reshape(self.members, n * (d + 1 + n * depth))
        u, self.v, w = np.split(own, [n * d, n * (d + 1)], axis=1)
        self.h = x @ u.reshape(-1, n, d).mT
        # By layer, so that all that meets in one product is contiguous.
        w = w.reshape(-1, depth, n, n).swapaxes(0, 1)
        self.initial = np.ascontiguousarray(w, SINGLE)
        self.weights = np.empty_like(self.initial)

    def columns(self, layout, group=slice(None)):
        """h_0, V and y in shapes that fit together; a sample is a row or a column."""
        h, v, y = self.h[group], self.v[group, None], self.y[:, None]
        if layout == "columns":
            h, v, y = h.mT, v.mT, y.mT
        return tuple(np.array(a, SINGLE, order="C") for a in (h, v, y))

    def groups(self, size, spread=False):
        if spread:
            size = min(size, self.members // THREADS)
        return [slice(first, first + size) for first in range(0, self.members, size)]

    def threads(self, able=True):
        """Where the threads are: in the products, or each at members of its own."""
        able = able and THREADS > 1 and self.members % THREADS == 0
        return ["products", "members"] if able else ["products"]

    def group_sizes(self):
        sizes = (self.members, 1, THREADS)
        return [m for m in dict.fromkeys(sizes) if self.members % m == 0]

    def outputs(self, weights):
        """f after training, in the same way for all."""
        h = self.h.copy()
        for w in weights:
            h += SINGLE(self.scale) * (np.tanh(h) @ w.mT)
        return (h @ self.v[:, :, None])[:, :, 0] / self.width


def products(layout, matmul):
    """W x, Wᵀ x and x yᵀ, of one network or of several at once."""
    if layout == "rows":
        return (
            lambda w, x, **out: matmul(x, w.mT, **out),
            lambda w, x, **out: matmul(x, w, **out),
            lambda x, y, **out: matmul(x.mT, y, **out),
        )
    return (
        lambda w, x, **out: matmul(w, x, **out),
        lambda w, x, **out: matmul(w.mT, x, **out),
        lambda x, y, **out: matmul(x, y.mT, **out),
    )


def limit_threads(count):
    """In products that are called from one thread or from several."""
    if WAY == "numpy" and threadpool_limits:
        threadpool_limits(count)
    elif WAY.startswith("torch"):
        torch.set_num_threads(count)
        if count == 1:
            # A setting of each thread.
            list(pool.map(torch.set_num_threads, [1] * THREADS))


def feature_axis(layout):
    return -1 if layout == "rows" else -2


class Way:
    """Trains weights in the memory of the problem, a group of members after the other."""

    def reset(self):
        np.copyto(self.problem.weights, self.problem.initial)
        limit_threads(1 if self.spread else THREADS)

    def train(self, steps):
        if self.spread:
            list(pool.map(self.work, range(THREADS), [steps] * THREADS))
        else:
            self.work(0, steps)

    def work(self, first, steps):
        # Members are independent: few at a time stay in cache from step to step.
        for group in self.groups[first :: THREADS if self.spread else 1]:
            for _ in range(steps):
                self.step(*group)

    def outputs(self):
        return self.problem.outputs(self.problem.weights)


class Room:
    def __init__(self, problem, shape):
        self.h, self.y, self.delta, self.slope = (np.empty(shape, SINGLE) for _ in range(4))
        self.phi = np.empty((problem.depth, *shape), SINGLE)
        self.change = np.empty((shape[0], problem.width, problem.width), SINGLE)


class NumPy(Way):
    @staticmethod
    def options(problem):
        return {
            "layout": ["rows", "columns"],
            "members": problem.group_sizes(),
            "update": ["matmul and add"] + (["sgemm"] if sgemm else []),
            "threads": problem.threads(threadpool_limits is not None),
        }

    def __init__(self, problem, layout, members, update, threads):
        self.problem, self.layout, self.update = problem, layout, update
        self.spread = threads == "members"
        self.products = products(layout, np.matmul)
        slices = problem.groups(members, self.spread)
        given = [problem.columns(layout, g) for g in slices]
        rooms = [Room(problem, given[0][0].shape) for _ in range(THREADS if self.spread else 1)]
        self.groups = [
            ([w[g] for w in problem.weights], *columns, rooms[i % len(rooms)])
            for i, (g, columns) in enumerate(zip(slices, given))
        ]

    def step(self, weights, h0, v, labels, room):
        problem, axis = self.problem, feature_axis(self.layout)
        forward, backward, outer = self.products
        h, y, delta, slope, scale = room.h, room.y, room.delta, room.slope, SINGLE(problem.scale)
        np.copyto(h, h0)
        for w, phi in zip(weights, room.phi):
            np.tanh(h, out=phi)
            forward(w, phi, out=y)
            np.multiply(y, scale, out=y)
            np.add(h, y, out=h)
        f = np.multiply(h, v, out=y).sum(axis=axis, keepdims=True) / SINGLE(problem.width)
        # All factors of the update go into delta.
        factor = SINGLE(-problem.rate * problem.scale / problem.samples)
        np.multiply(v, factor * (f - labels), out=delta)
        for w, phi in zip(reversed(weights), room.phi[::-1]):
            backward(w, delta, out=y)
            if self.update == "sgemm":
                self.add_outer(w, delta, phi)
            else:
                outer(delta, phi, out=room.change)
                np.add(w, room.change, out=w)
            np.multiply(phi, phi, out=slope)
            np.subtract(SINGLE(1), slope, out=slope)
            np.multiply(slope, scale, out=slope)
            np.multiply(y, slope, out=y)
            np.add(delta, y, out=delta)

    def add_outer(self, weights, delta, phi):
        """In place: BLAS sees the transposes, all in Fortran order."""
        rows = self.layout == "rows"
        for w, d, p in zip(weights, delta, phi):
            sgemm(1, p.T, d.T, 1, w.T, trans_a=not rows, trans_b=rows, overwrite_c=True)


class Torch(Way):
    @staticmethod
    def options(problem):
        return {
            "gradients": ["by hand", "autograd"],
            "layout": ["rows", "columns"],
            "members": problem.group_sizes(),
            "threads": problem.threads(),
        }

    def __init__(self, problem, layout, members, threads, gradients="vmap"):
        self.problem, self.layout, self.spread = problem, layout, threads == "members"
        self.forward, self.backward, _ = products(layout, torch.matmul)
        steps = {"by hand": self.by_hand, "autograd": self.autograd, "vmap": self.vmap}
        self.step, self.groups, tensor = steps[gradients], [], torch.from_numpy
        for g in problem.groups(members, self.spread):
            weights = [tensor(w[g]) for w in problem.weights]
            if gradients == "autograd":
                weights = [w.requires_grad_() for w in weights]
            self.groups.append((weights, *map(tensor, problem.columns(layout, g))))
        self.gradient = torch.func.vmap(torch.func.grad(self.loss), in_dims=(0, 0, 0, None))

    def loss(self, weights, h, v, labels):
        """½ mean (f - y)², summed over the networks if they are several."""
        for w in weights:
            # The factor before the product: after it, its gradient would be as large as W.
            h = h + self.forward(w, torch.tanh(h) * self.problem.scale)
        f = (h * v).sum(feature_axis(self.layout), keepdim=True) / self.problem.width
        return ((f - labels) ** 2).sum() / (2 * self.problem.samples)

    def descend(self, weights, gradients):
        with torch.no_grad():
            for w, gradient in zip(weights, gradients):
                w.sub_(gradient, alpha=self.problem.rate * self.problem.width)

    def autograd(self, weights, h, v, labels):
        self.descend(weights, torch.autograd.grad(self.loss(weights, h, v, labels), weights))

    def vmap(self, weights, h, v, labels):
        self.descend(weights, self.gradient(tuple(weights), h, v, labels))

    def by_hand(self, weights, h, v, labels):
        with torch.inference_mode():
            self.by_hand_(weights, h, v, labels)

    def by_hand_(self, weights, h, v, labels):
        problem, rows, phis = self.problem, self.layout == "rows", []
        for w in weights:
            phi = torch.tanh(h)
            phis.append(phi)
            h = torch.baddbmm(h, *((phi, w.mT) if rows else (w, phi)), alpha=problem.scale)
        f = (h * v).sum(feature_axis(self.layout), keepdim=True) / problem.width
        delta = v * ((f - labels) * (-problem.rate * problem.scale / problem.samples))
        for w, phi in zip(reversed(weights), reversed(phis)):
            y = torch.bmm(delta, w) if rows else torch.bmm(w.mT, delta)
            w.baddbmm_(*((delta.mT, phi) if rows else (delta, phi.mT)))
            delta = torch.addcmul(delta, y, 1 - phi * phi, value=problem.scale)


class TorchVmap(Torch):
    @staticmethod
    def options(problem):
        return {
            "layout": ["rows", "columns"],
            "members": problem.group_sizes(),
            "threads": problem.threads(),
        }


class Jax:
    @staticmethod
    def options(problem):
        gradients = ["grad, loop"]
        if problem.depth <= UNROLLED:
            gradients += ["grad", "by hand, matmul", "by hand, sums"]
        return {
            "gradients": gradients,
            "layout": ["columns", "rows"],
            "members": problem.group_sizes(),
        }

    def __init__(self, problem, layout, members, gradients):
        self.problem, self.layout = problem, layout
        self.layers = "loop" if gradients == "grad, loop" else "unrolled"
        self.sums = gradients == "by hand, sums"
        self.products = products(layout, jnp.matmul)
        self.members = members
        self.given = [tuple(map(jnp.array, problem.columns(layout, g))) for g in problem.groups(members)]
        step = self.automatic if gradients.startswith("grad") else self.by_hand
        # The members of a group are one call; the steps are inside.
        self.program = jax.jit(
            lambda weights, given, steps: lax.fori_loop(0, steps, lambda _, w: step(w, *given), weights),
            donate_argnums=0,
        )

    def reset(self):
        self.weights = []
        for g in self.problem.groups(self.members):
            w = self.problem.initial[:, g]
            self.weights.append(tuple(map(jnp.array, w)) if self.layers == "unrolled" else jnp.array(w))
        jax.block_until_ready(self.weights)

    def train(self, steps):
        self.weights = [self.program(w, given, steps) for w, given in zip(self.weights, self.given)]
        jax.block_until_ready(self.weights)

    def f(self, h, v):
        return (h * v).sum(feature_axis(self.layout), keepdims=True) / self.problem.width

    def automatic(self, weights, h, v, labels):
        problem, forward = self.problem, self.products[0]

        def layer(h, w):
            return h + forward(w, jnp.tanh(h) * problem.scale), None

        def loss(weights, h, v):
            if self.layers == "loop":
                h, _ = lax.scan(layer, h, weights)
            else:
                for w in weights:
                    h, _ = layer(h, w)
            return ((self.f(h, v) - labels) ** 2).sum() / (2 * problem.samples)

        axis = 1 if self.layers == "loop" else 0
        gradient = jax.vmap(jax.grad(loss), (axis, 0, 0), axis)(weights, h, v)
        return jax.tree.map(lambda w, g: w - problem.rate * problem.width * g, weights, gradient)

    def outer(self, x, y):
        if not self.sums:
            return self.products[2](x, y)
        # XLA makes one loop of this and the addition to W.
        if self.layout == "columns":
            x, y = x.mT, y.mT
        return sum(x[:, p, :, None] * y[:, p, None, :] for p in range(self.problem.samples))

    def by_hand(self, weights, h, v, labels):
        problem, (forward, backward, _) = self.problem, self.products
        scale, depth = problem.scale, problem.depth

        def up(h, w):
            phi = jnp.tanh(h)
            return h + scale * forward(w, phi), phi

        def down(delta, w, phi):
            moved = w + self.outer(delta, phi)
            return delta + (1 - phi * phi) * (scale * backward(w, delta)), moved

        def start(h):
            return v * ((self.f(h, v) - labels) * (-problem.rate * scale / problem.samples))

        phis, weights = [], list(weights)
        for w in weights:
            h, phi = up(h, w)
            phis.append(phi)
        delta = start(h)
        for l in reversed(range(depth)):
            delta, weights[l] = down(delta, weights[l], phis[l])
        return tuple(weights)

    def outputs(self):
        layers = (np.concatenate([w[l] for w in self.weights]) for l in range(self.problem.depth))
        return self.problem.outputs(layers)


def train(trainer, steps):
    trainer.reset()
    start = time.perf_counter()
    trainer.train(steps)
    return time.perf_counter() - start


def choose(way, problem, steps, log=None):
    """The fastest variant, compiled and warm: one option after the other, over a few steps."""
    few = max(2, steps // 4)

    def attempt(variant):
        trainer = way(problem, **variant)
        train(trainer, 1)
        seconds = min(train(trainer, few) for _ in range(TRIALS))
        if log:
            log(seconds, variant)
        return seconds, variant, trainer

    options = way.options(problem)
    best = attempt({name: values[0] for name, values in options.items()})
    for name, values in options.items():
        for value in values[1:]:
            best = min(best, attempt(best[1] | {name: value}), key=lambda a: a[0])
    return best[1:]


def main():
    way = {"numpy": NumPy, "torch": Torch, "torch-vmap": TorchVmap, "jax": Jax}[WAY]
    print("ready", package.__version__, flush=True)
    known = None
    for text in sys.stdin:
        line = json.loads(text)
        if line != known:
            # One problem at a time in memory.
            problem = trainer = None
            problem, known = Problem(line), line
            variant, trainer = choose(way, problem, line["steps"])
        seconds = train(trainer, line["steps"])
        answer = {"seconds": seconds, "f": trainer.outputs().tolist(), "variant": variant}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
