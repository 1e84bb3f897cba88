//! What the answer to a delivery says about the way from GitHub to the platform, and what to do about it.

/// What the status of a delivery means, and the next step. The gateway's answers are its own; 502 and 504 are GitHub's words for
/// no connection and no answer in time, and those of a reverse proxy that does not reach the gateway.
pub(super) fn meaning(status_code: u16) -> &'static str {
    match status_code {
        200..300 => "it works",
        401 | 429 => {
            "the secrets differ: give the gateway the same WEBHOOK_SECRET and restart it, or run install with the gateway's"
        }
        404 => {
            "nothing takes webhooks there: the path must be /webhooks/github, and the gateway needs WEBHOOK_SECRET (without it, \
             webhooks are off)"
        }
        405 => "something else answers there: the path must be /webhooks/github",
        403 | 407 => {
            "something before the gateway refuses GitHub: let POST /webhooks/github through without a login"
        }
        413 => "something before the gateway refuses bodies of this size: GitHub sends up to 25 MB",
        300..=399 => "GitHub does not follow redirects: use the URL that it is redirected to",
        0 | 502 | 504 => {
            "GitHub gets no answer: check the name, the firewall, the certificate and the reverse proxy, and that gateway and orchestrator run"
        }
        500.. => "the gateway has trouble: its log says why",
        _ => "the gateway refuses it: its log says why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_names_what_to_look_at() {
        let differ = "the secrets differ: give the gateway the same WEBHOOK_SECRET and restart it, or run install with the gateway's";
        let nothing = "nothing takes webhooks there: the path must be /webhooks/github, and the gateway needs WEBHOOK_SECRET (without it, webhooks are off)";
        let before = "something before the gateway refuses GitHub: let POST /webhooks/github through without a login";
        let redirect = "GitHub does not follow redirects: use the URL that it is redirected to";
        let silent = "GitHub gets no answer: check the name, the firewall, the certificate and the reverse proxy, and that gateway and orchestrator run";
        let refuses = "the gateway refuses it: its log says why";
        let trouble = "the gateway has trouble: its log says why";
        let large =
            "something before the gateway refuses bodies of this size: GitHub sends up to 25 MB";
        let rows: [(&[u16], &str); 10] = [
            (&[200, 202, 299], "it works"),
            (&[401, 429], differ),
            (&[404], nothing),
            (&[405], "something else answers there: the path must be /webhooks/github"),
            (&[403, 407], before),
            (&[413], large),
            (&[300, 302, 399], redirect),
            (&[0, 502, 504], silent),
            (&[500, 503, 599], trouble),
            (&[1, 199, 400, 402, 408, 422, 499], refuses),
        ];
        for (codes, words) in rows {
            for code in codes {
                assert_eq!(meaning(*code), words, "{code}");
            }
        }
    }
}
