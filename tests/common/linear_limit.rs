//! The training of a linear residual network of infinite width and depth, without any sampling.
//!
//! Where φ(u) = u, outputs follow from ordinary differential equations in depth time t, 0 ≤ t ≤ T.
//! Every neuron is an independent copy of linear stochastic equations: for the feature hᵏ_p of
//! sample p and the gradient gᵏ, both of pass k,
//!
//! > hᵏ_p(0) = Gaussian of covariance S, dhᵏ_p = dξᵏ_p + Σ_j aᵏʲ_p gʲ dt,
//! > gᵏ(T) = Gaussian of variance 1, −dgᵏ = dζᵏ + Σ_jq bᵏʲ_q hʲ_q dt, sums over j < k.
//!
//! The noise is what initial weights answer: dξ has covariance C dt and dζ has Γ dt, where C and Γ
//! are the covariances of features and of gradients, across passes too. Updates give the drifts
//!
//! > aᵏʲ_p = −η Σ_q χʲ_q Cʲᵏ_qp, bᵏʲ_q = −η χʲ_q Γʲᵏ, χ = (f − y)/P.
//!
//! If both directions use the same weights, an answer also repeats what the other direction was
//! told: a has the response ∂h/∂ζ besides, b the response ∂g/∂ξ, of fields to noise at the same t.
//! Moving ζ at t + dt instead of t is moving ξ at t by a dt, and likewise back with b, for all is
//! linear. Hence the matrix R of all such responses, rows h and g, columns ξ and ζ, obeys an
//! equation of its own, and with the covariances K of all h and g the system is closed:
//!
//! > dR/dt = E + ER + RE, dK/dt = N + (EK + RN) + (EK + RN)ᵀ,
//! > E = (0, a; −b, 0), N = (C, 0; 0, −Γ).
//!
//! R leaves out that a field has its own noise; RN is there because fields know, by way of others,
//! of noise that they have yet to meet. R is 0 where its row starts. At t = 0 all passes have the
//! same features, C = S; at t = T they have the same gradient, and there Γ = 1 and ⟨hᵏ gʲ⟩ = fᵏ.

/// A linear residual network, of infinite width and depth, whose hidden weights are trained.
///
/// Updates are those of full batches on half the mean square of f − y. Input and readout weights
/// keep their initial values, and f starts at zero: one update makes it η T eᵀ S y/P, or, if the
/// backward pass has independent weights, η (eᵀ − 1) S y/P.
#[derive(Clone, Debug)]
pub struct LinearNetwork {
    /// Covariance S of the P samples: their inner products over the dimension of the input.
    pub gram: Vec<Vec<f64>>,
    /// The P labels y.
    pub labels: Vec<f64>,
    /// Depth horizon T.
    pub horizon: f64,
    /// Learning rate η.
    pub rate: f64,
    /// Number of updates, one less than that of passes.
    pub steps: usize,
}

impl LinearNetwork {
    /// Outputs f after 0, 1, … updates, by number of updates, then sample.
    ///
    /// `coupled`: the network itself (closure exact). Otherwise the backward pass has independent
    /// weights that receive the same updates (closure gia). Correct to 1e-9 of the largest.
    ///
    /// # Panics
    ///
    /// If 4096 depth steps are not enough, as where rate or horizon make training explode.
    pub fn outputs(&self, coupled: bool) -> Vec<Vec<f64>> {
        let mut coarse = self.ends(&self.course(coupled, 32));
        for steps in (6..=12).map(|power| 1 << power) {
            let fine = self.ends(&self.course(coupled, steps));
            let tolerance = fine.iter().fold(1.0_f64, |scale, f| scale.max(f.abs())) * 1e-8;
            if fine.iter().zip(&coarse).all(|(f, before)| (f - before).abs() <= tolerance) {
                // The method is of order four: one sixteenth of the error is left.
                let better = fine.iter().zip(coarse).map(|(f, before)| f + (f - before) / 15.0);
                let outputs: Vec<f64> = better.collect();
                return outputs.chunks(self.labels.len()).map(<[f64]>::to_vec).collect();
            }
            coarse = fine;
        }
        panic!("no accurate outputs of {self:?}");
    }

