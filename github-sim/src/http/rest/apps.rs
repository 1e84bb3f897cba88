//! The App: itself, its installations, their tokens.

use axum::extract::Path;
use serde_json::Value;

use crate::http::answer::{Answer, ApiError, created, ok};
use crate::http::call::{Call, id, slug};
use crate::http::render::apps as render;
use crate::world::World;
use crate::world::model::Installation;

pub(crate) async fn app(call: Call) -> Answer {
    ok(render::app(&call.shared.look(), &call.urls))
}

pub(crate) async fn list(call: Call) -> Answer {
    let world = call.shared.look();
    call.page(
        world.installations(),
        |one| render::installation(&world, one, &call.urls),
        |_, page| Value::Array(page),
    )
}

pub(crate) async fn one(call: Call, Path(installation): Path<String>) -> Answer {
    let wanted = id(&installation)?;
    answer(&call, |_, known| known.id == wanted)
}

pub(crate) async fn of_org(call: Call, Path(org): Path<String>) -> Answer {
    answer(&call, |world, known| world.org(&org).is_some_and(|org| org.login == known.account))
}

pub(crate) async fn of_repo(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    let slug = slug(&owner, &repo)?;
    answer(&call, |world, known| world.repo(&slug).is_some() && known.account == *slug.owner())
}

pub(crate) async fn token(call: Call, Path(installation): Path<String>) -> Answer {
    let (token, expires) = call.shared.world().create_installation_token(id(&installation)?)?;
    created(render::token(&token, expires))
}

fn answer(call: &Call, wanted: impl Fn(&World, &Installation) -> bool) -> Answer {
    let world = call.shared.look();
    let mut known = world.installations().iter().filter(|known| wanted(&world, known));
    let found = known.next().ok_or_else(ApiError::not_found)?;
    ok(render::installation(&world, found, &call.urls))
}
