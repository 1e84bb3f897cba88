# The commands of daily work; `just` alone lists them. What CI runs is in .ci/run.

_list:
    @just --list

# Format everything
fmt:
    cargo fmt --all

# All that must be clean before a merge
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked
    cargo deny --all-features check

# All tests (MAYFLY_TEST_DOCKER=0 leaves out those that need a Docker engine)
test:
    INSTA_UPDATE=no cargo test --workspace --all-features

# Accept what commands print now as their snapshots; then read the difference
snapshots:
    INSTA_UPDATE=always cargo test -p mayfly --all-features
    git diff -- '*.snap'

# Benchmarks
bench:
    cargo bench --workspace

# The whole platform in one process, with jobs to do
demo *arguments:
    cargo run --release -- demo {{arguments}}

# All images, with a registry and a version if given
images *arguments:
    docker/build.sh {{arguments}}

# What CI does, or only some steps of it (deny, workflows, lint, test, demo, stack, compose, images)
ci *steps:
    .ci/run {{steps}}
