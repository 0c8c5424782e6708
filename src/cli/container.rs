//! Whether this process runs in a container, by the marks that their makers leave.

use std::path::Path;

/// A kind of container.
struct Kind {
    name: &'static str,
    /// A file or folder that only its containers have, from their root.
    path: &'static str,
    /// An environment variable that only its containers have, and its value where others have it too.
    variable: (&'static str, Option<&'static str>),
}

/// Apptainer before Docker, whose images it runs with their files.
const KINDS: [Kind; 5] = [
    Kind { name: "Apptainer", path: ".singularity.d", variable: ("APPTAINER_CONTAINER", None) },
    Kind { name: "Singularity", path: ".singularity.d", variable: ("SINGULARITY_CONTAINER", None) },
    Kind { name: "Podman", path: "run/.containerenv", variable: ("container", Some("podman")) },
    Kind { name: "Docker", path: ".dockerenv", variable: ("container", Some("docker")) },
    Kind {
        name: "Kubernetes",
        path: "run/secrets/kubernetes.io",
        variable: ("KUBERNETES_SERVICE_HOST", None),
    },
];

/// The container whose root is `root` and whose environment is `variable`, and what tells; None without the
/// mark of any.
pub fn find(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let by_variable = |kind: &&Kind| {
        let (name, value) = kind.variable;
        variable(name).is_some_and(|found| value.is_none_or(|value| found == value))
    };
    let by_path = |kind: &&Kind| root.join(kind.path).exists();
    let named = |kind: &Kind, mark: &str| format!("{}, as {mark} says", kind.name);
    let of_variable = KINDS.iter().find(by_variable).map(|kind| named(kind, kind.variable.0));
    of_variable
        .or_else(|| KINDS.iter().find(by_path).map(|kind| named(kind, &format!("/{}", kind.path))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn containers_are_known_by_their_marks() {
        for (path, variable, expected) in [
            (None, None, None),
            (None, Some(("container", "lxc")), None),
            (Some(".dockerenv"), None, Some("Docker, as /.dockerenv says")),
            (Some("run/.containerenv"), None, Some("Podman, as /run/.containerenv says")),
            (None, Some(("container", "podman")), Some("Podman, as container says")),
            (Some(".singularity.d"), None, Some("Apptainer, as /.singularity.d says")),
            // An image of Docker's, run by Apptainer.
            (
                Some(".dockerenv"),
                Some(("APPTAINER_CONTAINER", "nfd.sif")),
                Some("Apptainer, as APPTAINER_CONTAINER says"),
            ),
            (
                Some(".singularity.d"),
                Some(("SINGULARITY_CONTAINER", "nfd.sif")),
                Some("Singularity, as SINGULARITY_CONTAINER says"),
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            if let Some(path) = path {
                std::fs::create_dir_all(root.path().join(path)).unwrap();
            }
            let set = |name: &str| variable.filter(|(n, _)| *n == name).map(|(_, v)| v.to_owned());
            assert_eq!(find(root.path(), set).as_deref(), expected, "{path:?} {variable:?}");
        }
    }
}
