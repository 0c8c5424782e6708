//! What the compiler proves of the kernels: every one compiles for every target, spills nothing, keeps
//! the registers and the shared memory of its header, streams by 128 bits, and is called with structures
//! that lie in memory as Rust has them; and which image a device gets.

use std::collections::{BTreeMap, BTreeSet};

use nfd::backend::cuda::arguments::{LAYOUTS, Layout};
use nfd::backend::cuda::device::image::{
    COMPILER, HEADERS, Image, KERNEL_FILES, KernelFile, fitting_images, kernel_names,
};
use nfd::backend::cuda::device::nvrtc::{Nvrtc, NvrtcError, Program, Target};

#[path = "../../build/arguments.rs"]
mod arguments;

use arguments::rust_structures;

/// Whether the build had a compiler; a line that says so where it had none.
fn compiled() -> bool {
    if COMPILER.is_none() {
        assert!(std::env::var_os("CI").is_none(), "built without NVRTC: tests/run.sh fetches it");
        eprintln!("skipped: built without NVRTC (tests/run.sh --install fetches it)");
    }
    COMPILER.is_some()
}

/// Registers and bytes of shared memory that a kernel may use, by its header.
fn budgets(source: &str) -> BTreeMap<String, (u32, u32)> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("// budget: "));
    let budget = |line: &str| {
        let (name, rest) = line.split_once(" registers ").unwrap();
        let (registers, shared) = rest.split_once(", shared ").unwrap();
        (name.to_owned(), (registers.parse().unwrap(), shared.parse().unwrap()))
    };
    lines.map(budget).collect()
}

/// What the assembler says of one kernel.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    stack: u32,
    spilled: u32,
    registers: u32,
    shared: u32,
}

/// The number before `what` in a line.
fn before(line: &str, what: &str) -> Option<u32> {
    line.split(what)
        .next()
        .filter(|before| before.len() < line.len())?
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

fn usage(log: &str) -> BTreeMap<String, Usage> {
    let mut all = BTreeMap::new();
    let mut name = String::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            name = rest.split('\'').next().unwrap().to_owned();
            continue;
        }
        let usage: &mut Usage = all.entry(name.clone()).or_default();
        // The kernel's own, then those of the functions that it calls.
        if let Some(stack) = before(line, " bytes stack frame") {
            usage.stack += stack;
            usage.spilled += before(line, " bytes spill stores").unwrap()
                + before(line, " bytes spill loads").unwrap();
        }
        if line.contains("Used ") {
            usage.registers = before(line, " registers").unwrap();
            usage.shared = before(line, " bytes smem").unwrap_or(0);
        }
    }
    all.remove("");
    all
}

#[test]
fn every_kernel_compiles_for_every_target_within_its_budget() {
    if !compiled() {
        return;
    }
    let targets: Vec<u32> = vec![80, 86, 89, 90, 100, 120];
    for KernelFile { name, source, images } in KERNEL_FILES {
        let budgets = budgets(source);
        let code = images.iter().filter_map(|image| match image.target {
            Target::Code(architecture) => Some((architecture, image)),
            Target::Ptx(_) => None,
        });
        let code: BTreeMap<u32, &Image> = code.collect();
        assert_eq!(code.keys().copied().collect::<Vec<_>>(), targets, "{name}");
        for (architecture, image) in code {
            let usage = usage(image.log);
            let names = |of: Vec<&String>| of.into_iter().cloned().collect::<BTreeSet<_>>();
            let expected = names(budgets.keys().collect());
            assert_eq!(names(usage.keys().collect()), expected, "{name} sm_{architecture}");
            for (kernel, used) in usage {
                let (registers, shared) = budgets[&kernel];
                let what = format!("{kernel} on sm_{architecture}: {used:?}");
                assert!(used.registers > 0 && (used.stack, used.spilled) == (0, 0), "{what}");
                assert!(used.registers <= registers && used.shared <= shared, "{what}");
            }
        }
    }
}

/// The PTX of one file of kernels.
fn ptx(file: &str) -> String {
    let file = KERNEL_FILES.iter().find(|known| known.name == file).unwrap();
    let image = file.images.iter().find(|image| image.target == Target::Ptx(80)).unwrap();
    String::from_utf8_lossy(image.bytes).into_owned()
}

/// The instructions of one kernel in PTX.
fn body<'a>(ptx: &'a str, kernel: &str) -> &'a str {
    let start = ptx.find(&format!(".entry {kernel}(")).unwrap();
    let end = ptx[start..].find("\n}").unwrap();
    &ptx[start..start + end]
}

