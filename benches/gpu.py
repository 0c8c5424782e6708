"""A step of the dense engine in PyTorch on a GPU, float32: what benches/gpu.rs is compared with.

    python gpu.py [DEVICE]

says "missing" and why, or "ready" and a version. For every line of JSON

    {"width", "depth", "samples", "members", "steps"}

it answers with the seconds of these steps: the better of eager calls and a captured graph, gradients
by hand, all members at once; or with "failed" and why.
"""

import json
import sys
import time

DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cuda"

try:
    import torch

    torch.zeros(1, device=DEVICE)
except Exception as error:  # no PyTorch, or none that can use this device
    print("missing", str(error).split("\n")[0])
    sys.exit()


class Networks:
    def __init__(self, width, depth, samples, members):
        def normals(*shape):
            return torch.randn(shape, device=DEVICE)

        self.weights = [normals(members, width, width) for _ in range(depth)]
        self.h, self.v = normals(members, samples, width), normals(members, 1, width)
        self.labels = torch.ones(samples, 1, device=DEVICE)
        self.scale, self.width = (width * depth) ** -0.5, width

    def step(self):
        """Samples are rows; the factors of the update are in delta."""
        h, scale, phis = self.h, self.scale, []
        for w in self.weights:
            phi = torch.tanh(h)
            phis.append(phi)
            h = torch.baddbmm(h, phi, w.mT, alpha=scale)
        f = (h * self.v).sum(-1, keepdim=True) / self.width
        delta = self.v * ((f - self.labels) * (-scale / len(self.labels)))
        for w, phi in zip(reversed(self.weights), reversed(phis)):
            y = torch.bmm(delta, w)
            w.baddbmm_(delta.mT, phi)
            delta = torch.addcmul(delta, y, 1 - phi * phi, value=scale)


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def timed(step, steps):
    step()
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return time.perf_counter() - start


def captured(step):
    """As PyTorch's notes on graphs have it: warm on a stream of its own."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def answer(steps, **size):
    networks = Networks(**size)
    seconds = timed(networks.step, steps)
    if DEVICE == "cuda":
        try:
            seconds = min(seconds, timed(captured(networks.step), steps))
        except RuntimeError as error:
            print("PyTorch: no graph,", str(error).split("\n")[0], file=sys.stderr)
    return seconds


print("ready", torch.__version__, flush=True)
with torch.no_grad():
    for line in sys.stdin:
        try:
            print(answer(**json.loads(line)), flush=True)
        except Exception as error:  # of memory, for instance
            print("failed", str(error).split("\n")[0], flush=True)
        if DEVICE == "cuda":
            torch.cuda.empty_cache()
