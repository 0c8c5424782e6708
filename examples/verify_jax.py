"""Trains a network of `nfd export` again in JAX: python examples/verify_jax.py NETWORK.npz

The file, .npz or .safetensors, has the network's initial weights and all constants of its training
(docs/export.md). This trains it by jax.grad and compares outputs, losses and the weights at the end
with those of nfd: within 1e-10 of the largest in f64, 1e-5 in f32. It ends with 1 and says what differs
if something does.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
# On accelerators: products in the format of the weights, not a shorter one.
jax.config.update("jax_default_matmul_precision", "highest")

ACTIVATIONS = {
    "identity": lambda h: h,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "erf": jax.scipy.special.erf,
    "gelu": lambda h: jax.nn.gelu(h, approximate=False),
    "softplus": jax.nn.softplus,
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


@jax.custom_vjp
def apart(x, W, W_backward):
    """x Wᵀ, but gradients pass through other weights, which receive the same updates: closure gia."""
    return x @ W.T


def apart_forward(x, W, W_backward):
    return x @ W.T, (x, W_backward)


def apart_backward(saved, gradient):
    x, W_backward = saved
    update = gradient.T @ x
    return gradient @ W_backward, update, update


apart.defvjp(apart_forward, apart_backward)


def multiply(name, layer, x):
    """The product with one matrix of a layer, and its multiplier."""
    if f"{name}_backward" in layer:
        product = apart(x, layer[name], layer[f"{name}_backward"])
    else:
        product = x @ layer[name].T
    return about["multipliers"][name] * product


def normalised(h):
    """Every row over its root mean square."""
    return h / jnp.sqrt((h**2).mean(1, keepdims=True))


def network(weights, x):
    """h_0 = U x,  h_l = h_{l-1} + W_l φ(h_{l-1}),  f = Vᵀ h_L, each product with its multiplier.

    In two-layer blocks the branch is W2_l φ(W1_l φ(h_{l-1})). Normalised branches read h over its root mean
    square. Hidden weights are stacked, L×n×n.
    """
    hidden = {name: stack for name, stack in weights.items() if name.startswith("W")}
    phi = ACTIVATIONS[about["activation"]]

    def block(h, layer):
        branch = normalised(h) if about["normalization"] == "rms" else h
        for name in ["W"] if "W" in layer else ["W1", "W2"]:
            branch = multiply(name, layer, phi(branch))
        return (h + branch if about["skip"] else branch), None

    h, _ = jax.lax.scan(block, about["multipliers"]["U"] * (x @ weights["U"].T), hidden)
    return about["multipliers"]["V"] * (h @ weights["V"])


def squared(f, y):
    return 0.5 * ((f - y) ** 2).sum(1).mean()


def cross_entropy(f, y):
    return -(y * jax.nn.log_softmax(f, 1)).sum(1).mean()


def newton_schulz(v):
    """Five steps of the quintic iteration, of every matrix of a stack."""
    x = v / jnp.linalg.norm(v, axis=(-2, -1), keepdims=True)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def polar(v):
    """The polar factor of every matrix of a stack; small singular values count as zero."""
    u, sigma, vh = jnp.linalg.svd(v)
    kept = sigma > 1e-6 * sigma[..., :1]
    return (u * kept[..., None, :]) @ vh


ALONG = {
    ("muon", "exact"): polar,
    ("muon", "newton-schulz"): newton_schulz,
    ("normalized-sgd", None): lambda v: v / jnp.linalg.norm(v, axis=(-2, -1), keepdims=True),
    ("spectral", None): lambda v: v / jnp.linalg.norm(v, 2, axis=(-2, -1), keepdims=True),
    ("signsgd", None): jnp.sign,
}


def update(about, group, weight, gradient, state, number, factor):
    """A weight after its update, of which it is the `number`-th, and what it keeps until the next one."""
    # Rates, decays and ε of a group are for the gradient of the loss itself.
    rate, decay = about["learning_rates"][group] * factor, about["weight_decays"][group]
    momentum = about["momentum"]
    if about["optimizer"] in ("adam", "adamw"):
        m, v = state if state else (0.0, 0.0)
        beta1, beta2 = about["betas"]
        m = beta1 * m + (1.0 - beta1) * gradient
        v = beta2 * v + (1.0 - beta2) * gradient**2
        root = jnp.sqrt(v / (1.0 - beta2**number))
        step = m / (1.0 - beta1**number) / (root + about["epsilons"][group])
        return (1.0 - rate * decay) * weight - rate * step, (m, v)
    along = ALONG.get((about["optimizer"], about["orthogonalization"]))
    if along is None or (group in ("U", "V") and along is not jnp.sign):
        v = momentum * (0.0 if state is None else state) + gradient + decay * weight
        return weight - rate * v, v
    v = momentum * (0.0 if state is None else state) + gradient
    ahead = gradient + momentum * v if about["nesterov"] else v
    return (1.0 - rate * decay) * weight - rate * along(ahead), v


path = sys.argv[1]
arrays, about = read(path)
weights = {
    name[8:]: jnp.asarray(value) for name, value in arrays.items() if name.startswith("initial.")
}
loss = {"squared": squared, "cross-entropy": cross_entropy}[about["loss"]]
x = jnp.asarray(arrays["inputs.train"])
y = jnp.asarray(arrays["labels.train"], x.dtype)
outputs_of = jax.jit(network)
gradient_of = jax.jit(jax.grad(lambda weights, x, y: loss(network(weights, x), y)))

recorded = arrays["step"].tolist()
outputs, losses = [], []
states = dict.fromkeys(weights)
for step in range(about["steps"] + 1):
    if step in recorded:
        f = outputs_of(weights, x)
        outputs.append(f)
        losses.append(loss(f, y))
    if step == about["steps"]:
        break
    batch = arrays["batches"][step] if "batches" in arrays else slice(None)
    factor = float(arrays["schedule"][step])
    gradient = gradient_of(weights, x[batch], y[batch])
    for name, weight in weights.items():
        group = name.removesuffix("_backward")
        if about["learning_rates"][group] > 0.0:  # else frozen
            weights[name], states[name] = update(
                about, group, weight, gradient[name], states[name], step + 1, factor
            )

tolerance = {"f64": 1e-10, "f32": 1e-5}[about["precision"]]
wrong = []


def compare(name, here, nfd):
    """The largest difference as a share of the largest value; noted where it is too large."""
    here, nfd = np.asarray(here, float), np.asarray(nfd, float)
    difference = np.abs(here - nfd).max() / max(np.abs(nfd).max(), np.finfo(float).tiny)
    if not difference <= tolerance:  # NaN is too large as well
        wrong.append(name)
    return difference


print(f"{path}: {about['closure']} n={about['width']} L={about['depth']}, {about['precision']}")
print("  step    loss of nfd     loss of JAX")
for step, nfd, here in zip(recorded, arrays["loss.train"], losses):
    print(f"{step:6}  {nfd:13.6e}  {here:13.6e}")
print(f"largest differences, of {tolerance:.0e} allowed:")
print(f"  {'outputs':14} {compare('outputs', outputs, arrays['f.train']):.1e}")
print(f"  {'losses':14} {compare('losses', losses, arrays['loss.train']):.1e}")
for name, weight in weights.items():
    print(f"  {name:14} {compare(name, weight, arrays[f'trained.{name}']):.1e}")
if wrong:
    sys.exit(f"{path}: JAX and nfd differ in {', '.join(wrong)}")
