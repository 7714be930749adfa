//! The rules of the house that neither the compiler nor clippy knows.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Who may know whom: `docs/ARCHITECTURE.md`. A crate that is not here has no place in the map.
const ARROWS: &[(&str, &[&str])] = &[
    ("tribunal-history", &[]),
    ("tribunal-checkers", &["tribunal-history"]),
    ("tribunal-cluster", &["tribunal-history"]),
    ("tribunal-protocols", &["tribunal-history"]),
    ("tribunal-workloads", &["tribunal-history", "tribunal-checkers"]),
    ("tribunal-nemesis", &["tribunal-history", "tribunal-cluster", LEVERS]),
    ("tribunal-sim", &["tribunal-history", "tribunal-cluster", "tribunal-protocols"]),
    ("tribunal-systems", &["tribunal-history", "tribunal-cluster", "tribunal-protocols"]),
    ("tribunal-live", &["tribunal-history", "tribunal-cluster", "tribunal-agent", LEVERS]),
    ("tribunal-agent", &["tribunal-history", LEVERS]),
    ("tribunal-node", &["tribunal-history", "tribunal-protocols"]),
    (LEVERS, &[]),
    (CRYPTO, &[]),
    (HARNESS, &[]),
];

/// The harness introduces everyone to everyone, so it may know all.
const HARNESS: &str = "tribunal";

/// What stands in for OpenSSL under libssh2; it has the name that libssh2 asks for.
const CRYPTO: &str = "openssl-sys";

/// The kernel's levers: the one place for `unsafe`.
const LEVERS: &str = "tribunal-linux";
const FOLDER_OF_LEVERS: &str = "targets/linux";

/// Crates whose results depend on their arguments alone: a `clippy.toml` of their own forbids the rest.
const DETERMINISTIC: &[&str] =
    &["tribunal-protocols", "tribunal-sim", "tribunal-workloads", "tribunal-nemesis"];

const LONGEST_FUNCTION: usize = 70;
const LONGEST_FILE: usize = 700;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

