//! Tells `libssh2-sys` where AWS-LC keeps the headers that are called `openssl/…`.

fn main() {
    let ours = |name: &str| name.starts_with("DEP_AWS_LC_") && name.ends_with("_INCLUDE");
    match std::env::vars().find(|(name, _)| ours(name)) {
        Some((_, headers)) => println!("cargo::metadata=include={headers}"),
        None => println!("cargo::error=aws-lc-sys does not say where its headers are"),
    }
}
