use super::*;
use mayfly_common::repository::Depth;

fn repo(id: i64, name: &str, pushed_at: Option<&str>) -> Repository {
    Repository {
        id,
        slug: slug(name),
        pushed_at: pushed_at.map(str::to_owned),
        private: Some(true),
        fork: false,
        archived: false,
        disabled: false,
    }
}

fn slug(name: &str) -> RepoSlug {
    RepoSlug::parse(name).unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn file(name: &str, oid: &str) -> FileVersion {
    FileVersion { name: name.to_owned(), oid: oid.to_owned(), size: 10 }
}

fn folder(files: &[FileVersion]) -> Folder {
    Folder { files: files.to_vec(), ..Folder::default() }
}

fn offered() -> LabelSet {
    LabelSet::requested(["self-hosted", "linux", "gpu-box"])
}

fn workflow(runs_on: &str) -> String {
    format!("on: push\njobs:\n  a:\n    {runs_on}\n    steps: [{{run: 'true'}}]\n")
}

fn names(repos: &[RepoSlug]) -> Vec<String> {
    repos.iter().map(ToString::to_string).collect()
}

fn lost(repos: &[Lost]) -> Vec<String> {
    repos.iter().map(|lost| lost.repo.to_string()).collect()
}

/// A catalogue with one repository whose workflow is `text`.
fn with(text: Option<&str>) -> (Catalog, Vec<String>) {
    let mut catalog = Catalog::default();
    catalog.offer(vec![offered()]);
    catalog.listed(&[repo(1, "o/r", Some("t1"))], Coverage::Whole, &Filter::default(), at(0));
    let unread = catalog.folder(&slug("o/r"), folder(&[file("ci.yml", "v1")]), at(0));
    let text = text.map_or(FileText::NoText, |text| FileText::Read(text.to_owned()));
    catalog.text(&slug("o/r"), &unread[0], &text);
    let problems = catalog.problems();
    (catalog, problems)
}

#[test]
fn what_may_need_us_is_kept_and_the_rest_is_not() {
    let rows = [
        ("runs-on: self-hosted", true),
        ("runs-on: [self-hosted, other]", true),
        ("runs-on: gpu-box", true),
        ("runs-on: {group: big}", true),
        ("runs-on: '${{ vars.RUNNER }}'", true),
        ("uses: other/repo/.github/workflows/x.yml@main", true),
        ("uses: ./.github/workflows/x.yml", false),
        ("runs-on: ubuntu-latest", false),
        ("runs-on: some-scale-set", false),
        ("runs-on: []", false),
        ("runs-on: ''", false),
    ];
    for (runs_on, expected) in rows {
        let (catalog, problems) = with(Some(&workflow(runs_on)));
        assert!(problems.is_empty(), "{runs_on}");
        assert_eq!(!catalog.relevant(at(0)).is_empty(), expected, "{runs_on}");
    }
    let (catalog, problems) = with(None);
    assert_eq!(catalog.relevant(at(0)).len(), 1, "what cannot be read may need us");
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_broken_file_is_told_and_the_others_count() {
    let (mut catalog, problems) = with(Some("jobs: ["));
    assert!(problems[0].starts_with("o/r: workflow ci.yml is skipped"), "{problems:?}");
    let both = folder(&[file("ci.yml", "v1"), file("b.yml", "v2")]);
    let unread = catalog.folder(&slug("o/r"), both, at(0));
    assert_eq!(unread, [file("b.yml", "v2")], "a broken version is read once, too");
    let text = FileText::Read(workflow("runs-on: self-hosted"));
    catalog.text(&slug("o/r"), &unread[0], &text);
    assert_eq!(catalog.relevant(at(0)).len(), 1);
}

#[test]
fn only_what_changed_is_due() {
    let mut catalog = Catalog::default();
    let filter = Filter::default();
    assert!(catalog.is_cold() && catalog.depth(at(0)) == Depth::Whole);
    let listing = [repo(1, "o/a", Some("t1")), repo(2, "o/b", Some("t1")), repo(3, "o/c", None)];
    catalog.listed(&listing, Coverage::Whole, &filter, at(0));
    assert_eq!(names(&catalog.due(at(0))), ["o/a", "o/b", "o/c"]);
    assert!(catalog.relevant(at(0)).is_empty(), "nothing is known of their workflows yet");
    for repo in ["o/a", "o/b", "o/c"] {
        catalog.folder(&slug(repo), Folder::default(), at(0));
    }
    assert!(catalog.due(at(1)).is_empty() && catalog.depth(at(1)) == Depth::Recent);
    assert!(catalog.is_known(&listing[0]) && !catalog.is_known(&repo(1, "o/a", Some("t2"))));
    assert!(!catalog.is_known(&repo(1, "o/renamed", Some("t1"))));

    catalog.listed(&[repo(1, "o/a", Some("t2"))], Coverage::Part, &filter, at(2));
    assert_eq!(names(&catalog.due(at(2))), ["o/a"], "a push");
    assert_eq!(catalog.served(), 3, "a listing that is not whole forgets nothing");
    catalog.folder(&slug("o/a"), Folder::default(), at(2));
    assert_eq!(names(&catalog.due(at(60))), ["o/b", "o/c"], "after an hour");
    assert_eq!(catalog.depth(at(60)), Depth::Whole);
    catalog.distrust();
    assert_eq!(catalog.depth(at(3)), Depth::Whole);
}

#[test]
fn what_two_whole_listings_lack_is_gone() {
    let mut catalog = Catalog::default();
    let filter = Filter::default();
    let both = [repo(1, "o/a", Some("t")), repo(2, "o/b", Some("t"))];
    catalog.listed(&both, Coverage::Whole, &filter, at(0));
    catalog.folder(&slug("o/a"), Folder::default(), at(0));
    catalog.folder(&slug("o/b"), Folder::default(), at(0));
    assert!(
        catalog.listed(&both[..1], Coverage::Whole, &filter, at(1)).is_empty(),
        "lists can skip an entry"
    );
    assert_eq!(names(&catalog.due(at(1))), ["o/b"], "GitHub is asked whether it is there");
    assert_eq!(lost(&catalog.listed(&both[..1], Coverage::Whole, &filter, at(2))), ["o/b"]);
    catalog.gone(&slug("o/a"));
    assert!(catalog.served() == 0 && catalog.due(at(2)).is_empty());
}

#[test]
fn a_listing_with_an_entry_that_cannot_be_read_forgets_nobody() {
    let mut catalog = Catalog::default();
    let filter = Filter::default();
    let both = [repo(1, "o/a", Some("t")), repo(2, "o/b", Some("t"))];
    catalog.listed(&both, Coverage::Whole, &filter, at(0));
    for minute in 1..5 {
        let lost = catalog.listed(&both[..1], Coverage::Readable, &filter, at(minute));
        assert!(lost.is_empty() && catalog.served() == 2, "{minute}");
    }
    assert_eq!(catalog.depth(at(5)), Depth::Recent, "nor is all of it listed at every check");
}

#[test]
fn a_repository_with_a_workflow_entry_that_cannot_be_read_may_need_us() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: ubuntu-latest")));
    assert!(catalog.relevant(at(1)).is_empty());
    let odd = Folder { odd: vec!["\"ci.yml\": missing field `oid`".to_owned()], ..folder(&[]) };
    catalog.folder(&slug("o/r"), odd, at(1));
    assert_eq!(names(&catalog.relevant(at(1))), ["o/r"]);
    catalog.folder(&slug("o/r"), folder(&[]), at(2));
    assert!(catalog.relevant(at(2)).is_empty());
}

#[test]
fn a_version_that_github_lists_and_does_not_have_is_told_of_until_it_can_be_read() {
    let mut catalog = Catalog::default();
    catalog.listed(&[repo(1, "o/r", Some("t1"))], Coverage::Whole, &Filter::default(), at(0));
    let version = |oid| folder(&[file("ci.yml", oid)]);
    let unread = catalog.folder(&slug("o/r"), version("v1"), at(0));
    catalog.text(&slug("o/r"), &unread[0], &FileText::Missing);
    // It is asked for again after a while, and nobody waits an hour for that.
    for minute in [10, 20] {
        assert!(catalog.due(at(minute - 1)).is_empty());
        assert_eq!(names(&catalog.due(at(minute))), ["o/r"]);
        assert_eq!(catalog.folder(&slug("o/r"), version("v1"), at(minute)), [file("ci.yml", "v1")]);
        for _ in 0..2 {
            assert!(catalog.problems()[0].starts_with("o/r: workflow ci.yml is listed by GitHub"));
            assert_eq!(catalog.relevant(at(minute)).len(), 1, "what is not known may need us");
            catalog.text(&slug("o/r"), &file("ci.yml", "v1"), &FileText::Missing);
        }
    }
    let mut read = catalog;
    read.text(&slug("o/r"), &file("ci.yml", "v1"), &FileText::Read(workflow("runs-on: ubuntu")));
    assert_eq!((read.problems().len(), read.relevant(at(21)).len()), (0, 0));
    assert!(read.due(at(79)).is_empty(), "what was read is not read again");
    assert!(read.folder(&slug("o/r"), version("v1"), at(80)).is_empty());
    let mut catalog = read;
    catalog.text(&slug("o/r"), &file("ci.yml", "v1"), &FileText::Missing);
    let unread = catalog.folder(&slug("o/r"), version("v2"), at(3));
    assert_eq!((unread.len(), catalog.problems().len()), (1, 0), "it changed");
    // So it is with a whole repository.
    catalog.hidden(&slug("o/r"), at(4));
    assert!(catalog.due(at(5)).is_empty());
    assert!(catalog.problems()[0].starts_with("o/r: GitHub lists it"), "{:?}", catalog.problems());
    assert_eq!(names(&catalog.due(at(64))), ["o/r"]);
}

#[test]
fn a_listed_repository_whose_jobs_are_a_404_is_a_problem_until_they_can_be_read_or_it_is_gone() {
    let whole = |catalog: &mut Catalog, listing: &[Repository], second| {
        catalog.listed(listing, Coverage::Whole, &Filter::default(), at(second));
    };
    let hidden = || {
        let (mut catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
        whole(&mut catalog, &[repo(1, "o/r", Some("t1"))], 1);
        assert_eq!(catalog.depth(at(2)), Depth::Recent);
        assert_eq!(catalog.jobs_hidden(&slug("o/r"), at(2)), Some(1));
        catalog
    };
    let told = "GitHub answers 404 for the jobs of o/r: the credential may not read its Actions, or it was removed";
    let mut catalog = hidden();
    assert_eq!(catalog.problems(), [told]);
    assert_eq!(catalog.facts(at(2))[&slug("o/r")], RepoFact::JobsHidden);
    assert!(catalog.serves(&slug("o/r")) && catalog.hides_jobs(&slug("o/r")));
    assert_eq!(catalog.jobs_hidden(&slug("o/unknown"), at(2)), None);
    assert_eq!(names(&catalog.relevant(at(2))), ["o/r"], "it is asked again");
    // Whether it is there, a whole listing tells: once, and not at every look.
    assert_eq!(catalog.depth(at(2)), Depth::Whole);
    whole(&mut catalog, &[repo(1, "o/r", Some("t1"))], 3);
    assert_eq!(catalog.jobs_hidden(&slug("o/r"), at(4)), Some(2));
    assert_eq!((catalog.depth(at(4)), catalog.problems().len()), (Depth::Recent, 1));
    catalog.polled(&slug("o/r"), at(5));
    assert!(catalog.problems().is_empty());
    assert_eq!(catalog.facts(at(5))[&slug("o/r")], RepoFact::Asked);
    let mut gone = hidden();
    whole(&mut gone, &[], 3);
    assert!(!gone.serves(&slug("o/r")), "a list that lacks it is enough");
    assert!(gone.problems().is_empty() && !gone.hides_jobs(&slug("o/r")));
    let mut renamed = hidden();
    whole(&mut renamed, &[repo(1, "o/new", Some("t1"))], 3);
    assert!(renamed.problems().is_empty());
}

#[test]
fn an_answer_without_files_is_in_doubt_where_there_were_some() {
    let (catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
    let odd = Folder { odd: vec!["odd".to_owned()], ..Folder::default() };
    let rows = [
        ("o/r", Some(Folder::default()), true),
        ("o/r", None, true),
        ("o/r", Some(folder(&[file("b.yml", "v1")])), false),
        ("o/r", Some(odd), false),
        ("o/x", Some(Folder::default()), false),
    ];
    for (repo, folder, expected) in rows {
        let lost = catalog.would_lose_files(&slug(repo), folder.as_ref());
        assert_eq!(lost, expected, "{repo} {folder:?}");
    }
    let (mut empty, _) = with(None);
    empty.folder(&slug("o/r"), Folder::default(), at(1));
    assert!(!empty.would_lose_files(&slug("o/r"), None), "there were none");
}

#[test]
fn problems_are_told_in_few_lines() {
    let mut catalog = Catalog::default();
    let listing: Vec<_> = (0..500).map(|id| repo(id, &format!("o/r{id}"), None)).collect();
    catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
    for repo in &listing {
        let unread = catalog.folder(&repo.slug, folder(&[file("ci.yml", "v1")]), at(0));
        catalog.text(&repo.slug, &unread[0], &FileText::Missing);
    }
    let problems = catalog.problems();
    assert_eq!((problems.len(), &*problems[20]), (21, "so it is with 480 more workflows"));
}

#[test]
fn a_new_name_is_the_same_repository() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
    let renamed = [repo(1, "o/new", Some("t1"))];
    assert_eq!(lost(&catalog.listed(&renamed, Coverage::Part, &Filter::default(), at(1))), ["o/r"]);
    assert_eq!(names(&catalog.relevant(at(1))), ["o/new"]);
    assert_eq!(catalog.take_renamed(), BTreeMap::from([(slug("o/r"), slug("o/new"))]));
    assert!(catalog.take_renamed().is_empty(), "once");
    assert!(catalog.due(at(1)).is_empty(), "its files are known");
    // Another takes the old name.
    catalog.listed(&[repo(2, "o/r", Some("t1"))], Coverage::Part, &Filter::default(), at(1));
    assert_eq!(names(&catalog.due(at(1))), ["o/r"]);
    catalog.gone(&slug("o/r"));
    assert_eq!(names(&catalog.relevant(at(1))), ["o/new"]);
    // One that takes the place of another in the same listing: whose the jobs under that name are, nobody knows.
    let swapped = [repo(1, "o/third", Some("t1")), repo(3, "o/new", Some("t1"))];
    catalog.listed(&swapped, Coverage::Part, &Filter::default(), at(2));
    assert!(catalog.take_renamed().is_empty());
}

#[test]
fn what_is_not_served_is_not_read() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
    let public = Repository { private: Some(false), ..repo(1, "o/r", Some("t2")) };
    assert_eq!(
        lost(&catalog.listed(&[public], Coverage::Part, &Filter::default(), at(1))),
        ["o/r"]
    );
    assert!(catalog.due(at(1)).is_empty() && catalog.relevant(at(1)).is_empty());
    assert_eq!((catalog.refused().values().sum::<usize>(), catalog.served()), (1, 0));
    assert!(!catalog.heard_job(1, at(1)), "nor are its jobs taken when they are heard of");
    catalog.listed(&[repo(1, "o/r", Some("t2"))], Coverage::Part, &Filter::default(), at(2));
    assert_eq!(names(&catalog.due(at(2))), ["o/r"], "private again");
}

#[test]
fn a_job_that_was_heard_of_makes_its_repository_relevant_for_a_while() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: ubuntu-latest")));
    assert!(!catalog.heard_job(9, at(0)) && catalog.heard_job(1, at(0)));
    assert_eq!(catalog.relevant(at(59)).len(), 1);
    assert!(catalog.relevant(at(60)).is_empty());
    assert!(catalog.heard_push(1) && !catalog.heard_push(9));
    assert_eq!(names(&catalog.due(at(0))), ["o/r"]);
}

