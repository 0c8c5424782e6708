//! BibTeX of what an experiment relies on.

use crate::data::Source;
use crate::experiment::{Engine, Experiment};
use crate::model::{Normalization, Parametrization};

/// What a run relied on, entry by entry, each after a line that says for what. `commit` is that of the
/// sources, where known.
pub fn bibtex(experiment: &Experiment, version: &str, commit: Option<&str>) -> String {
    let commit =
        commit.map(|commit| format!(",\n  note    = {{commit {commit}}}")).unwrap_or_default();
    let program = format!(
        "@software{{nfd,\n  title   = {{neural-feature-dynamics: finite residual networks and their \
         infinite-depth limit}},\n  version = {{{version}}}{commit}\n}}\n"
    );
    let mut entries = vec![("the program", program.as_str()), ("what it tests", CLAIMS)];
    for parametrization in experiment.parametrizations() {
        let entry = match parametrization {
            // Its correction is that of the paper which is cited anyway.
            Parametrization::DepthMup | Parametrization::DepthMupCorrected => {
                ("parametrization depth-mup", DEPTH_MUP)
            }
            Parametrization::CompleteP => ("parametrization complete-p", COMPLETE_P),
            Parametrization::MeanField => ("parametrization mean-field", HIDDEN_WIDTH),
            Parametrization::Mup => ("parametrization mup", MUP),
            Parametrization::Ntk => ("parametrization ntk", NTK),
            Parametrization::Vanilla => continue,
        };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    if experiment.model.normalization == Normalization::Rms {
        entries.push(("normalization rms", RMS_NORM));
    }
    entries.push(("the random numbers", PHILOX));
    if experiment.engine == Engine::Conditional {
        entries.push(("orthogonalising the conditional engine's columns", TWICE));
    }
    match experiment.data.source {
        Source::Digits => entries.push(("the samples", DIGITS)),
        Source::Idx => {
            entries.push(("the samples, if they are MNIST", MNIST));
            entries.push(("the samples, if they are Fashion-MNIST", FASHION));
        }
        Source::Cifar10 => entries.push(("the samples", CIFAR)),
        Source::Toy | Source::Csv | Source::Npy | Source::Synthetic => {}
    }
    let entry = |(what, entry): &(&str, &str)| format!("% {what}\n{entry}");
    entries.iter().map(entry).collect::<Vec<_>>().join("\n")
}

const CLAIMS: &str = "@misc{feature-learning-dynamics,
  title         = {Feature Learning Dynamics in Infinite-Depth Neural Networks},
  year          = {2025},
  eprint        = {2512.21075},
  archivePrefix = {arXiv}
}
";

const DEPTH_MUP: &str = "@misc{tensor-programs-6,
  author        = {Greg Yang and Dingli Yu and Chen Zhu and Soufiane Hayou},
  title         = {Tensor Programs {VI}: Feature Learning in Infinite-Depth Neural Networks},
  year          = {2023},
  eprint        = {2310.02244},
  archivePrefix = {arXiv}
}
";

const COMPLETE_P: &str = "@misc{complete-p,
  author        = {Nolan Dey and Bin Claire Zhang and Lorenzo Noci and Mufan Li and Blake Bordelon and Shane Bergsma and Cengiz Pehlevan and Boris Hanin and Joel Hestness},
  title         = {Don't be lazy: {CompleteP} enables compute-efficient deep transformers},
  year          = {2025},
  eprint        = {2505.01618},
  archivePrefix = {arXiv}
}
";

const HIDDEN_WIDTH: &str = "@misc{hidden-width,
  author        = {L{\\'e}na{\\\"i}c Chizat},
  title         = {The Hidden Width of Deep {ResNets}: Tight Error Bounds and Phase Diagrams},
  year          = {2025},
  eprint        = {2509.10167},
  archivePrefix = {arXiv}
}
";

const MUP: &str = "@inproceedings{tensor-programs-4,
  author    = {Greg Yang and Edward J. Hu},
  title     = {Tensor Programs {IV}: Feature Learning in Infinite-Width Neural Networks},
  booktitle = {International Conference on Machine Learning},
  year      = {2021}
}
";

const NTK: &str = "@inproceedings{neural-tangent-kernel,
  author    = {Arthur Jacot and Franck Gabriel and Cl{\\'e}ment Hongler},
  title     = {Neural Tangent Kernel: Convergence and Generalization in Neural Networks},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018}
}
";

const RMS_NORM: &str = "@inproceedings{rms-norm,
  author        = {Biao Zhang and Rico Sennrich},
  title         = {Root Mean Square Layer Normalization},
  booktitle     = {Advances in Neural Information Processing Systems},
  year          = {2019},
  eprint        = {1910.07467},
  archivePrefix = {arXiv}
}
";

const PHILOX: &str = "@inproceedings{philox,
  author    = {John K. Salmon and Mark A. Moraes and Ron O. Dror and David E. Shaw},
  title     = {Parallel Random Numbers: As Easy as 1, 2, 3},
  booktitle = {SC '11: International Conference for High Performance Computing, Networking, Storage and Analysis},
  year      = {2011},
  doi       = {10.1145/2063384.2063405}
}
";

const TWICE: &str = "@article{twice-is-enough,
  author  = {Luc Giraud and Julien Langou and Miroslav Rozlo{\\v{z}}n{\\'i}k},
  title   = {The loss of orthogonality in the {Gram-Schmidt} orthogonalization process},
  journal = {Computers \\& Mathematics with Applications},
  volume  = {50},
  number  = {7},
  pages   = {1069--1075},
  year    = {2005}
}
";

const DIGITS: &str = "@misc{optical-digits,
  author       = {E. Alpaydin and C. Kaynak},
  title        = {Optical Recognition of Handwritten Digits},
  year         = {1998},
  howpublished = {UCI Machine Learning Repository, CC BY 4.0},
  doi          = {10.24432/C50P49}
}
";

const MNIST: &str = "@article{mnist,
  author  = {Yann LeCun and L{\\'e}on Bottou and Yoshua Bengio and Patrick Haffner},
  title   = {Gradient-based learning applied to document recognition},
  journal = {Proceedings of the IEEE},
  volume  = {86},
  number  = {11},
  pages   = {2278--2324},
  year    = {1998}
}
";

const FASHION: &str = "@misc{fashion-mnist,
  author        = {Han Xiao and Kashif Rasul and Roland Vollgraf},
  title         = {Fashion-{MNIST}: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  year          = {2017},
  eprint        = {1708.07747},
  archivePrefix = {arXiv}
}
";

const CIFAR: &str = "@techreport{cifar,
  author      = {Alex Krizhevsky},
  title       = {Learning Multiple Layers of Features from Tiny Images},
  institution = {University of Toronto},
  year        = {2009}
}
";
