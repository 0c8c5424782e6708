//! Reads `NFD_CUDA_TARGETS`: the architectures that the kernels are compiled for, where not all are wanted.

/// The architectures that a list such as `80,90` asks for, each once and in the order of `known`; all of
/// `known` where nothing is asked.
///
/// # Errors
/// Where a word of the list is none of them, in words.
pub fn asked(list: Option<&str>, known: &[u32]) -> Result<Vec<u32>, String> {
    let Some(list) = list.filter(|list| !list.trim().is_empty()) else { return Ok(known.to_vec()) };
    let wanted = list.split(',').map(|word| {
        let word = word.trim();
        let found = known.iter().find(|architecture| architecture.to_string() == word);
        found.ok_or_else(|| {
            let known: Vec<String> = known.iter().map(u32::to_string).collect();
            format!(
                "NFD_CUDA_TARGETS={list}: there is no target {word}; there are {}",
                known.join(", ")
            )
        })
    });
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    Ok(known.iter().filter(|architecture| wanted.contains(architecture)).copied().collect())
}