#[test]
fn weights_are_streamed_by_sixteen_bytes() {
    if !compiled() {
        return;
    }
    for kernel in ["multiply", "transpose"] {
        let ptx = ptx(&format!("dense/{kernel}.cu"));
        for samples in [1, 4, 8] {
            let has = |format: &str, load: &str| {
                let body = body(&ptx, &format!("{kernel}_{format}_{samples}"));
                body.lines().any(|line| line.contains(load))
            };
            assert!(has("f32", "ld.global.v4.f32"), "{kernel} f32 {samples}");
            assert!(has("f64", "ld.global.v2.f64"), "{kernel} f64 {samples}");
        }
        if kernel == "multiply" {
            let half = body(&ptx, "multiply_half_f32_4");
            assert!(half.lines().any(|line| line.contains("ld.global.v4.u32")), "bf16");
        }
    }
}

/// The instructions of one function in PTX, of the compiler's name that holds `name`.
fn function<'a>(ptx: &'a str, name: &str) -> &'a str {
    let mut bodies = ptx.split("\n}").filter_map(|body| body.split_once("\n{"));
    let own = |head: &str| head.rfind(".func").is_some_and(|at| head[at..].contains(name));
    bodies.find(|(head, _)| own(head)).unwrap_or_else(|| panic!("no function {name}")).1
}

/// What reads columns in the conditional engine's sweep: inner products, and combinations.
#[test]
fn columns_are_streamed_by_sixteen_bytes() {
    if !compiled() {
        return;
    }
    let ptx = ptx("conditional/sweep.cu");
    for (name, of_columns, of_coefficients) in [
        ("4dotsIffLi4E", "ld.v4.f32", None),
        ("4dotsIffLi8E", "ld.v4.f32", None),
        ("4dotsIddLi4E", "ld.v2.f64", None),
        ("4dotsIddLi8E", "ld.v2.f64", None),
        ("7combineIfLi2E", "ld.v4.f32", Some("ld.shared.v2.f32")),
        ("7combineIfLi8E", "ld.v4.f32", Some("ld.shared.v4.f32")),
        ("7combineIdLi2E", "ld.v2.f64", Some("ld.shared.v2.f64")),
        ("7combineIdLi8E", "ld.v2.f64", Some("ld.shared.v2.f64")),
    ] {
        let body = function(&ptx, name);
        // A number at a time only what is added up over parts, and coefficients on their way into
        // shared memory.
        let kind = if of_columns.ends_with("f32") { "ld.f32" } else { "ld.global.f64" };
        assert!(body.contains(of_columns) && !body.contains(kind), "{name}");
        if let Some(staged) = of_coefficients {
            assert!(body.contains(staged), "{name}");
        }
        assert!(!body.contains(".local"), "{name}");
    }
}

