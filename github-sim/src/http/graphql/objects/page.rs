//! Lists of repositories, in pages.
//!
//! (GitHub docs, "Using pagination in the GraphQL API", and the arguments of `repositories` in the schema.) A cursor holds
//! the place of a repository in the order asked for, so that it still works when that repository is gone.

use std::rc::Rc;

use apollo_compiler::resolvers::{ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{Context, Owner, Resolved, Thing, flag, leaf, text};
use crate::http::graphql::problem::{Kind, Problem};
use crate::world::model::Repo;

/// Most items of a page.
const MAX_PAGE: i64 = 100;
const CURSOR: &str = "cursor:v2:";

/// A repository's place in an order: what it is ordered by, then its id.
type Place = (String, u64);

/// A page of repositories.
pub(super) struct Page<'w> {
    items: Vec<(Place, &'w Repo)>,
    total: usize,
    /// Kilobytes of all, whatever page they are on.
    disk_usage: usize,
    has_next: bool,
    has_previous: bool,
}

impl<'w> Context<'w> {
    /// The page that the arguments of `repositories` ask for.
    pub(super) fn page(
        &self,
        owner: Owner<'w>,
        info: &ResolveInfo<'_>,
    ) -> Result<Rc<Page<'w>>, Problem> {
        let (first, last) = boundaries(info)?;
        let (by, downwards) = order(info);
        let mut found: Vec<(Place, &'w Repo)> = self
            .world
            .repos()
            .filter(|repo| self.wanted(owner, repo, info) && self.sees(repo))
            .map(|repo| ((key(by, repo), repo.id), repo))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        if downwards {
            found.reverse();
        }
        let total = found.len();
        let bytes: usize =
            found.iter().flat_map(|(_, repo)| repo.files.values()).map(String::len).sum();
        let after = cursor(info, "after")?;
        let before = cursor(info, "before")?;
        let behind = |place: &Place, other: &Place| {
            if downwards { place < other } else { place > other }
        };
        found.retain(|(place, _)| {
            after.as_ref().is_none_or(|after| behind(place, after))
                && before.as_ref().is_none_or(|before| behind(before, place))
        });
        let (mut has_next, mut has_previous) = (before.is_some(), after.is_some());
        if let Some(first) = first {
            has_next |= found.len() > first;
            found.truncate(first);
        }
        if let Some(last) = last {
            let over = found.len().saturating_sub(last);
            has_previous |= over > 0;
            found.drain(..over);
        }
        Ok(Rc::new(Page { items: found, total, disk_usage: bytes / 1024, has_next, has_previous }))
    }

    fn wanted(&self, owner: Owner<'_>, repo: &Repo, info: &ResolveInfo<'_>) -> bool {
        let listed = |name: &str, owner: Owner<'_>| {
            let Some(wanted) = info.arguments().get(name).and_then(JsonValue::as_array) else {
                return self.affiliation(owner, repo).is_some();
            };
            let affiliation = self.affiliation(owner, repo);
            let fits =
                |one: &JsonValue| affiliation.is_some_and(|own| one.as_str() == Some(own.as_str()));
            wanted.iter().any(fits)
        };
        let by_viewer = || match (info.arguments().get("affiliations"), self.viewer()) {
            (None | Some(JsonValue::Null), _) => true,
            (Some(_), Ok(viewer)) => listed("affiliations", viewer),
            (Some(_), Err(_)) => false,
        };
        let is = |name: &str, value: bool| flag(info, name).is_none_or(|wanted| wanted == value);
        let visibility = if repo.private { "PRIVATE" } else { "PUBLIC" };
        let shown = |name: &str| text(info, name).is_none_or(|wanted| wanted == visibility);
        is("isArchived", repo.archived)
            && is("isFork", repo.fork)
            && is("isLocked", false)
            && is("hasIssuesEnabled", true)
            && shown("privacy")
            && shown("visibility")
            && listed("ownerAffiliations", owner)
            && by_viewer()
    }

    pub(super) fn repositories(
        &'w self,
        page: &Rc<Page<'w>>,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        Some(Ok(match info.field_name() {
            "totalCount" => leaf(page.total as u64),
            "totalDiskUsage" => leaf(page.disk_usage as u64),
            "pageInfo" => self.resolved(Thing::PageInfo(Rc::clone(page))),
            "nodes" => {
                let nodes =
                    page.items.iter().map(|(_, repo)| self.resolved(Thing::Repository(repo)));
                ResolvedValue::list(nodes.collect::<Vec<_>>())
            }
            "edges" => {
                let edge = |index| self.resolved(Thing::Edge(Rc::clone(page), index));
                ResolvedValue::list((0..page.items.len()).map(edge).collect::<Vec<_>>())
            }
            _ => return None,
        }))
    }

    pub(super) fn edge(
        &'w self,
        page: &Page<'w>,
        index: usize,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        let (place, repo) = page.items.get(index)?;
        Some(Ok(match info.field_name() {
            "cursor" => leaf(shown(place)),
            "node" => self.resolved(Thing::Repository(repo)),
            _ => return None,
        }))
    }
}