#[test]
fn whoever_waited_longest_is_asked_first() {
    let mut catalog = Catalog::default();
    let listing: Vec<_> = (1..4).map(|id| repo(id, &format!("o/r{id}"), Some("t"))).collect();
    catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
    for id in 1..4 {
        catalog.heard_job(id, at(0));
    }
    catalog.polled(&slug("o/r1"), at(2));
    catalog.polled(&slug("o/r2"), at(1));
    assert_eq!(names(&catalog.relevant(at(3))), ["o/r3", "o/r2", "o/r1"]);
    let polled = ["o/r1", "o/r2", "o/r3", "o/x"].map(|repo| catalog.polled_at(&slug(repo)));
    assert_eq!(polled, [Some(at(2)), Some(at(1)), None, None]);
}

#[test]
fn repositories_that_are_not_served_are_counted_by_reason() {
    let mut catalog = Catalog::default();
    let public = |id, name| Repository { private: Some(false), ..repo(id, name, None) };
    let archived = Repository { archived: true, ..repo(3, "o/c", None) };
    let listing = [public(1, "o/a"), public(2, "o/b"), archived, repo(4, "o/d", None)];
    catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
    let mut counts: Vec<usize> = catalog.refused().into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "{:?}", catalog.refused());
}

#[test]
fn a_repository_that_answers_404_is_asked_for_jobs_less_and_less_often_between_checks() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
    let after = |second: i64| at(0) + SignedDuration::from_secs(second);
    let asks = |catalog: &Catalog, second| catalog.may_ask_for_jobs(&slug("o/r"), after(second));
    assert!(asks(&catalog, 0) && catalog.may_ask_for_jobs(&slug("o/unknown"), at(0)));
    let mut now = 0;
    for wait in [30, 60, 120, 240, 480, 600, 600] {
        catalog.jobs_hidden(&slug("o/r"), after(now));
        assert!(!asks(&catalog, now + wait - 1) && asks(&catalog, now + wait), "{wait}");
        assert!(asks(&catalog, now - 1), "the clock was set back");
        now += wait;
    }
    catalog.polled(&slug("o/r"), after(now));
    assert!(asks(&catalog, now + 1));
}