#[test]
fn nobody_knows_whom_he_may_not_know() {
    let metadata = metadata();
    let arrows: Vec<(String, String)> =
        metadata.workspace_packages().into_iter().flat_map(arrows_of).collect();
    let faults: Vec<String> =
        arrows.iter().filter_map(|(from, to)| forbidden(from, to)).chain(strangers(&metadata)).collect();
    assert!(arrows.len() >= 20, "only {} arrows were found: the test looks at the wrong thing", arrows.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn sources_are_tidy() {
    let sources = sources();
    let faults: Vec<String> = sources.iter().flat_map(|path| untidy(path, &read(path))).collect();
    assert!(
        sources.len() >= 40,
        "only {} files were found: the test looks at the wrong place",
        sources.len()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let root = read(&root().join("Cargo.toml"));
    let lints = root.lines().skip_while(|line| !line.starts_with("[workspace.lints"));
    let lints = lints.take_while(|line| !line.starts_with("[profile"));
    let but_for_unsafe: Vec<&str> =
        lints.filter(|line| !line.contains("lints") && !line.contains("unsafe_code")).collect();
    assert!(but_for_unsafe.len() >= 8, "the lints of the workspace were not found: {but_for_unsafe:?}");
    for package in metadata().workspace_packages() {
        let manifest = read(package.manifest_path.as_std_path());
        let obeys = match package.name == LEVERS {
            true => but_for_unsafe.iter().all(|line| manifest.contains(line)),
            false => manifest.contains("[lints]\nworkspace = true"),
        };
        assert!(obeys, "{} has lints of its own", package.name);
    }
}

#[test]
fn deterministic_crates_forbid_what_is_not() {
    let metadata = metadata();
    let general = read(&root().join("clippy.toml"));
    for name in DETERMINISTIC {
        let package = metadata.workspace_packages().into_iter().find(|package| package.name == *name);
        let folder =
            package.expect("it is in the workspace").manifest_path.parent().expect("it has a folder");
        let own = read(folder.join("clippy.toml").as_std_path());
        let needed =
            general.lines().chain(["std::collections::HashMap", "std::time::Instant", "std::thread::spawn"]);
        for line in needed {
            assert!(
                own.contains(line),
                "{folder}/clippy.toml does not say {line:?}; clippy reads the nearest one alone"
            );
        }
    }
}

#[test]
fn the_readme_tests_as_ci_does() {
    let (readme, ci) = (read(&root().join("README.md")), read(&root().join(".ci/run")));
    let tests = readme.split("## Tests").nth(1).expect("the README says how to test");
    let command = tests.lines().find(|line| line.starts_with("cargo ")).expect("by one command");
    assert!(
        ci.lines().any(|line| line.trim() == format!("step {command}")),
        ".ci/run does not run {command:?}"
    );
}

#[test]
fn every_dependency_has_its_reason() {
    let text = read(&root().join("docs/DEPENDENCIES.md"));
    let listed: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let all = packages.iter().flat_map(|package| &package.dependencies);
    let used: BTreeSet<&str> =
        all.filter(|used| used.path.is_none()).map(|used| used.name.as_str()).collect();
    assert_eq!(listed, used, "docs/DEPENDENCIES.md and the manifests differ");
}

#[test]
fn a_forbidden_arrow_is_found() {
    assert_eq!(forbidden("tribunal-sim", "tribunal-cluster"), None);
    assert_eq!(forbidden("tribunal", "tribunal-live"), None);
    for (from, to) in [
        ("tribunal-history", "tribunal-checkers"),
        ("tribunal-sim", "tribunal-nemesis"),
        ("tribunal-node", "tribunal-cluster"),
        ("tribunal-live", "tribunal"),
    ] {
        let fault = forbidden(from, to).expect("it is forbidden");
        assert!(fault.contains(from) && fault.contains(to), "{fault}");
    }
    assert!(forbidden("tribunal-upstart", "tribunal-history").expect("unknown").contains("no place"));
}

#[test]
fn a_long_function_is_found_wherever_it_is() {
    let body = |lines: usize| format!("{{\n{}}}", "    let _ = 1;\n".repeat(lines));
    for (before, after) in [
        ("fn long() ", ""),
        ("impl S { fn long() ", "}"),
        ("trait T { fn long() ", "}"),
        ("mod m { fn long() ", "}"),
    ] {
        let source = |lines| format!("{before}{}{after}", body(lines));
        let found = |lines| untidy(Path::new("a.rs"), &source(lines));
        assert_eq!(found(LONGEST_FUNCTION), Vec::<String>::new());
        assert_eq!(found(LONGEST_FUNCTION + 1), ["a.rs:1: function long has 71 lines, more than 70"]);
    }
}

#[test]
fn a_bad_name_a_long_file_and_unsafe_are_found() {
    let only = |path: &str, source: &str| match untidy(Path::new(path), source).as_slice() {
        [fault] => fault.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert!(only("sim/src/util.rs", "").contains("says nothing"));
    assert!(only("sim/src/helpers/mod.rs", "").contains("says nothing"));
    assert!(only("a.rs", &"\n".repeat(701)).contains("701 lines"));
    assert!(only("a.rs", "fn f() {\n unsafe { g() }\n}").starts_with("a.rs:2: unsafe"));
    assert!(only("a.rs", "unsafe fn f() {}").starts_with("a.rs:1: unsafe"));
    assert!(only("a.rs", "unsafe impl Send for S {}").starts_with("a.rs:1: unsafe"));
    assert!(only("a.rs", "unsafe extern \"C\" {}").starts_with("a.rs:1: unsafe"));
    assert_eq!(untidy(Path::new("targets/linux/src/a.rs"), "unsafe fn f() {}"), Vec::<String>::new());
    assert!(only("a.rs", "fn f( {").contains("cannot be parsed"));
    assert_eq!(untidy(Path::new("commons/utility.rs"), &"\n".repeat(700)), Vec::<String>::new());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is in the workspace").to_owned()
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    // Without dependencies of dependencies nothing needs the network.
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo can describe the workspace it is building")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Arrows to crates of ours. An arrow for tests counts too: a test that needs more belongs to the harness.
fn arrows_of(package: &Package) -> Vec<(String, String)> {
    let ours =
        package.dependencies.iter().filter(|used| used.path.is_some() && used.kind != DependencyKind::Build);
    ours.map(|used| (package.name.to_string(), used.name.clone())).collect()
}

fn forbidden(from: &str, to: &str) -> Option<String> {
    match ARROWS.iter().find(|(name, _)| *name == from) {
        None => Some(format!("{from} has no place in docs/ARCHITECTURE.md and in this test")),
        Some((HARNESS, _)) => None,
        Some((_, known)) if known.contains(&to) => None,
        Some(_) => Some(format!("{from} may not know {to}: see docs/ARCHITECTURE.md")),
    }
}

/// Crates that know none of ours have no arrow that could give them away.
fn strangers(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let strange = packages.iter().filter(|package| ARROWS.iter().all(|(name, _)| package.name != *name));
    strange.filter_map(|package| forbidden(&package.name, "")).collect()
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = metadata()
        .workspace_packages()
        .iter()
        .map(|package| package.manifest_path.parent().expect("it has a folder").into())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is readable").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What is wrong with a source file, a line each.
fn untidy(path: &Path, source: &str) -> Vec<String> {
    let place = path.strip_prefix(root()).unwrap_or(path).with_extension("");
    let empty = place.iter().filter_map(|part| part.to_str()).find(|part| EMPTY_NAMES.contains(part));
    let place = format!("{}.rs", place.display());
    let mut faults: Vec<String> =
        empty.map(|name| format!("{place}: {name} says nothing")).into_iter().collect();
    let length = source.lines().count();
    if length > LONGEST_FILE {
        faults.push(format!("{place}: {length} lines, more than {LONGEST_FILE}"));
    }
    match syn::parse_file(source) {
        Ok(file) => {
            let levers = place.starts_with(FOLDER_OF_LEVERS);
            let mut reader = Reader { place, levers, faults };
            reader.visit_file(&file);
            reader.faults
        }
        Err(error) => [faults, vec![format!("{place} cannot be parsed: {error}")]].concat(),
    }
}

struct Reader {
    place: String,
    /// Whether `unsafe` has its place here.
    levers: bool,
    faults: Vec<String>,
}

impl Reader {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let braces = body.brace_token.span;
        let lines = braces.close().start().line.saturating_sub(braces.open().start().line + 1);
        if lines > LONGEST_FUNCTION {
            let (line, name) = (signature.span().start().line, &signature.ident);
            let fault = format!(
                "{}:{line}: function {name} has {lines} lines, more than {LONGEST_FUNCTION}",
                self.place
            );
            self.faults.push(fault);
        }
    }

    fn unsafety(&mut self, token: Option<&syn::Token![unsafe]>) {
        let line = token.filter(|_| !self.levers).map(|token| token.span().start().line);
        self.faults.extend(line.map(|line| format!("{}:{line}: unsafe has no place here", self.place)));
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        item.default.iter().for_each(|body| self.function(&item.sig, body));
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        if let syn::Safety::Unsafe(token) = &signature.safety {
            self.unsafety(Some(token));
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_unsafe(&mut self, expression: &'a syn::ExprUnsafe) {
        self.unsafety(Some(&expression.unsafe_token));
        visit::visit_expr_unsafe(self, expression);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        self.unsafety(item.unsafety.as_ref());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'a syn::ItemForeignMod) {
        self.unsafety(item.unsafety.as_ref());
        visit::visit_item_foreign_mod(self, item);
    }
}
