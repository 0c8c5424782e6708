//! What the dense engines keep of their passes: leading rows, movements and covariances at the probed
//! layers.

use nalgebra::DMatrix;

use super::archive::{Archive, Walked};
use super::coefficients::covariance;
use super::real::Real;
use super::vectors::Vectors;
use super::{Covariances, Network, Probe, Snapshot};

/// What is kept of one network: of its features h, of φ(h), which covariances are of, and of its
/// gradients g.
pub struct Recorder<T> {
    probe: Probe,
    features: Movements<T>,
    gradients: Movements<T>,
    feature_history: History,
    gradient_history: History,
}

impl<T: Real> Recorder<T> {
    /// Of a network of which nothing was seen yet.
    pub fn new(probe: &Probe) -> Self {
        let layers = probe.layers.len();
        Recorder {
            probe: probe.clone(),
            features: Movements { initial: vec![None; layers] },
            gradients: Movements { initial: vec![None; layers] },
            feature_history: History { passes: vec![Vec::new(); layers] },
            gradient_history: History { passes: vec![Vec::new(); layers] },
        }
    }

    fn position(&self, layer: usize) -> Option<usize> {
        self.probe.layers.iter().position(|&probed| probed == layer)
    }

    /// A snapshot of h_l if `layer` is probed; the first one sets the reference of movements.
    pub fn see_features(&mut self, layer: usize, h: &Vectors<T>) -> Option<Snapshot> {
        let position = self.position(layer)?;
        Some(self.features.snapshot(position, self.probe.rows, h))
    }

    /// A snapshot of g_l if `layer` is probed; the first one sets the reference of movements.
    pub fn see_gradients(&mut self, layer: usize, g: &Vectors<T>) -> Option<Snapshot> {
        let position = self.position(layer)?;
        Some(self.gradients.snapshot(position, self.probe.rows, g))
    }

    /// Keeps φ(h_l) for covariances, if `layer` is probed; None once they are followed no more.
    pub fn follow_features(&mut self, layer: usize, values: Option<&Vectors<T>>) {
        if let Some(position) = self.position(layer) {
            self.feature_history.follow(position, values);
        }
    }

    /// Keeps g_l for covariances, if `layer` is probed; None once they are followed no more.
    pub fn follow_gradients(&mut self, layer: usize, g: Option<&Vectors<T>>) {
        if let Some(position) = self.position(layer) {
            self.gradient_history.follow(position, g);
        }
    }

    /// Walks over all that was seen.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        for Movements { initial } in [&mut self.features, &mut self.gradients] {
            for initial in initial {
                let none = || Ok(Vectors::default());
                archive.optional(initial, none, |archive, initial| initial.archive(archive))?;
            }
        }
        for History { passes } in [&mut self.feature_history, &mut self.gradient_history] {
            for passes in passes {
                archive.list(passes, || DMatrix::zeros(0, 0), Archive::matrix)?;
            }
        }
        Ok(())
    }

    /// Covariances over all passes that were followed, at each probed layer.
    pub fn covariances(&self, network: &Network) -> Vec<Covariances> {
        let Network { width, depth, .. } = *network;
        let at = |(i, &layer): (usize, &usize)| Covariances {
            features: (layer < depth).then(|| self.feature_history.covariance(i, width)),
            gradients: (layer > 0).then(|| self.gradient_history.covariance(i, width)),
            ..Covariances::default()
        };
        self.probe.layers.iter().enumerate().map(at).collect()
    }
}

/// One kind of vector against its first values, by position among the probed layers.
struct Movements<T> {
    initial: Vec<Option<Vectors<T>>>,
}

impl<T: Real> Movements<T> {
    fn snapshot(&mut self, position: usize, rows: usize, x: &Vectors<T>) -> Snapshot {
        let initial = self.initial[position].get_or_insert_with(|| x.clone());
        let mut sum = 0.0;
        let difference = |(x, y): (&T, &T)| (x.widen() - y.widen()).powi(2);
        // With minibatches the last pass may be of as many samples, never of more or fewer.
        for (x, initial) in x.pieces().iter().zip(initial.pieces()) {
            sum += x.iter().zip(initial).map(difference).sum::<f64>();
        }
        let leading = (0..x.samples()).flat_map(|p| x.column(p).take(rows));
        let entries = (x.rows() * x.samples()).max(1);
        Snapshot { rows: leading.map(Real::narrow).collect(), movement: sum / entries as f64 }
    }
}

/// One kind of vector of every pass, by position among the probed layers.
struct History {
    passes: Vec<Vec<DMatrix<f64>>>,
}

impl History {
    fn follow<T: Real>(&mut self, position: usize, x: Option<&Vectors<T>>) {
        match x {
            Some(x) => self.passes[position].push(x.to_matrix()),
            None => self.passes[position].clear(),
        }
    }

    /// n^{-1} times the inner products of all that was followed.
    fn covariance(&self, position: usize, width: usize) -> DMatrix<f64> {
        covariance(&self.passes[position], width)
    }
}
