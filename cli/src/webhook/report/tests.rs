//! How deliveries are shown.

use super::*;

#[test]
fn a_delivery_is_a_row() {
    let one = |redelivery, action: Option<&str>| HookDelivery {
        id: 1,
        guid: "gu\u{1b}id".to_owned(),
        delivered_at: "2026-01-02T03:04:05.9Z".parse().unwrap(),
        redelivery,
        duration: 1.26,
        status: "OK".to_owned(),
        status_code: 202,
        event: "workflow_job".to_owned(),
        action: action.map(str::to_owned),
    };
    let rows = [one(false, Some("queued")), one(true, None)];
    let text = " delivered at          event                 answer  took   GUID
 2026-01-02 03:04:05Z  workflow_job.queued   202 OK  1.3 s  gu id
 2026-01-02 03:04:05Z  workflow_job (again)  202 OK  1.3 s  gu id
";
    assert_eq!(table(rows.iter()), text);
    assert_eq!(
        [0, 1, 2].map(|count| number(count, "delivery", "deliveries")),
        ["0 deliveries", "1 delivery", "2 deliveries"]
    );
}
