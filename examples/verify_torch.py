"""Trains a network of `nfd export` again in PyTorch: python examples/verify_torch.py NETWORK.npz

The file, .npz or .safetensors, has the network's initial weights and all constants of its training
(docs/export.md). This trains it by autograd and the optimizers of torch.optim, or those below, and compares
outputs, losses and the weights at the end with those of nfd: within 1e-10 of the largest in f64, 1e-5 in f32.
It ends with 1 and says what differs if something does.
"""

import json
import sys

import numpy as np
import torch
from torch import nn

ACTIVATIONS = {
    "identity": lambda h: h,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "erf": torch.erf,
    "gelu": nn.functional.gelu,
    "softplus": lambda h: torch.logaddexp(h, torch.zeros_like(h)),
}


def read(path):
    """The arrays by name, and the constants."""
    if path.endswith(".npz"):
        with np.load(path) as file:
            arrays = dict(file)
        return arrays, json.loads(str(arrays.pop("nfd")))
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        return arrays, json.loads(file.metadata()["nfd"])


class Apart(torch.autograd.Function):
    """x Wᵀ, but gradients pass through other weights, which receive the same updates: closure gia."""

    @staticmethod
    def forward(ctx, x, W, W_backward):
        ctx.save_for_backward(x, W_backward)
        return x @ W.T

    @staticmethod
    def backward(ctx, gradient):
        x, W_backward = ctx.saved_tensors
        update = gradient.T @ x
        return gradient @ W_backward, update, update


def normalised(h):
    """Every row over its root mean square."""
    return h / (h**2).mean(1, keepdim=True).sqrt()


class ResNet(nn.Module):
    """h_0 = U x,  h_l = h_{l-1} + W_l φ(h_{l-1}),  f = Vᵀ h_L, each product with its multiplier.

    In two-layer blocks the branch is W2_l φ(W1_l φ(h_{l-1})). Normalised branches read h over its root mean
    square. Hidden weights are stacked, L×n×n.
    """

    def __init__(self, about, weights):
        super().__init__()
        weights = {name: nn.Parameter(torch.tensor(value)) for name, value in weights.items()}
        self.weights = nn.ParameterDict(weights)
        self.matrices = ["W"] if "W" in weights else ["W1", "W2"]
        self.depth = about["depth"]
        self.skip = about["skip"]
        self.normalization = about["normalization"]
        self.multipliers = about["multipliers"]
        self.phi = ACTIVATIONS[about["activation"]]

    def multiply(self, name, layer, x):
        W = self.weights[name][layer]
        if f"{name}_backward" in self.weights:
            product = Apart.apply(x, W, self.weights[f"{name}_backward"][layer])
        else:
            product = x @ W.T
        return self.multipliers[name] * product

    def forward(self, x):
        h = self.multipliers["U"] * (x @ self.weights["U"].T)
        for layer in range(self.depth):
            branch = normalised(h) if self.normalization == "rms" else h
            for name in self.matrices:
                branch = self.multiply(name, layer, self.phi(branch))
            h = h + branch if self.skip else branch
        return self.multipliers["V"] * (h @ self.weights["V"])


def squared(f, y):
    return 0.5 * ((f - y) ** 2).sum(1).mean()


def cross_entropy(f, y):
    return -(y * torch.log_softmax(f, 1)).sum(1).mean()


def newton_schulz(v):
    """Five steps of the quintic iteration, of every matrix of a stack."""
    x = v / torch.linalg.matrix_norm(v, keepdim=True)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def polar(v):
    """The polar factor of every matrix of a stack; small singular values count as zero."""
    u, sigma, vh = torch.linalg.svd(v)
    kept = sigma > 1e-6 * sigma[..., :1]
    return (u * kept[..., None, :]) @ vh


NORMALIZED = {
    ("muon", "exact"): polar,
    ("muon", "newton-schulz"): newton_schulz,
    ("normalized-sgd", None): lambda v: v / torch.linalg.matrix_norm(v, keepdim=True),
    ("spectral", None): lambda v: v / torch.linalg.matrix_norm(v, 2, keepdim=True),
    ("signsgd", None): torch.sign,
}