#[test]
fn a_device_gets_code_of_its_generation_or_ptx() {
    let image = |target| Image { target, bytes: &[], log: "" };
    let images = [80, 86, 89, 90, 100, 120].map(|a| image(Target::Code(a)));
    let images: Vec<Image> = images.into_iter().chain([image(Target::Ptx(80))]).collect();
    let names = |capability| {
        let fitting = fitting_images(&images, capability);
        fitting.iter().map(|image| image.target.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names((8, 0)), ["sm_80", "compute_80"]);
    assert_eq!(names((8, 6)), ["sm_86", "sm_80", "compute_80"]);
    assert_eq!(names((8, 7)), ["sm_86", "sm_80", "compute_80"]);
    assert_eq!(names((9, 0)), ["sm_90", "compute_80"]);
    assert_eq!(names((10, 3)), ["sm_100", "compute_80"]);
    assert_eq!(names((12, 1)), ["sm_120", "compute_80"]);
    assert_eq!(names((13, 0)), ["compute_80"]);
    assert!(names((7, 5)).is_empty());
}

#[test]
fn a_kernel_that_does_not_compile_says_where() {
    if !compiled() {
        return;
    }
    let nvrtc = Nvrtc::find("target/nvrtc".as_ref()).unwrap();
    let compile = |source: &str, target| {
        nvrtc.compile(Program { name: "wrong.cu", source, headers: HEADERS }, target)
    };
    let right = "#include \"shared/real.cuh\"\nextern \"C\" __global__ void k(double* x) { *x = value(TANH, *x); }\n";
    assert!(compile(right, Target::Ptx(80)).unwrap().image.starts_with(b"//"));
    assert!(compile(right, Target::Code(90)).unwrap().image.starts_with(b"\x7fELF"));
    let wrong = right.replace("double* x", "double x");
    let error = compile(&wrong, Target::Code(90)).unwrap_err();
    let NvrtcError::Compile { log, .. } = &error else { panic!("{error}") };
    assert!(log.lines().count() > 1);
    let said = error.to_string();
    assert!(said.starts_with("wrong.cu does not compile for sm_90: wrong.cu(2): error:"), "{said}");
    assert!(compile(right, Target::Ptx(7)).is_err());

    let missing = Nvrtc::open("target/nvrtc/none.so".as_ref()).err().unwrap().to_string();
    assert!(missing.starts_with("target/nvrtc/none.so is not a usable NVRTC library"), "{missing}");
}

#[test]
fn every_kernel_has_a_budget() {
    for file in KERNEL_FILES {
        let entries: BTreeSet<String> = file
            .images
            .iter()
            .filter(|image| matches!(image.target, Target::Ptx(_)))
            .flat_map(|image| {
                let ptx = String::from_utf8_lossy(image.bytes).into_owned();
                let names =
                    ptx.lines().filter_map(|line| line.trim().strip_prefix(".visible .entry "));
                names.map(|name| name.trim_end_matches(['(', ')']).to_owned()).collect::<Vec<_>>()
            })
            .collect();
        let stated: BTreeSet<String> = kernel_names(file.source).collect();
        assert!(!stated.is_empty() && (COMPILER.is_none() || entries == stated), "{}", file.name);
    }
}

/// The log of CUDA's compiler on claims that a structure lies in memory as in `layout`.
fn disagreements(layout: &Layout) -> String {
    let Layout { file, name, size, fields } = layout;
    let mut source =
        format!("#include \"{file}\"\nstatic_assert(sizeof({name}) == {size}, \"{name}\");\n");
    for (field, at) in *fields {
        // What offsetof stands for in CUDA's own headers, which NVRTC does not have.
        let offset = format!("__INTADDR__(&(({name}*)0)->{field})");
        source += &format!("static_assert({offset} == {at}, \"{name}.{field}\");\n");
    }
    // Stops the compiler before it compiles the kernels of the file.
    source += "static_assert(false, \"the end\");\n";
    let files = KERNEL_FILES.iter().map(|file| (file.name, file.source));
    let headers: Vec<(&str, &str)> = HEADERS.iter().copied().chain(files).collect();
    let nvrtc = Nvrtc::find("target/nvrtc".as_ref()).unwrap();
    let program = Program { name: "layout.cu", source: &source, headers: &headers };
    match nvrtc.compile(program, Target::Ptx(80)).unwrap_err() {
        NvrtcError::Compile { log, .. } => log,
        other => panic!("{other}"),
    }
}

#[test]
fn both_compilers_agree_where_the_fields_of_arguments_lie() {
    if !compiled() {
        return;
    }
    assert!(LAYOUTS.iter().any(|layout| layout.name == "Draw"));
    for layout in LAYOUTS {
        let log = disagreements(layout);
        assert!(log.contains("the end") && log.contains("1 error detected"), "{log}");
    }
    // Two fields of one type that change places on one side.
    let draw = LAYOUTS.iter().find(|layout| layout.name == "Draw").unwrap();
    let mut fields = draw.fields.to_vec();
    let at = |name| fields.iter().position(|(field, _)| *field == name).unwrap();
    let (rows, columns) = (at("rows"), at("columns"));
    (fields[rows].0, fields[columns].0) = ("columns", "rows");
    let log = disagreements(&Layout { fields: fields.leak(), ..draw.clone() });
    assert!(log.contains("\"Draw.rows\"") && log.contains("\"Draw.columns\""), "{log}");
    assert!(log.contains("3 errors detected"), "{log}");
}

#[test]
fn a_structure_that_rust_cannot_take_over_is_refused_with_its_line() {
    let refused = |text: &str| rust_structures("dense/x.cu", text).unwrap_err();
    let right =
        "/// Arguments.\nstruct X {\n    /// Field.\n    const float* a[2];\n};\nint other;\n";
    let taken = rust_structures("dense/x.cu", right).unwrap();
    assert!(taken.contains("struct X {") && taken.contains("a: [Address; 2],"), "{taken}");
    assert_eq!(
        rust_structures("dense/x.cu", "// Not Rust's.\nstruct Y {\n    int a, b;\n};\n").unwrap(),
        ""
    );

    let undescribed = refused(&right.replace("    /// Field.\n", ""));
    assert_eq!(
        undescribed,
        "kernels/dense/x.cu, line 3: a field without a description (///): const float* a[2];"
    );
    for (wrong, line) in [("float a;", 4), ("u32 a, b;", 4), ("u32 a[N];", 4), ("u32 a = 1;", 4)] {
        let said = refused(&right.replace("const float* a[2];", wrong));
        assert!(said.starts_with(&format!("kernels/dense/x.cu, line {line}: neither")), "{said}");
    }
    assert!(
        refused(&right.replace("struct X {", "struct X : Y {")).contains("line 2: /// describes")
    );
    assert!(refused(&right.replace("};\nint other;\n", "")).ends_with("ends within a structure"));
    assert!(refused(&right.replace("};", "/// No field.\n};")).contains("line 6: no field below"));
}