#[test]
fn a_repository_that_is_refused_has_no_problems() {
    let (mut catalog, problems) = with(Some("jobs: ["));
    assert_eq!(problems.len(), 1);
    let archived = Repository { archived: true, ..repo(1, "o/r", Some("t1")) };
    catalog.listed(&[archived], Coverage::Part, &Filter::default(), at(1));
    assert_eq!(catalog.problems(), [] as [String; 0]);
}

#[test]
fn a_repository_that_one_listing_skipped_has_two_more_to_be_in() {
    let mut catalog = Catalog::default();
    let both = [repo(1, "o/a", None), repo(2, "o/b", None)];
    let mut whole = |list: &[Repository], minute| {
        lost(&catalog.listed(list, Coverage::Whole, &Filter::default(), at(minute)))
    };
    for (minute, list) in [(0, &both[..]), (1, &both[..1]), (2, &both), (3, &both[..1])] {
        assert_eq!(whole(list, minute), [""; 0], "{minute}");
    }
    assert_eq!(whole(&both[..1], 4), ["o/b"]);
    assert!(!catalog.serves(&slug("o/b")) && catalog.serves(&slug("o/a")));
    assert_eq!(catalog.polled_at(&slug("o/b")), None);
}

#[test]
fn a_repository_whose_listing_is_not_served_is_not_renamed_but_lost() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: self-hosted")));
    let archived = Repository { archived: true, ..repo(1, "o/new", Some("t1")) };
    let lost = catalog.listed(&[archived], Coverage::Part, &Filter::default(), at(1));
    assert_eq!(self::lost(&lost), ["o/r"]);
    assert!(catalog.take_renamed().is_empty());
}