class Along(torch.optim.Optimizer):
    """W ← (1 − lr·decay) W − lr·along(v) with v ← momentum·v + gradient, or what Nesterov makes of v."""

    def __init__(self, groups, along, momentum, nesterov):
        super().__init__(groups, {})
        self.along, self.momentum, self.nesterov = along, momentum, nesterov

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                gradient, state = weight.grad, self.state[weight]
                velocity = self.momentum * state.get("velocity", 0.0) + gradient
                state["velocity"] = velocity
                ahead = gradient + self.momentum * velocity if self.nesterov else velocity
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * self.along(ahead))


def optimizers(about, groups):
    """One for each kind of group: weights by name, with their rates and decays."""
    name, momentum = about["optimizer"], about["momentum"]
    if name in ("adam", "adamw"):
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
        return [kind(list(groups.values()), betas=about["betas"])]
    along = NORMALIZED.get((name, about["orthogonalization"]))
    ends = ("U", "V") if name != "signsgd" else ()
    descend = {group: of for group, of in groups.items() if along is None or group in ends}
    others = [of for group, of in groups.items() if group not in descend]
    made = [torch.optim.SGD(list(descend.values()), momentum=momentum)] if descend else []
    return made + ([Along(others, along, momentum, about["nesterov"])] if others else [])


path = sys.argv[1]
arrays, about = read(path)
initial = {name[8:]: value for name, value in arrays.items() if name.startswith("initial.")}
model = ResNet(about, initial)
loss = {"squared": squared, "cross-entropy": cross_entropy}[about["loss"]]
x = torch.tensor(arrays["inputs.train"])
y = torch.tensor(arrays["labels.train"]).to(x.dtype)

# Rates, decays and ε of a group are for the gradient of the loss itself: what torch.optim takes.
groups = {}
for name, weight in model.weights.items():
    group = name.removesuffix("_backward")
    if about["learning_rates"][group] == 0.0:
        weight.requires_grad_(False)  # not trained; it does not decay either
    else:
        rate, decay = about["learning_rates"][group], about["weight_decays"][group]
        groups[name] = {"params": [weight], "lr": rate, "weight_decay": decay}
        if about["epsilons"]:
            groups[name]["eps"] = about["epsilons"][group]
if not groups:
    sys.exit(f"{path}: none of its weights is trained, and there is nothing to verify")
trained = optimizers(about, groups)
# The factor on all rates at every update, and one that is never used after the last.
factors = [*arrays["schedule"].tolist(), 0.0]
schedulers = [
    torch.optim.lr_scheduler.LambdaLR(one, lambda update: factors[update]) for one in trained
]

recorded = arrays["step"].tolist()
outputs, losses = [], []
for step in range(about["steps"] + 1):
    if step in recorded:
        with torch.no_grad():
            f = model(x)
            outputs.append(f.numpy())
            losses.append(loss(f, y).item())
    if step == about["steps"]:
        break
    batch = arrays["batches"][step] if "batches" in arrays else slice(None)
    model.zero_grad()
    loss(model(x[batch]), y[batch]).backward()
    for one, scheduler in zip(trained, schedulers):
        one.step()
        scheduler.step()

tolerance = {"f64": 1e-10, "f32": 1e-5}[about["precision"]]
wrong = []


def compare(name, here, nfd):
    """The largest difference as a share of the largest value; noted where it is too large."""
    here, nfd = np.asarray(here, float), np.asarray(nfd, float)
    apart = np.abs(here - nfd).max() / max(np.abs(nfd).max(), np.finfo(float).tiny)
    if not apart <= tolerance:  # NaN is too large as well
        wrong.append(name)
    return apart


print(f"{path}: {about['closure']} n={about['width']} L={about['depth']}, {about['precision']}")
print("  step    loss of nfd   loss of torch")
for step, nfd, here in zip(recorded, arrays["loss.train"], losses):
    print(f"{step:6}  {nfd:13.6e}  {here:13.6e}")
print(f"largest differences, of {tolerance:.0e} allowed:")
print(f"  {'outputs':14} {compare('outputs', outputs, arrays['f.train']):.1e}")
print(f"  {'losses':14} {compare('losses', losses, arrays['loss.train']):.1e}")
for name, weight in model.weights.items():
    print(f"  {name:14} {compare(name, weight.detach().numpy(), arrays[f'trained.{name}']):.1e}")
if wrong:
    sys.exit(f"{path}: PyTorch and nfd differ in {', '.join(wrong)}")
