"""Trains a network of `nfd export` again in PyTorch: python examples/verify_torch.py NETWORK.npz

The file, .npz or .safetensors, has the network's initial weights and all constants of its training
(docs/export.md). This trains it by autograd and torch.optim.SGD and compares outputs, losses and the
weights at the end with those of nfd: within 1e-10 of the largest in f64, 1e-5 in f32. It ends with 1
and says what differs if something does.
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


class ResNet(nn.Module):
    """h_0 = U x,  h_l = h_{l-1} + W_l φ(h_{l-1}),  f = Vᵀ h_L, each product with its multiplier.

    In two-layer blocks the branch is W2_l φ(W1_l φ(h_{l-1})). Hidden weights are stacked, L×n×n.
    """

    def __init__(self, about, weights):
        super().__init__()
        weights = {name: nn.Parameter(torch.tensor(value)) for name, value in weights.items()}
        self.weights = nn.ParameterDict(weights)
        self.matrices = ["W"] if "W" in weights else ["W1", "W2"]
        self.depth = about["depth"]
        self.skip = about["skip"]
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
            branch = h
            for name in self.matrices:
                branch = self.multiply(name, layer, self.phi(branch))
            h = h + branch if self.skip else branch
        return self.multipliers["V"] * (h @ self.weights["V"])


def squared(f, y):
    return 0.5 * ((f - y) ** 2).sum(1).mean()


def cross_entropy(f, y):
    return -(y * torch.log_softmax(f, 1)).sum(1).mean()


path = sys.argv[1]
arrays, about = read(path)
initial = {name[8:]: value for name, value in arrays.items() if name.startswith("initial.")}
model = ResNet(about, initial)
loss = {"squared": squared, "cross-entropy": cross_entropy}[about["loss"]]
x = torch.tensor(arrays["inputs.train"])
y = torch.tensor(arrays["labels.train"]).to(x.dtype)

# Rates and decays of a group are for the gradient of the loss itself: what torch.optim.SGD takes.
groups = []
for name, weight in model.weights.items():
    group = name.removesuffix("_backward")
    if about["learning_rates"][group] == 0.0:
        weight.requires_grad_(False)  # not trained; it does not decay either
    else:
        rate, decay = about["learning_rates"][group], about["weight_decays"][group]
        groups.append({"params": [weight], "lr": rate, "weight_decay": decay})
if not groups:
    sys.exit(f"{path}: none of its weights is trained, and there is nothing to verify")
optimizer = torch.optim.SGD(groups, momentum=about["momentum"])
# The factor on all rates at every update, and one that is never used after the last.
factors = [*arrays["schedule"].tolist(), 0.0]
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: factors[update])

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
    optimizer.zero_grad()
    loss(model(x[batch]), y[batch]).backward()
    optimizer.step()
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