#[test]
fn what_was_read_of_a_version_counts_for_that_version_alone() {
    let (mut catalog, _) = with(Some(&workflow("runs-on: ubuntu-latest")));
    catalog.folder(&slug("o/r"), folder(&[file("ci.yml", "v2")]), at(1));
    let ours = FileText::Read(workflow("runs-on: self-hosted"));
    catalog.text(&slug("o/r"), &file("ci.yml", "v1"), &ours);
    assert!(catalog.relevant(at(1)).is_empty(), "it was read late");
    catalog.text(&slug("o/r"), &file("ci.yml", "v2"), &ours);
    assert_eq!(catalog.relevant(at(1)).len(), 1);
    // A file that could not be read has its repository read again.
    assert!(catalog.due(at(1)).is_empty());
    catalog.unread(&slug("o/r"));
    assert_eq!(names(&catalog.due(at(1))), ["o/r"]);
}

#[test]
fn any_pool_that_offers_a_label_is_enough() {
    for (offers, expected) in [(vec!["gpu-box", "other"], 1), (vec!["other"], 0)] {
        let (mut catalog, _) = with(Some(&workflow("runs-on: gpu-box")));
        catalog.offer(offers.into_iter().map(|label| LabelSet::requested([label])).collect());
        assert_eq!(catalog.relevant(at(0)).len(), expected);
    }
}

#[test]
fn an_organisation_is_listed_as_long_as_one_of_its_repositories_is() {
    let mut catalog = Catalog::default();
    let listing = [repo(1, "o/a", None), repo(2, "o/b", None), repo(3, "p/q", None)];
    catalog.listed(&listing, Coverage::Whole, &Filter::default(), at(0));
    catalog.listed(&listing[..1], Coverage::Whole, &Filter::default(), at(1));
    let lists = |scope: &str| catalog.lists(&scope.parse().unwrap());
    assert!(lists("org:o") && !lists("org:p") && !lists("org:x"));
    assert!(lists("repo:o/a") && !lists("repo:o/b") && !lists("repo:o/x"));
}
