//! How long it takes to read and judge the real histories of the field, if they are here (see `tests/corpus.rs`).
//! `TRIBUNAL_CORPUS=DIR cargo bench -p tribunal-checkers --bench corpus`.

use criterion::{Criterion, criterion_group, criterion_main};
use history::formats::{self, Format, Options};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use tribunal_checkers::{Budget, catalog};

/// A group of files of one kind: where they are, the model, and how they are read.
const GROUPS: &[(&str, &str, Options)] = &[
    ("porcupine/jepsen", "register", Options { initial: None, nil_is_unknown: false }),
    ("knossos/cas-register/good", "register", Options { initial: Some(0), nil_is_unknown: true }),
    ("knossos/cas-register/bad", "register", Options { initial: Some(0), nil_is_unknown: true }),
    ("elle/histories", "list-append", Options { initial: None, nil_is_unknown: false }),
];

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| fs::read(entry.ok()?.path()).ok()).collect()
}

fn judge(file: &[u8], model: &str, options: &Options) {
    let judge =
        catalog::lookup(model).and_then(|entry| entry.judge(None, true)).expect("there is such a model");
    let mut case = tribunal_checkers::open(&*judge);
    let mut index = 0;
    let format = Format::detect(file).expect("its format is known");
    let scanned = formats::scan(format, file, options, |_, entry| {
        case.hear(index, &entry);
        index += 1;
        Ok(())
    });
    assert!(scanned.is_ok());
    black_box(case.close(&Budget::default()));
}

fn corpus(c: &mut Criterion) {
    let said = std::env::var_os("TRIBUNAL_CORPUS").map(PathBuf::from);
    let corpus = said.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    let mut group = c.benchmark_group("corpus");
    group.sample_size(10);
    for (folder, model, options) in GROUPS {
        let files = files(&corpus.join(folder));
        if files.is_empty() {
            println!("{folder} is not here: set TRIBUNAL_CORPUS");
            continue;
        }
        let name = format!("{folder} ({} files)", files.len());
        group.bench_function(name, |b| b.iter(|| files.iter().for_each(|file| judge(file, model, options))));
    }
    group.finish();
}

criterion_group!(benches, corpus);
criterion_main!(benches);
