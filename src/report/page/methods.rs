//! How it was done, with sources, and how to read the numbers elsewhere.

use crate::data::Source;
use crate::experiment::{Block, Engine};
use crate::model::Parametrization;
use crate::report::Report;

const NETWORK: &str = "<p>A network of width n and depth L, with Gaussian weights of variance one and \
every scale written out \
(<a href=\"https://arxiv.org/abs/2512.21075\">arXiv 2512.21075</a>; depth-μP: \
<a href=\"https://arxiv.org/abs/2310.02244\">arXiv 2310.02244</a>):</p>\n\
<div class=\"scroll\"><p class=\"math\">\
<i>h</i><sub>0</sub> = <i>U</i><i>x</i> / √<i>d</i><br/>\
<i>h</i><sub>l</sub> = <i>h</i><sub>l−1</sub> + √(T/L) n<sup>−1/2</sup> <i>W</i><sub>l</sub> \
φ(<i>h</i><sub>l−1</sub>), l = 1 … L<br/>\
<i>f</i> = n<sup>−1</sup> <i>V</i><sup>⊤</sup><i>h</i><sub>L</sub><br/>\
<i>g</i><sub>L</sub> = <i>V</i>, \
<i>g</i><sub>l−1</sub> = <i>g</i><sub>l</sub> + φ′(<i>h</i><sub>l−1</sub>) ∘ \
(√(T/L) n<sup>−1/2</sup> <i>W</i><sub>l</sub><sup>⊤</sup><i>g</i><sub>l</sub>)<br/>\
<i>W</i><sub>l</sub> ← <i>W</i><sub>l</sub> − η √(T/L) n<sup>−1/2</sup> Σ<sub>p</sub> \
χ<sub>p</sub> <i>g</i><sub>l</sub>(x<sub>p</sub>) \
φ(<i>h</i><sub>l−1</sub>(x<sub>p</sub>))<sup>⊤</sup>, \
χ<sub>p</sub> = ∂loss/∂<i>f</i>(x<sub>p</sub>)</p></div>\n";

const TWO_LAYER: &str = "<p>Here blocks have two matrices, the branch of a layer being \
√(T/L) n<sup>−1/2</sup> <i>W</i><sub>2</sub> φ(<i>z</i>), \
<i>z</i> = n<sup>−1/2</sup> <i>W</i><sub>1</sub> φ(<i>h</i><sub>l−1</sub>). Gradients pass through \
both, and both are trained; own movement is that of the inner one, \
n<sup>−1/2</sup>(<i>W</i><sub>1</sub> − <i>W</i><sub>1</sub><sup>(0)</sup>)φ(<i>h</i>).</p>\n";

const CONDITIONAL: &str = "<p>No weight matrix is formed. Each layer keeps the orthonormalised \
directions it has been asked about and the answers it gave; a new question is answered from the exact \
conditional law of the Gaussian matrix given those. Updates of W are of low rank and are carried \
exactly. For <code>exact</code> this has the very law of the finite network.</p>\n";

const CLOSURES: &str = "<p>Forward and backward passes read the same matrix, W and W<sup>⊤</sup>, so \
backward answers depend on forward ones. <code>exact</code> keeps all of this; <code>nfd</code> \
decouples the Gaussian parts within a pass but keeps the covariances that training makes \
(<a href=\"https://arxiv.org/abs/2512.21075\">arXiv 2512.21075</a>; the mean-field description with \
all covariances is \
<a href=\"https://arxiv.org/abs/2309.16620\">arXiv 2309.16620</a>); <code>gia</code> has independent \
backward weights that receive the same updates.</p>\n";