    /// Pass of a row or column, and its sample; for a gradient, the number of samples.
    ///
    /// Rows and columns of K and R are in the order of computation: features of pass 0, its
    /// gradient, features of pass 1, and so on.
    fn place(&self, field: usize) -> (usize, usize) {
        (field / (self.labels.len() + 1), field % (self.labels.len() + 1))
    }

    fn is_feature(&self, field: usize) -> bool {
        self.place(field).1 < self.labels.len()
    }

    fn size(&self) -> usize {
        (self.steps + 1) * (self.labels.len() + 1)
    }

    /// Outputs by pass and sample: covariances of features with the readout, as which all gradients
    /// start at T.
    fn ends(&self, course: &[Vec<f64>]) -> Vec<f64> {
        let (samples, size, end) = (self.labels.len(), self.size(), &course[course.len() - 1]);
        let features = (0..size).filter(|&row| self.is_feature(row));
        features.map(|row| if row < samples { 0.0 } else { end[row * size + samples] }).collect()
    }

    /// K and, behind it, R at every depth, pass after pass by the fourth-order Runge–Kutta method.
    fn course(&self, coupled: bool, steps: usize) -> Vec<Vec<f64>> {
        let mut course = vec![vec![0.0; 2 * self.size() * self.size()]; 2 * steps + 1];
        for (pass, forward) in (0..=self.steps).flat_map(|pass| [(pass, true), (pass, false)]) {
            self.sweep(&mut course, pass, forward, coupled);
        }
        course
    }

    /// One pass in one direction: every entry whose later field is computed in it.
    fn sweep(&self, course: &mut [Vec<f64>], pass: usize, forward: bool, coupled: bool) {
        let (size, samples, last) = (self.size(), self.labels.len(), course.len() - 1);
        let outputs = self.ends(course);
        let order = |i: usize| (i / size % size).max(i % size);
        let open: Vec<usize> = (0..2 * size * size)
            .filter(|&i| self.place(order(i)).0 == pass && self.is_feature(order(i)) == forward)
            .collect();
        let node = |i: usize| if forward { i } else { last - i };
        for &i in open.iter().filter(|&&i| i < size * size) {
            let (later, earlier) = (order(i), (i / size).min(i % size));
            let ((_, p), (j, q)) = (self.place(later), self.place(earlier));
            course[node(0)][i] = match (p < samples, q < samples) {
                (true, true) => self.gram[p][q],
                (true, false) => course[0][(earlier - samples + p) * size + earlier],
                (false, true) => outputs[j * samples + q],
                (false, false) => 1.0,
            };
        }
        let step = if forward { 2.0 } else { -2.0 } * self.horizon / last as f64;
        let slope = |state: &[f64]| self.slope(state, &outputs, coupled);
        for i in (0..last).step_by(2) {
            let (start, [middle, end]) = (course[node(i)].clone(), [node(i + 1), node(i + 2)]);
            let mut set = |at: usize, change: &dyn Fn(usize) -> f64| {
                open.iter().for_each(|&i| course[at][i] = start[i] + step * change(i));
                slope(&course[at])
            };
            let first = slope(&start);
            let second = set(middle, &|i| first[i] / 2.0);
            let third = set(middle, &|i| second[i] / 2.0);
            let fourth = set(end, &|i| third[i]);
            let mean = |i: usize| (first[i] + 2.0 * (second[i] + third[i]) + fourth[i]) / 6.0;
            let fifth = set(end, &mean);
            // Later passes need the middle to the same order: it is interpolated with slopes.
            set(middle, &|i| mean(i) / 2.0 + (first[i] - fifth[i]) / 8.0);
        }
    }