impl Page<'_> {
    pub(super) fn info<'a>(&self, info: &ResolveInfo<'_>) -> Option<ResolvedValue<'a>> {
        let cursor = |item: Option<&(Place, &Repo)>| leaf(item.map(|(place, _)| shown(place)));
        Some(match info.field_name() {
            "hasNextPage" => leaf(self.has_next),
            "hasPreviousPage" => leaf(self.has_previous),
            "startCursor" => cursor(self.items.first()),
            "endCursor" => cursor(self.items.last()),
            _ => return None,
        })
    }
}

/// `first` and `last`: one of them is needed, from 1 to 100.
fn boundaries(info: &ResolveInfo<'_>) -> Result<(Option<usize>, Option<usize>), Problem> {
    let field = info.field_name();
    let mut given = [None, None];
    for (slot, name) in given.iter_mut().zip(["first", "last"]) {
        let Some(number) = info.arguments().get(name).and_then(JsonValue::as_i64) else { continue };
        if number > MAX_PAGE {
            let message = format!(
                "Requesting {number} records on the `{field}` connection exceeds the `{name}` limit of {MAX_PAGE} records."
            );
            return Err(Problem::new(Kind::ExcessivePagination, message));
        }
        let size = usize::try_from(number).ok().filter(|&size| size > 0);
        let message = || format!("`{name}` on the `{field}` connection cannot be less than 1.");
        *slot = Some(size.ok_or_else(|| Problem::new(Kind::ArgumentError, message()))?);
    }
    match given {
        [None, None] => {
            let message = format!(
                "You must provide a `first` or `last` value to properly paginate the `{field}` connection."
            );
            Err(Problem::new(Kind::MissingPaginationBoundaries, message))
        }
        [Some(_), Some(_)] => {
            let message = format!(
                "Passing both `first` and `last` to paginate the `{field}` connection is not supported."
            );
            Err(Problem::new(Kind::ArgumentError, message))
        }
        [first, last] => Ok((first, last)),
    }
}

/// What `orderBy` asks for; as they were made, if it is not there.
fn order<'a>(info: &'a ResolveInfo<'_>) -> (&'a str, bool) {
    let Some(order) = info.arguments().get("orderBy").and_then(JsonValue::as_object) else {
        return ("", false);
    };
    let named = |name: &str| order.get(name).and_then(JsonValue::as_str).unwrap_or_default();
    (named("field"), named("direction") == "DESC")
}

/// Text that sorts as the field does.
fn key(by: &str, repo: &Repo) -> String {
    let time = |at: Timestamp| format!("{:020}", at.as_second());
    match by {
        "NAME" => repo.slug.name().to_ascii_lowercase(),
        "CREATED_AT" => time(repo.created_at),
        "UPDATED_AT" => time(repo.updated_at),
        "PUSHED_AT" => time(repo.pushed_at),
        // Nobody has starred anything.
        _ => String::new(),
    }
}

fn shown((key, id): &Place) -> String {
    STANDARD.encode(format!("{CURSOR}{id}:{key}"))
}

fn cursor(info: &ResolveInfo<'_>, name: &str) -> Result<Option<Place>, Problem> {
    let Some(given) = text(info, name) else { return Ok(None) };
    let read = || -> Option<Place> {
        let text = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
        let (id, key) = text.strip_prefix(CURSOR)?.split_once(':')?;
        Some((key.to_owned(), id.parse().ok()?))
    };
    let message = || format!("`{given}` does not appear to be a valid cursor.");
    read().map(Some).ok_or_else(|| Problem::new(Kind::InvalidCursor, message()))
}
