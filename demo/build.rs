//! Lets tests on the real engine show as ignored where `MAYFLY_TEST_DOCKER=0` leaves them out.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(without_docker)");
    println!("cargo::rerun-if-env-changed=MAYFLY_TEST_DOCKER");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("MAYFLY_TEST_DOCKER").is_some_and(|value| value == "0") {
        println!("cargo::rustc-cfg=without_docker");
    }
}