    /// Slopes of K and R at one depth.
    fn slope(&self, state: &[f64], outputs: &[f64], coupled: bool) -> Vec<f64> {
        let (size, samples) = (self.size(), self.labels.len());
        let matrix = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..size * size).map(|i| entry(i / size, i % size)).collect()
        };
        let product = |a: &[f64], b: &[f64]| {
            matrix(&|row, column| (0..size).map(|i| a[row * size + i] * b[i * size + column]).sum())
        };
        let (covariance, response) = state.split_at(size * size);
        let opposite = |row, column| self.is_feature(row) != self.is_feature(column);
        let sign = |field| if self.is_feature(field) { 1.0 } else { -1.0 };
        // An update meets, in a later pass, the features and the gradient that it was made of.
        let push = matrix(&|row, column| {
            let (k, p) = self.place(row.min(column));
            let meet = self.place(row.max(column)).0 == k && opposite(row, column);
            let error = |p: usize| outputs[k * samples + p] - self.labels[p];
            if meet { -self.rate * error(p) / samples as f64 } else { 0.0 }
        });
        let updates = product(covariance, &push);
        let drift = matrix(&|row, column| {
            let repeated = if coupled { response[row * size + column] } else { 0.0 };
            let known = self.place(column).0 < self.place(row).0 && opposite(row, column);
            if known { sign(row) * (updates[row * size + column] + repeated) } else { 0.0 }
        });
        let noise = matrix(&|row, column| {
            if opposite(row, column) { 0.0 } else { sign(row) * covariance[row * size + column] }
        });
        let (moved, heard) = (product(&drift, covariance), product(response, &noise));
        let mix =
            |row: usize, column: usize| moved[row * size + column] + heard[row * size + column];
        let mut slope =
            matrix(&|row, column| noise[row * size + column] + mix(row, column) + mix(column, row));
        let (left, right) = (product(&drift, response), product(response, &drift));
        slope.extend((0..size * size).map(|i| drift[i] + left[i] + right[i]));
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_samples(rate: f64) -> LinearNetwork {
        let gram = vec![vec![1.2, 0.3], vec![0.3, 0.8]];
        LinearNetwork { gram, labels: vec![1.0, -0.5], horizon: 1.0, rate, steps: 3 }
    }

    #[test]
    fn first_update_is_the_closed_form_at_any_rate() {
        for (horizon, rate) in [(1.0_f64, 0.01), (0.7, 3.0)] {
            let (gram, labels) = (vec![vec![1.0]], vec![2.0]);
            let network = LinearNetwork { gram, labels, horizon, rate, steps: 1 };
            for (coupled, kernel) in [(true, horizon * horizon.exp()), (false, horizon.exp_m1())] {
                assert!((network.outputs(coupled)[1][0] - 2.0 * rate * kernel).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn depth_steps_converge_at_order_four() {
        let network = two_samples(1.0);
        for coupled in [true, false] {
            let [a, b, c] = [32, 64, 128].map(|n| network.ends(&network.course(coupled, n)));
            let gap =
                |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |s, (a, b)| (a - b).abs().max(s));
            let (coarse, fine): (f64, f64) = (gap(&a, &b), gap(&b, &c));
            assert!(fine < 1e-8 && (12.0..20.0).contains(&(coarse / fine)), "{coarse} {fine}");
        }
    }

    /// Every gradient starts as the readout, every feature as h(0), and gᵀh of one pass is the same
    /// at all depths: more facts than the equations use.
    #[test]
    fn overlaps_are_outputs_at_both_ends() {
        let network = two_samples(1.0);
        let course = network.course(true, 128);
        let outputs = network.ends(&course);
        for (k, j, p) in (0..32).map(|i| (i / 8, i / 2 % 4, i % 2)) {
            let overlap = |at: usize| course[at][(3 * k + p) * 12 + 3 * j + 2];
            assert!((overlap(256) - outputs[2 * k + p]).abs() < 1e-8);
            assert!((overlap(0) - outputs[2 * j + p]).abs() < 1e-8);
        }
    }

    /// From networks of infinite width with 12 to 192 layers, their responses between any two
    /// layers computed one by one, extrapolated in depth.
    #[test]
    fn two_samples_match_finite_depths() {
        let exact = [0.57083918, -0.05436564, 0.81839595, -0.19425453, 0.92942601, -0.32925400];
        let gia = [0.36083918, -0.03436564, 0.60608609, -0.10319315, 0.78256970, -0.19200318];
        for (coupled, limits) in [(true, exact), (false, gia)] {
            let outputs = two_samples(0.4).outputs(coupled).concat();
            assert!(outputs[2..].iter().zip(limits).all(|(f, limit)| (f - limit).abs() < 2e-8));
        }
    }
}
