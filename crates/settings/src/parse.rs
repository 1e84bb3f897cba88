//! Texts to values, one small function each.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, statfs};

use jiff::SignedDuration;
use reqwest::Url;

pub(super) fn seconds(number: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An http(s) URL without credentials, query or fragment.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let form = || "must be a URL such as https://ghe.example.com/api/v3".to_owned();
    let url = Url::parse(text.trim()).map_err(|_| form())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https:// and name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

/// Checks the address of a proxy, as the HTTP client reads it: one that it cannot read, it does without. The text may hold a password,
/// and is not repeated.
pub(super) fn proxy(text: &str) -> Result<(), String> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    let url =
        Url::parse(&full).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    if url.is_some_and(|url| schemes.contains(&url.scheme())) {
        return Ok(());
    }
    Err("must be the URL of a proxy, such as http://proxy.example.com:3128".to_owned())
}

/// An http(s) URL without credentials, query or fragment, with a slash at its end.
pub(super) fn folder_url(text: &str) -> Result<String, String> {
    let url = url(text)?.to_string();
    Ok(if url.ends_with('/') { url } else { url + "/" })
}

/// An App's id (a number) or client id (letters, digits, dots).
pub(super) fn app_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') {
        Ok(text.to_owned())
    } else {
        Err("must be the App's id or client id, as its settings page shows it".to_owned())
    }
}

/// The name of a network of the runners' own: one that Docker takes, and that is none of those it has always had.
pub(super) fn network(text: &str) -> Result<String, String> {
    let text = text.trim();
    let shared = match text.split(':').next().unwrap_or_default() {
        "host" => {
            "runners would share this machine's network, and every service that listens on it"
        }
        "bridge" | "default" => {
            "on Docker's default network runners reach each other and all containers that have no other network"
        }
        "none" => "runners could not reach GitHub",
        "container" => "runners would share the network of another container",
        _ => "",
    };
    if !shared.is_empty() {
        return Err(format!(
            "must be the name of a network of the runners' own, and {text} is none: {shared}. \
             Any other name will do; the network is created if it does not exist"
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 64
        && text.chars().all(allowed)
    {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"
            .to_owned())
    }
}

/// The name of an installation: part of every runner's name, so short and plain.
pub(super) fn installation(text: &str) -> Result<String, String> {
    let text = text.trim();
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.len() <= 24
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 24 lower-case letters, digits or '-', not at the ends".to_owned())
    }
}

/// The path of a file that can be created: its folder exists.
pub(super) fn new_file(text: &str) -> Result<PathBuf, String> {
    // SQLite would take these for a database in memory, or for an address with options.
    if text.trim().starts_with(':') || text.trim().starts_with("file:") {
        return Err("must be the path of a file, such as /data/mayfly.db".to_owned());
    }
    let path = PathBuf::from(text.trim());
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(format!("must name a file, and {} is a folder", path.display())),
    };
    if path.is_dir() || text.trim().ends_with('/') {
        return Err(format!("must name a file, and {} is a folder", path.display()));
    }
    if path.exists() && !path.is_file() {
        return Err(format!(
            "must name a file, and {} is a device, a pipe or a socket",
            path.display()
        ));
    }
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(format!("{} is no folder", folder.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("there is no folder {}: create it", folder.display()))
        }
        // Whether the file can be used is found out when it is opened.
        Err(_) => Ok(path),
    }
}

/// The file systems in which the kernel shows itself (`statfs(2)`): procfs, sysfs and cgroups.
const KERNELS: [i128; 3] = [0x9fa0, 0x6265_6572, 0x6367_7270];

/// Why nothing can be written beside the file at `path`, as its journals are, if so.
pub(super) fn unwritable(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Root may write everywhere, but no file can be made there.
    if statfs(folder).is_ok_and(|found| KERNELS.contains(&i128::from(found.f_type))) {
        return Some(format!(
            "the folder {} takes no files, it is the kernel's: the job ledger is kept in memory",
            folder.display()
        ));
    }
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::access(folder, wanted).err().map(|error| {
        format!(
            "the folder {} cannot be written to ({error}): the job ledger is kept in memory until it can",
            folder.display()
        )
    })
}

/// Why the file at `path` is in danger, if it is: who opens it by another of its names is not noticed, and `SQLite` keeps a log beside
/// each.
pub(super) fn shared(path: &Path) -> Option<String> {
    let names = std::fs::metadata(path).ok()?.nlink();
    (names > 1).then(|| {
        format!(
            "{} has {names} names (hard links): a second orchestrator that opens it by another one is not noticed, and the two \
             damage it; remove the other names",
            path.display()
        )
    })
}

/// The machine's host name, as the kernel tells it.
pub(super) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}