const ERRORS: &str = "<p>All depths, widths and closures of a seed read one Brownian path: layer l of a \
network of depth L sums the blocks of the finest grid that lie in ((l−1)T/L, lT/L]. Errors are \
therefore differences of networks on the same noise, not of ensembles. Strong errors are means over \
rows, samples and seeds of (h − h<sub>ref</sub>)<sup>2</sup>; the weak error is \
√(mean<sub>p</sub> (mean<sub>seeds</sub> [f<sub>p</sub> − f<sub>ref,p</sub>])<sup>2</sup>).</p>\n";

const FITS: &str = "<p>Families and rules are declared with each claim before there are data: the \
power a·L<sup>−p</sup>(1 + b/L), with a floor e/(nL) for mean-square observables of single layers, and \
the plateau c + a·L<sup>−p</sup>. They are fitted by weighted least squares, with e ≥ 0 and b/L at \
most ½ at the largest L; relative errors are shrunk towards those of all points, as single ones from \
few seeds are uncertain. Intervals hold 95 %: a jackknife that leaves out one seed at a time, \
with Student’s t quantiles; a percentile bootstrap over few seeds would cover too little. Local \
exponents are slopes between neighbouring points on logarithmic axes. Bars are one standard error over \
seeds, bands 95 %.</p>\n";

pub fn section(report: &Report) -> String {
    let model = &report.experiment.model;
    let mut out = NETWORK.to_owned();
    out.push_str(match model.parametrization {
        Parametrization::DepthMup if model.exponents == model.parametrization.exponents() => "",
        _ => {
            "<p>This experiment departs from these scales in its parametrization, as said under \
             “What was asked”.</p>\n"
        }
    });
    if model.block == Block::TwoLayer {
        out.push_str(TWO_LAYER);
    }
    if report.experiment.engine == Engine::Conditional {
        out.push_str(CONDITIONAL);
    }
    out.push_str(CLOSURES);
    out.push_str(ERRORS);
    out.push_str(FITS);
    out
}

const FILES: &str = "<p>Next to this page lie <code>results.csv</code> (one number a line), \
<code>arrays.npz</code> (the same as arrays), <code>summary.json</code> (the claims), \
<code>manifest.json</code> (the resolved \
experiment, and how it was started) and <code>plots/</code> (the figures as SVG).</p>\n";

const PANDAS: &str = "import pandas as pd

results = pd.read_csv(\"results.csv\")
weak = results[results.observable.str.startswith(\"difference.f.\")]
print(weak.groupby([\"closure\", \"depth\", \"step\"]).value.mean())";

const NUMPY: &str = "import numpy as np

arrays = np.load(\"arrays.npz\")
arrays[\"depths\"]      # also: closures, widths, seeds, steps, depth_times
arrays[\"loss.train\"]  # axes: closure, width, depth, seed, step
arrays[\"strong.h\"]    # and depth_time, where the observable has one
arrays[\"f\"]           # and outputs, last";

const JAX: &str = "import jax.numpy as jnp

f = jnp.asarray(arrays[\"f\"])          # JAX

import torch

f = torch.from_numpy(arrays[\"f\"])     # PyTorch";

const DIGITS: &str = "<p>Handwritten digits: E. Alpaydin and C. Kaynak, <i>Optical Recognition of \
Handwritten Digits</i>, UCI Machine Learning Repository, \
<a href=\"https://doi.org/10.24432/C50P49\">doi 10.24432/C50P49</a>, licensed \
<a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>.</p>\n";

pub fn data(report: &Report) -> String {
    let code = |name: &str, text: &str| {
        format!(
            "<figure class=\"code\"><figcaption>{name}</figcaption><pre tabindex=\"0\"><code>{text}</code></pre></figure>\n"
        )
    };
    let attribution = if report.experiment.data.source == Source::Digits { DIGITS } else { "" };
    [
        FILES,
        "<div class=\"codes\">\n",
        &code("pandas", &super::escape(PANDAS)),
        &code("NumPy", &super::escape(NUMPY)),
        &code("JAX and PyTorch", &super::escape(JAX)),
        "</div>\n",
        attribution,
    ]
    .concat()
}
