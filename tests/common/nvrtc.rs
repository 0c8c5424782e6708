//! A stand-in for NVRTC: a shared library that "compiles" to the images of this build and keeps count.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nfd::backend::cuda::device::image::KERNEL_FILES;
use nfd::backend::cuda::device::nvrtc::Target;

use super::softcuda;

/// It needs its builtins, and opens them by name, as NVRTC 13 does. Its PTX is old, its code nothing.
const SOURCE: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char result[1 << 24];
static size_t length;
static const char *message = "";
int nvrtcVersion(int *major, int *minor) {
  const char *asked = getenv("STAND_IN_MINOR");
  *major = 12; *minor = asked ? atoi(asked) : 0;
  return 0;
}
int nvrtcGetNumSupportedArchs(int *count) { *count = 2; return 0; }
int nvrtcGetSupportedArchs(int *all) { all[0] = 80; all[1] = 90; return 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name) {
  *program = strdup(name);
  return 0;
}
int nvrtcCompileProgram(void *program, int count, const char **options) {
  if (!dlopen("libnvrtc-builtins.so.stand.in", RTLD_NOW)) {
    message = "nvrtc: error: failed to open libnvrtc-builtins.so.stand.in.";
    return 7;
  }
  const char *target = strchr(options[0], '=') + 1;
  const char *log = getenv("STAND_IN_LOG"), *folder = getenv("STAND_IN_PTX");
  if (log) {
    FILE *to = fopen(log, "a");
    fprintf(to, "%s %s\n", target, (char *)program);
    fclose(to);
  }
  length = sprintf(result, "\177ELF is not what this is");
  if (!strncmp(target, "compute", 7) && folder) {
    char path[4096], *slash;
    snprintf(path, sizeof path, "%s/%s", folder, (char *)program);
    while ((slash = strchr(path + strlen(folder) + 1, '/'))) *slash = '-';
    FILE *from = fopen(path, "r");
    if (!from) return 6;
    length = fread(result, 1, sizeof result - 1, from);
    result[length++] = 0;
    fclose(from);
  }
  return 0;
}
int nvrtcDestroyProgram(void **program) { free(*program); return 0; }
int nvrtcGetProgramLogSize(void *program, size_t *size) { *size = strlen(message) + 1; return 0; }
int nvrtcGetProgramLog(void *program, char *log) { strcpy(log, message); return 0; }
int nvrtcGetCUBINSize(void *program, size_t *size) { *size = length; return 0; }
int nvrtcGetCUBIN(void *program, char *image) { memcpy(image, result, length); return 0; }
int nvrtcGetPTXSize(void *program, size_t *size) { *size = length; return 0; }
int nvrtcGetPTX(void *program, char *image) { memcpy(image, result, length); return 0; }
"#;

/// A folder with the stand-in, and what it reads and writes.
pub struct StandIn {
    folder: tempfile::TempDir,
}

impl StandIn {
    /// Builds it; None, with a line that says so, where there is no C compiler.
    pub fn build() -> Option<StandIn> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir(file("lib")).unwrap();
        fs::create_dir(file("ptx")).unwrap();
        fs::write(file("nvrtc.c"), SOURCE).unwrap();
        fs::write(file("builtins.c"), "int builtins;\n").unwrap();
        for (source, name, soname) in [
            ("nvrtc.c", "libnvrtc.so.12", "libnvrtc.so.12"),
            ("builtins.c", "libnvrtc-builtins.so.stand.in", "libnvrtc-builtins.so.stand.in"),
        ] {
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-w", &format!("-Wl,-soname,{soname}"), "-o"]);
            cc.arg(file("lib").join(name)).arg(file(source)).arg("-ldl");
            let Ok(built) = cc.output() else {
                assert!(std::env::var_os("CI").is_none(), "cc is missing");
                eprintln!("skipped: no C compiler");
                return None;
            };
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        }
        for kernels in KERNEL_FILES {
            let ptx = kernels.images.iter().find(|image| matches!(image.target, Target::Ptx(_)));
            let text = String::from_utf8_lossy(ptx?.bytes);
            let version = text.lines().find(|line| line.starts_with(".version")).unwrap();
            let old = text.replacen(version, ".version 8.0", 1);
            fs::write(file("ptx").join(kernels.name.replace('/', "-")), old).unwrap();
        }
        Some(StandIn { folder })
    }

    /// The folder of the library and its builtins.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("lib")
    }

    /// A folder for tests to write to.
    pub fn place(&self) -> &Path {
        self.folder.path()
    }

    /// The program with the stand-in as its compiler, on a software device whose driver reads no newer
    /// PTX: no embedded image will do.
    pub fn nfd(&self, device: &Path) -> Command {
        let mut command = softcuda::command(env!("CARGO_BIN_EXE_nfd"), device);
        command.env("NFD_NVRTC", self.library()).env("SOFTCUDA_DRIVER", "12000");
        command.env("STAND_IN_LOG", self.log()).env("STAND_IN_PTX", self.place().join("ptx"));
        command.current_dir(self.place());
        command
    }

    fn log(&self) -> PathBuf {
        self.place().join("compiled")
    }

    /// What was compiled since this was last asked: lines of target and file, in order.
    pub fn compiled(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let _ = fs::remove_file(self.log());
        let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
