//! A shared library that stands before flock and fcntl and refuses locks as some file systems do.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A number in the environment is the error that the call ends with; 0 grants every lock, as a file
/// system does that keeps them on one machine.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
static int stands_before(const char *name, int *result) {
  const char *number = getenv(name);
  if (!number) return 0;
  errno = atoi(number);
  *result = errno ? -1 : 0;
  return 1;
}
int flock(int file, int operation) {
  int result;
  if (stands_before("STAND_IN_FLOCK", &result)) return result;
  int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
  return real(file, operation);
}
static int control(const char *name, int file, int command, void *argument) {
  int result;
  if (command == F_OFD_SETLK && stands_before("STAND_IN_FCNTL", &result)) return result;
  int (*real)(int, int, ...) = dlsym(RTLD_NEXT, name);
  return real(file, command, argument);
}
#define CONTROL(name) \
  int name(int file, int command, ...) { \
    va_list arguments; \
    va_start(arguments, command); \
    void *argument = va_arg(arguments, void *); \
    va_end(arguments); \
    return control(#name, file, command, argument); \
  }
CONTROL(fcntl)
CONTROL(fcntl64)
"#;

/// Compiles the library into `folder`.
pub fn build(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("shim.c"), folder.join("libshim.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(compiler.status().unwrap().success());
    library
}
