//! Deliveries that the gateway passed on since the last pass.

use std::sync::Arc;

use mayfly_common::webhook::{Content, Delivery};

use super::{DemandSource, News};
use crate::intake::Intake;

/// The inbox of deliveries.
pub(crate) struct Webhooks {
    intake: Arc<Intake>,
}

impl Webhooks {
    /// The deliveries that arrive at `intake`.
    pub(crate) fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }
}

impl DemandSource for Webhooks {
    type Asked = ();

    async fn read(&self, (): ()) -> Vec<News> {
        self.intake.take().into_iter().flat_map(told_by).collect()
    }
}

/// What a delivery tells. That a hook was deleted is no sign that hooks work.
fn told_by(delivery: Delivery) -> impl Iterator<Item = News> {
    let works = (delivery.content != Content::HookDeleted).then_some(News::Delivered);
    let news = match delivery.content {
        Content::Job { repository, job } => Some(News::Job(repository, job)),
        Content::Push { repository } => Some(News::Push(repository)),
        Content::Repositories => {
            let of_installation = delivery.event.starts_with("installation");
            Some(News::Repositories { of_installation })
        }
        Content::Ping | Content::HookDeleted => None,
    };
    works.into_iter().chain(news)
}
