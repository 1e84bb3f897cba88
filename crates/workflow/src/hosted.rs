//! The labels by which GitHub names its own standard images.
//!
//! Names only, and narrowly: a larger runner or a third party's may look alike, and then the answer is left open.

/// True if `label` names a standard image, compared without case.
pub(super) fn is_image(label: &str) -> bool {
    let label = label.trim().to_ascii_lowercase();
    let Some((system, image)) = label.split_once('-') else { return false };
    let (version, variant) = image.split_once('-').unwrap_or((image, ""));
    let numeric = version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && version.starts_with(|c: char| c.is_ascii_digit());
    match (system, version, variant) {
        ("ubuntu", "slim" | "latest", "") | ("windows", "latest", "") => true,
        ("ubuntu" | "windows", _, "" | "arm") => numeric,
        ("macos", _, "" | "intel" | "large" | "xlarge") => numeric || version == "latest",
        ("windows", _, _) => numeric && variant.starts_with("vs20"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_image;

    #[test]
    fn only_github_s_own_names_are_images() {
        for image in [
            "ubuntu-latest",
            "Ubuntu-24.04",
            "ubuntu-24.04-arm",
            "ubuntu-slim",
            "windows-2025",
            "windows-11-arm",
            "windows-2025-vs2026",
            "macos-15",
            "macOS-latest",
            "macos-15-intel",
            "macos-latest-xlarge",
        ] {
            assert!(is_image(image), "{image}");
        }
        for other in [
            "self-hosted",
            "ubuntu",
            "ubuntu-",
            "ubuntu-latest-8",
            "ubuntu-24.04-16core",
            "depot-ubuntu-latest",
            "linux-latest",
            "ubuntu-.",
            "gpu",
            "",
            "ubuntu-runners",
            "windows-runner-vs20",
        ] {
            assert!(!is_image(other), "{other}");
        }
    }
}
