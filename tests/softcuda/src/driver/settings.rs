//! What the environment says about the device; read once, at the first call.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `SOFTCUDA_MEMORY` | bytes of device memory | 8 GiB |
//! | `SOFTCUDA_CHECK` | 1: sanitizer | 0 |
//! | `SOFTCUDA_SEED` | order of warps and of independent streams | 0 |
//! | `SOFTCUDA_DEVICES` | how many devices | 1 |
//! | `SOFTCUDA_CAPABILITY` | compute capability | 9.0 |
//! | `SOFTCUDA_SMS` | multiprocessors | 4 |
//! | `SOFTCUDA_MODE` | compute mode that it reports: 2 prohibited, 3 exclusive to a process | 0 |
//! | `SOFTCUDA_DRIVER` | CUDA version of the driver; it bounds the PTX that is read | 13050 |
//! | `SOFTCUDA_THREADS` | host threads of a launch | all cores |
//! | `SOFTCUDA_COUNT` | CSV file to which what each launch does is appended, see [`crate::counters`] | none |
//! | `SOFTCUDA_L2` | bytes of the second-level cache that counting models | 40 MiB |
//! | `SOFTCUDA_LOG` | file to which faults are appended | none |
//! | `SOFTCUDA_FAIL` | faults to inject, see [`Injection`] | none |

use super::error::Code;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The environment's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub memory: u64,
    pub check: bool,
    pub seed: u64,
    pub devices: usize,
    pub capability: (u32, u32),
    pub multiprocessors: u32,
    pub mode: u32,
    pub driver: u32,
    pub threads: usize,
    pub count: Option<PathBuf>,
    pub second_level_cache: u64,
    pub log: Option<PathBuf>,
    pub fail: Vec<Injection>,
}

/// What an injected fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Alloc,
    Launch,
    Context,
    Module,
}

/// One fault to inject, written `alloc:5` (the 5th allocation is out of memory), `launch:7` (the
/// 7th kernel run loses the device: launch failed, from then on), `context:1` (the first primary
/// context is refused: device unavailable) or `module:2` (the second PTX that is loaded is out of
/// memory), each with an optional error code of its own (`launch:7:999`). Several are separated by
/// commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    pub target: Target,
    pub at: u64,
    pub code: Code,
}

/// The settings of this process.
pub fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings::read(|name| std::env::var(name).ok()))
}

impl Settings {
    fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str, default: u64| parsed(name, get(name), default);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            memory: number("SOFTCUDA_MEMORY", 8 << 30),
            check: number("SOFTCUDA_CHECK", 0) != 0,
            seed: number("SOFTCUDA_SEED", 0),
            devices: number("SOFTCUDA_DEVICES", 1) as usize,
            capability: get("SOFTCUDA_CAPABILITY").map_or((9, 0), |text| {
                capability(&text).unwrap_or_else(|| refuse("SOFTCUDA_CAPABILITY", &text, (9, 0)))
            }),
            multiprocessors: number("SOFTCUDA_SMS", 4).clamp(1, 1 << 16) as u32,
            mode: number("SOFTCUDA_MODE", 0) as u32,
            driver: number("SOFTCUDA_DRIVER", 13050) as u32,
            threads: number("SOFTCUDA_THREADS", cores as u64).max(1) as usize,
            count: get("SOFTCUDA_COUNT").filter(|path| !path.is_empty()).map(PathBuf::from),
            second_level_cache: number("SOFTCUDA_L2", 40 << 20),
            log: get("SOFTCUDA_LOG").filter(|path| !path.is_empty()).map(PathBuf::from),
            fail: get("SOFTCUDA_FAIL").map_or(Vec::new(), |text| {
                let wanted = text.split(',').filter(|item| !item.trim().is_empty());
                wanted
                    .filter_map(|item| {
                        injection(item.trim())
                            .or_else(|| refuse("SOFTCUDA_FAIL", item, None::<Injection>))
                    })
                    .collect()
            }),
        }
    }
}

fn parsed(name: &str, text: Option<String>, default: u64) -> u64 {
    match text {
        Some(text) if !text.trim().is_empty() => {
            text.trim().parse().unwrap_or_else(|_| refuse(name, &text, default))
        }
        _ => default,
    }
}

/// A mistyped setting must not pass unnoticed, and a library cannot end the process.
fn refuse<T>(name: &str, text: &str, default: T) -> T {
    eprintln!("softcuda: {name}={text} is not understood and ignored");
    default
}

fn capability(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn injection(text: &str) -> Option<Injection> {
    let mut parts = text.split(':');
    let (target, usual) = match parts.next()? {
        "alloc" => (Target::Alloc, Code::OUT_OF_MEMORY),
        "launch" => (Target::Launch, Code::LAUNCH_FAILED),
        "context" => (Target::Context, Code::DEVICE_UNAVAILABLE),
        "module" => (Target::Module, Code::OUT_OF_MEMORY),
        _ => return None,
    };
    let at = parts.next()?.parse().ok().filter(|&at| at > 0)?;
    let code = match parts.next() {
        Some(code) => Code(code.parse().ok().filter(|&code| code > 0)?),
        None => usual,
    };
    parts.next().is_none().then_some(Injection { target, at, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_values() {
        let none = Settings::read(|_| None);
        assert_eq!((none.memory, none.check, none.capability), (8 << 30, false, (9, 0)));
        assert_eq!((none.devices, none.multiprocessors, none.fail.len()), (1, 4, 0));
        let some = Settings::read(|name| match name {
            "SOFTCUDA_FAIL" => Some("alloc:5, launch:7:999,nonsense,context:1".to_owned()),
            "SOFTCUDA_CAPABILITY" => Some("12.0".to_owned()),
            "SOFTCUDA_CHECK" => Some("1".to_owned()),
            _ => None,
        });
        assert_eq!(some.capability, (12, 0));
        assert!(some.check);
        let alloc = Injection { target: Target::Alloc, at: 5, code: Code::OUT_OF_MEMORY };
        let launch = Injection { target: Target::Launch, at: 7, code: Code::UNKNOWN };
        let context = Injection { target: Target::Context, at: 1, code: Code::DEVICE_UNAVAILABLE };
        assert_eq!(some.fail, [alloc, launch, context]);
    }
}
