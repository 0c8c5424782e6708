//! Forward pass and loss of a network in plain loops, from the weights of an exported file.

use std::collections::BTreeMap;

use serde_json::Value;

use super::exported::File;

/// A network as docs/theory.md, section 1, writes it.
pub struct Written {
    pub width: usize,
    pub depth: usize,
    pub dimension: usize,
    pub outputs: usize,
    /// √(T/L), in mup √T
    pub branch: f64,
    pub gamma: f64,
    pub relu: bool,
    /// Whether branches read h over its root mean square.
    pub normalised: bool,
    pub cross_entropy: bool,
}

impl Written {
    pub fn of(experiment: &Value, file: &File) -> Written {
        let model = &experiment["model"];
        let [width, depth] = ["widths", "depths"]
            .map(|list| experiment["ensemble"][list][0].as_u64().unwrap() as usize);
        let horizon = model["horizon"].as_f64().unwrap_or(1.0);
        let per_layer = if model["parametrization"] == "mup" { 1.0 } else { depth as f64 };
        Written {
            width,
            depth,
            dimension: file.shape("inputs.train")[1],
            outputs: file.shape("labels.train")[1],
            branch: (horizon / per_layer).sqrt(),
            gamma: model["gamma"].as_f64().unwrap_or(1.0),
            relu: model["activation"] == "relu",
            normalised: model["normalization"] == "rms",
            cross_entropy: experiment["training"]["loss"] == "cross-entropy",
        }
    }

    /// The factors on the products with weights.
    pub fn multipliers(&self, two_layers: bool) -> BTreeMap<&'static str, f64> {
        let n = self.width as f64;
        let (input, readout) = ((self.dimension as f64).sqrt(), n * self.gamma);
        let mut factors = BTreeMap::from([("U", 1.0 / input), ("V", 1.0 / readout)]);
        match two_layers {
            false => factors.extend([("W", self.branch / n.sqrt())]),
            true => factors.extend([("W1", 1.0 / n.sqrt()), ("W2", self.branch / n.sqrt())]),
        }
        factors
    }

    pub fn phi(&self, u: f64) -> f64 {
        if self.relu { u.max(0.0) } else { u.tanh() }
    }

    /// f of one input.
    pub fn output(&self, weights: &BTreeMap<String, Vec<f64>>, x: &[f64]) -> Vec<f64> {
        let n = self.width;
        let product = |w: &[f64], v: &[f64], factor: f64| -> Vec<f64> {
            let row = |row: &[f64]| factor * row.iter().zip(v).map(|(w, v)| w * v).sum::<f64>();
            w.chunks(v.len()).map(row).collect()
        };
        let layer = |name: &str, l: usize| &weights[name][l * n * n..][..n * n];
        let values = |h: &[f64]| -> Vec<f64> { h.iter().map(|u| self.phi(*u)).collect() };
        let two_layers = weights.contains_key("W1");
        let factors = self.multipliers(two_layers);
        let mut h = product(&weights["U"], x, factors["U"]);
        for l in 0..self.depth {
            let square = h.iter().map(|h| h * h).sum::<f64>() / n as f64;
            let root = if self.normalised { square.sqrt() } else { 1.0 };
            let x: Vec<f64> = h.iter().map(|h| h / root).collect();
            let added = match two_layers {
                false => product(layer("W", l), &values(&x), factors["W"]),
                true => {
                    let z = product(layer("W1", l), &values(&x), factors["W1"]);
                    product(layer("W2", l), &values(&z), factors["W2"])
                }
            };
            h.iter_mut().zip(added).for_each(|(h, added)| *h += added);
        }
        let sum =
            |o: usize| -> f64 { (0..n).map(|i| weights["V"][i * self.outputs + o] * h[i]).sum() };
        (0..self.outputs).map(|o| factors["V"] * sum(o)).collect()
    }

    pub fn outputs(&self, weights: &BTreeMap<String, Vec<f64>>, inputs: &[f64]) -> Vec<f64> {
        inputs.chunks(self.dimension).flat_map(|x| self.output(weights, x)).collect()
    }

    pub fn loss(&self, f: &[f64], labels: &[f64]) -> f64 {
        let of = |(f, y): (&[f64], &[f64])| -> f64 {
            let all: f64 = f.iter().map(|f| f.exp()).sum();
            let terms = f.iter().zip(y).map(|(f, y)| match self.cross_entropy {
                true => y * (all.ln() - f),
                false => 0.5 * (f - y).powi(2),
            });
            terms.sum()
        };
        let samples = f.chunks(self.outputs).zip(labels.chunks(self.outputs));
        samples.map(of).sum::<f64>() / (f.len() / self.outputs) as f64
    }
}
