//! Response functions A and B of the conditional engine on a device against plain.

use crate::common::conditional::*;
use crate::common::crew::*;
use crate::common::softcuda::on_softcuda;
use crate::common::*;
use nfd::backend::{Covariances, Update};
use nfd::model::{Activation, Closure, Parametrization};
use nfd::rng::noise::BrownianPath;

/// Four passes whose queries move by shares of order one of themselves, so that what fixes a response is
/// known as well as f is; several members, all closures, momentum and decay: A and B to 1e-8 of the largest.
/// What is asked later fixes nothing, and whether there is any response says the closure.
#[test]
fn responses_are_those_of_plain() {
    on_softcuda(module_path!(), "responses_are_those_of_plain", &[], || {
        let device = device();
        let train = sphere(2, 5, 1);
        for closure in Closure::ALL {
            let network =
                network(Parametrization::DepthMup, Activation::Tanh, closure, (200, 3), &train);
            let case = Case {
                network,
                batches: full(&train),
                update: Update { momentum: 0.5, weight_decay: 0.1, ..descent(rates(3.0, ALL)) },
                test: none_like(&train),
                train: train.clone(),
                record: 2,
                steps: 3,
                fine: 1,
            };
            let got = run_all(&case, &mut crew::<f64>(&device, &case, &SEEDS));
            for (got, seed) in got.iter().zip(SEEDS) {
                let noise = Box::new(BrownianPath::new(seed, 3, 3));
                let want = run(&case, &mut case.plain_with(noise));
                let (got, want) =
                    (got.covariances.as_ref().unwrap(), want.covariances.as_ref().unwrap());
                assert_eq!(got.len(), 4);
                type Side = fn(&Covariances) -> Option<&nalgebra::DMatrix<f64>>;
                let forward: Side = |at| at.forward_response.as_ref();
                let backward: Side = |at| at.backward_response.as_ref();
                for (side, there, answers) in [
                    (forward, 1..4, closure.forward_conditions()),
                    (backward, 0..3, closure.backward_conditions(3, 4).end > 0),
                ] {
                    for (l, (got, want)) in got.iter().zip(want).enumerate() {
                        let (got, want) = (side(got), side(want));
                        assert_eq!(got.is_some(), there.contains(&l), "{closure:?}, level {l}");
                        let (Some(got), Some(want)) = (got, want) else { continue };
                        let largest = want.amax();
                        assert_eq!(largest > 1e-3, answers, "{closure:?}, level {l}: {largest}");
                        let off = (got - want).amax();
                        assert!(
                            off <= 1e-8 * largest,
                            "{closure:?}, level {l}: {off} of {largest}"
                        );
                    }
                }
            }
        }
    });
}
