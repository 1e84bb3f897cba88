use super::*;

/// As Prometheus 2.42 and 3.5 send it, as curl does, and as people type it.
#[test]
fn text_is_for_those_who_prefer_it() {
    use Format::{OpenMetrics, Prometheus};
    let rows = [
        ("", OpenMetrics),
        ("*/*", OpenMetrics),
        ("text/html,application/xhtml+xml,*/*;q=0.8", OpenMetrics),
        ("text/plain", Prometheus),
        ("Text/Plain; version=0.0.4; charset=utf-8", Prometheus),
        ("text/*", Prometheus),
        ("text/plain, */*", Prometheus),
        ("text/plain;q=0.5, */*;q=0.1", Prometheus),
        ("application/openmetrics-text", OpenMetrics),
        ("text/plain;q=0.9, application/openmetrics-text", OpenMetrics),
        ("text/plain, application/openmetrics-text;q=0.999", Prometheus),
        ("text/plain;q=0", OpenMetrics),
        // The most specific range counts, not the one with the greatest weight.
        ("text/plain;q=0.1, */*;q=0.5", OpenMetrics),
        ("text/*;q=0.9, text/plain;q=0.2, application/openmetrics-text;q=0.5", OpenMetrics),
        ("application/openmetrics-text;q=0.2, */*;q=0.3", Prometheus),
        ("application/*;q=0.2, */*;q=0.3", Prometheus),
        ("text/*, application/openmetrics-text", OpenMetrics),
        ("text/*, application/*", OpenMetrics),
        ("text/plain; Q = 0.5, application/openmetrics-text;q=0.4", Prometheus),
        ("text/plain;q=0.12, application/openmetrics-text;q=0.1111", Prometheus),
        ("text/plain;q=much", OpenMetrics),
        ("text/plain;q=7, application/openmetrics-text;q=1", OpenMetrics),
        ("text/plainer", OpenMetrics),
        ("image/plain", OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            OpenMetrics,
        ),
    ];
    for (accept, expected) in rows {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(Format::preferred(&headers), expected, "{accept}");
    }
    assert_eq!(Format::preferred(&HeaderMap::new()), OpenMetrics);
}

#[test]
fn the_older_format_names_what_the_newer_implies() {
    let open = "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total{x=\"#\"} 1\n\
        # HELP a_build This build.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
        # HELP a_wait_seconds Waits.\n# TYPE a_wait_seconds histogram\n# UNIT a_wait_seconds seconds\n\
        a_wait_seconds_bucket{le=\"+Inf\"} 0\na_wait_seconds_count 0\na_wait_seconds_sum 0.0\n# EOF\n";
    let plain = "# HELP a_requests_total Requests.\n# TYPE a_requests_total counter\na_requests_total{x=\"#\"} 1\n\
        # HELP a_build_info This build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
        # HELP a_wait_seconds Waits.\n# TYPE a_wait_seconds histogram\n\
        a_wait_seconds_bucket{le=\"+Inf\"} 0\na_wait_seconds_count 0\na_wait_seconds_sum 0.0\n";
    assert_eq!(Format::Prometheus.write(open.to_owned()), plain);
    assert_eq!(Format::OpenMetrics.write(open.to_owned()), open);
}

#[test]
fn a_format_has_its_media_type_and_all_lines_of_accept_count() {
    assert_eq!(
        Format::OpenMetrics.content_type(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert_eq!(Format::Prometheus.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    let mut headers = HeaderMap::new();
    headers.append(
        header::ACCEPT,
        header::HeaderValue::from_static("application/openmetrics-text;q=0.5"),
    );
    headers.append(header::ACCEPT, header::HeaderValue::from_static("text/plain"));
    assert_eq!(Format::preferred(&headers), Format::Prometheus);
}

#[test]
fn each_type_has_its_older_name() {
    let open = "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b unknown\n# HELP c C and more.\n# TYPE c summary\n# EOF\n";
    let plain = "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b untyped\n# HELP c C and more.\n# TYPE c summary\n";
    assert_eq!(Format::Prometheus.write(open.to_owned()), plain);
}
