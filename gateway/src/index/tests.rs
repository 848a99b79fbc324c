//! Tests of the index against a filter over the whole log, and of what becomes of a file that can't be trusted.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    audit::{AuditOptions, Leaf, RealDisk, leaf},
    model::BrandPath,
};

const APPS: [&str; 3] = ["newsroom", "crm", "ada"];
const PEOPLE: [&str; 3] = ["ada", "bob", "chief-1"];
const ACCOUNTS: [&str; 3] = ["acme-m", "acme-b", "other-m"];
const BRANDS: [&str; 4] = ["acme", "acme/snacks", "acme/sna", "other"];
const ACTIONS: [&str; 2] = ["post.create", "post.delete"];

/// A log in a folder of its own, with an index.
struct Bench {
    folder: tempfile::TempDir,
    log: AuditLog,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        Self::named("test/audit/one")
    }

    fn named(origin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            AuditOptions { segment_bytes: 256 * 1024, ..AuditOptions::new(folder.path().join("log"), origin) };
        let (log, _) = AuditLog::open(options, Arc::new(RealDisk)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { folder, log, runtime }
    }

    fn append(&self, leaves: Vec<Leaf>) {
        // A batch of a small segment takes no more.
        for batch in leaves.chunks(400) {
            self.runtime.block_on(self.log.append_all(batch.to_vec())).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn index(&self, name: &str) -> AuditIndex {
        AuditIndex::follow(self.log.clone(), &self.path(name)).unwrap()
    }

    /// Waits until the index has all leaves.
    fn reached(&self, index: &AuditIndex) {
        for _ in 0..2_000 {
            if index.mark() == Some(self.log.next_index()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the index stands at {:?} of {}", index.mark(), self.log.next_index());
    }

    /// All leaves that fit, by a filter over the log.
    fn naive(&self, filter: &Filter) -> Vec<u64> {
        let leaves = self.log.reader(0).map(|leaf| leaf.unwrap());
        leaves.filter(|(_, bytes)| filter.matches(&Facets::of(bytes))).map(|(index, _)| index).collect()
    }
}

/// All pages of a search, one index after the other.
fn pages(index: &AuditIndex, filter: &Filter, order: Order, limit: usize) -> Vec<u64> {
    let mut query = Query { filter: filter.clone(), order, after: None, limit };
    let mut all = Vec::new();
    loop {
        let found = index.search(&query).unwrap();
        assert!(found.leaves.len() <= limit);
        all.extend(found.leaves.iter().map(|(index, _)| *index));
        query.after = found.next;
        if found.next.is_none() {
            return all;
        }
    }
}

fn pick(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(str::to_owned)
}

fn any_leaf() -> impl Strategy<Value = Leaf> {
    let who = (pick(&APPS), prop::option::of(pick(&PEOPLE)), prop::option::of(pick(&PEOPLE)));
    let what = (pick(&ACCOUNTS), prop::option::of(pick(&BRANDS)), pick(&ACTIONS), 0u8..6);
    // Times jump back and forth, as clocks do.
    (who, what, 0i64..100).prop_map(|((app, person, behalf), (account, brand, action, kind), at_ms)| {
        let refused = leaf::Refused {
            stage: "authorise".into(),
            problem: if kind == 0 { "no-grant".into() } else { "denied".into() },
            app: person.is_none().then_some(app.clone()),
            person: person.clone(),
            on_behalf_of: behalf,
            key: Some("Ab12".into()),
            account: Some(account.clone()),
            brand: brand.clone(),
            action: Some(action.clone()),
            post: Some(format!("post_{at_ms:04}")),
            ..leaf::Refused::default()
        };
        let outcome = leaf::Outcome {
            intent: 1,
            post: format!("post_{at_ms:04}"),
            account: account.clone(),
            brand,
            action: Some(action),
            step: "part-0".into(),
            result: if kind == 2 { leaf::OutcomeResult::Answered } else { leaf::OutcomeResult::Unanswered },
            status: None,
            response_digest: None,
            target_state: None,
            platform_ids: vec![format!("at://did:plc:{app}/{at_ms}")],
            recovered: false,
        };
        let change = leaf::Change {
            what: leaf::Changed::Key,
            action: "revoke".into(),
            subject: "Xy".into(),
            digest: None,
            by: person.clone().unwrap_or("local".into()),
        };
        let held = leaf::Held {
            post: "post_held".into(),
            accounts: vec![account, "acme-m".into()],
            brand: None,
            app: Some(app),
            person: None,
            key: None,
            content_digest: "ab".into(),
            verdicts: Vec::new(),
        };
        match kind {
            0 | 1 => Leaf::new(at_ms, refused),
            2 | 3 => Leaf::new(at_ms, outcome),
            4 => Leaf::new(at_ms, change),
            _ => Leaf::new(at_ms, held),
        }
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let actors = &["newsroom", "app:ada", "person:ada", "ada", "local", "nobody", "person:chief-1"];
    let texts = &["no-grant", "post_00*", "did plc crm", "acme-m part-0", "nothing", "POST_HELD", "post_0001 revoke"];
    let reach = prop_oneof![
        4 => Just(Reach::Whole),
        1 => Just(Reach::Brands(vec![BrandPath::new("acme")])),
        1 => Just(Reach::Brands(vec![BrandPath::new("acme/snacks"), BrandPath::new("other")])),
        1 => Just(Reach::Brands(vec![BrandPath::new("unknown")])),
    ];
    let exact = (
        prop::option::weighted(0.4, pick(actors)),
        prop::option::weighted(0.3, pick(&ACCOUNTS)),
        prop::option::weighted(0.3, pick(&BRANDS)),
        prop::option::weighted(0.2, pick(&["post.create", "post.delete", "revoke"])),
        prop::option::weighted(0.2, pick(&["answered", "unanswered", "refused", "held"])),
        prop::option::weighted(0.2, pick(&["refused", "outcome", "change", "vote"])),
    );
    let rest =
        (prop::option::of(0i64..100), prop::option::of(0i64..120), prop::option::weighted(0.3, pick(texts)), reach);
    (exact, rest).prop_map(|((actor, account, brand, action, outcome, kind), (from_ms, to_ms, text, reach))| {
        let brand = brand.map(BrandPath::new);
        let filter =
            Filter { actor, account, brand, action, outcome, kind, from_ms, to_ms, reach, ..Filter::default() };
        match text {
            Some(text) => filter.containing(&text),
            None => filter,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A search gives what a filter over the whole log gives: in both orders, over pages of any size, however the leaves were
    /// committed.
    #[test]
    fn a_search_finds_what_a_look_at_every_leaf_finds(
        batches in prop::collection::vec(prop::collection::vec(any_leaf(), 1..40), 1..6),
        filters in prop::collection::vec((any_filter(), 1usize..12), 24),
    ) {
        let bench = Bench::new();
        let index = bench.index("index");
        for batch in batches {
            bench.append(batch);
        }
        bench.reached(&index);
        for (filter, limit) in filters {
            let mut expected = bench.naive(&filter);
            prop_assert_eq!(&pages(&index, &filter, Order::OldestFirst, limit), &expected, "{:?}", filter);
            expected.reverse();
            prop_assert_eq!(&pages(&index, &filter, Order::NewestFirst, limit), &expected, "{:?}", filter);
            if let Some(from_ms) = filter.from_ms {
                let first = bench.naive(&Filter { from_ms: Some(from_ms), ..Filter::default() }).first().copied();
                prop_assert!(first.is_none_or(|first| index.first_at(from_ms).unwrap() <= first));
            }
        }
    }
}

/// Leaves whose times rise, two actors in turn.
fn leaves(numbers: std::ops::Range<u64>) -> Vec<Leaf> {
    let refused = |number: u64| leaf::Refused {
        stage: "authorise".into(),
        problem: "no-grant".into(),
        app: Some(APPS[(number % 2) as usize].into()),
        brand: number.is_multiple_of(3).then(|| "acme/snacks".into()),
        post: Some(format!("post_{number}")),
        ..leaf::Refused::default()
    };
    numbers.map(|number| Leaf::new(i64::try_from(number).unwrap() * 10, refused(number))).collect()
}

/// All that the file holds, in order.
fn dump(path: &Path) -> Vec<String> {
    let connection = schema::reader(path).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "SELECT 'leaf ' || idx || ' ' || at_ms || ' ' || segment || ' ' || batch || ' ' || offset FROM leaf ORDER BY idx",
        "SELECT 'has ' || name || ' ' || idx FROM posting JOIN term ON term.id = term ORDER BY name, idx",
        "SELECT 'term ' || name || ' ' || count FROM term ORDER BY name",
        "SELECT 'span ' || block || ' ' || min_ms || ' ' || max_ms FROM span ORDER BY block",
        "SELECT 'mark ' || value FROM meta WHERE name IN ('mark', 'last', 'origin') ORDER BY name",
    ] {
        let mut statement = connection.prepare(sql).unwrap();
        lines.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    lines
}

#[test]
fn made_at_once_it_is_what_it_became_bit_by_bit() {
    let bench = Bench::new();
    let index = bench.index("bit-by-bit");
    for number in 0..40 {
        bench.append(leaves(number * 50..number * 50 + 50));
        if number % 10 == 0 {
            bench.reached(&index);
        }
    }
    bench.reached(&index);
    index.close();
    // Taken up again, it goes on where it was.
    let index = bench.index("bit-by-bit");
    bench.append(leaves(2_000..2_500));
    bench.reached(&index);
    index.close();
    let whole = bench.index("at-once");
    bench.reached(&whole);
    whole.close();
    let dumped = dump(&bench.path("bit-by-bit"));
    assert_eq!(dumped.iter().filter(|line| line.starts_with("leaf")).count(), 2_500);
    assert_eq!(dumped, dump(&bench.path("at-once")));
}

#[test]
fn pages_give_each_leaf_once_while_leaves_come() {
    let bench = Bench::new();
    let index = bench.index("index");
    bench.append(leaves(0..500));
    bench.reached(&index);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let before = bench.log.next_index();
        let mut query = Query {
            filter: Filter { actor: Some("newsroom".into()), ..Filter::default() },
            order,
            after: None,
            limit: 7,
        };
        let mut seen = Vec::new();
        loop {
            let found = index.search(&query).unwrap();
            seen.extend(found.leaves.iter().map(|(index, _)| *index));
            bench.append(leaves(bench.log.next_index()..bench.log.next_index() + 4));
            query.after = found.next;
            if found.next.is_none() || seen.len() > 2_000 {
                break;
            }
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), seen.len(), "none twice");
        let all = (0..before).filter(|index| index % 2 == 0);
        assert!(all.into_iter().all(|index| sorted.binary_search(&index).is_ok()), "none is left out");
        bench.reached(&index);
    }
}

#[test]
fn a_file_that_can_not_be_trusted_is_made_anew() {
    let bench = Bench::new();
    bench.append(leaves(0..300));
    let expected = |index: &AuditIndex| {
        bench.reached(index);
        assert_eq!(
            pages(index, &Filter { kind: Some("refused".into()), ..Filter::default() }, Order::OldestFirst, 200).len(),
            300
        );
        index.close();
    };
    let path = bench.path("index");
    expected(&bench.index("index"));
    let spoil: [(&str, &dyn Fn()); 6] = [
        ("garbage", &|| std::fs::write(&path, vec![7; 100_000]).unwrap()),
        ("cut", &|| std::fs::File::options().write(true).open(&path).unwrap().set_len(20_000).unwrap()),
        ("of another log", &|| change(&path, "UPDATE meta SET value = 'other/audit/one' WHERE name = 'origin'")),
        ("of another past", &|| change(&path, "UPDATE meta SET value = 'aa' WHERE name = 'last'")),
        ("too long", &|| change(&path, "UPDATE meta SET value = 999 WHERE name = 'mark'; DELETE FROM leaf")),
        ("not closed before the machine stopped", &|| {
            change(
                &path,
                "UPDATE meta SET value = 0 WHERE name = 'clean'; UPDATE meta SET value = 'x' WHERE name = 'boot'; DELETE FROM leaf",
            );
        }),
    ];
    for (what, spoil) in spoil {
        spoil();
        println!("{what}");
        expected(&bench.index("index"));
    }
    // A file that is sound is taken up: what was planted in it is still there.
    change(&path, "INSERT INTO meta (name, value) VALUES ('planted', 1)");
    expected(&bench.index("index"));
    assert_eq!(schema::meta::<i64>(&schema::reader(&path).unwrap(), "planted").unwrap(), Some(1));
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn damage_that_a_search_meets_makes_it_anew() {
    let bench = Bench::new();
    bench.append(leaves(0..2_000));
    let index = bench.index("index");
    bench.reached(&index);
    index.close();
    let length = std::fs::metadata(bench.path("index")).unwrap().len();
    // Behind the first pages, which a start reads.
    let file = std::fs::File::options().write(true).open(bench.path("index")).unwrap();
    let start = 4096 * 12;
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; usize::try_from(length - start).unwrap()], start)
        .unwrap();
    let index = bench.index("index");
    let filter = Filter { actor: Some("newsroom".into()), ..Filter::default() };
    let mut found = 0;
    for _ in 0..2_000 {
        let query = Query { filter: filter.clone(), limit: 200, ..Query::default() };
        found = index.search(&query).map(|found| found.leaves.len()).unwrap_or(0);
        if found == 200 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(found, 200);
    bench.reached(&index);
    assert_eq!(pages(&index, &filter, Order::OldestFirst, 200).len(), 1_000);
}

#[test]
fn a_wrong_index_shows_nothing_that_the_reader_may_not_see() {
    let bench = Bench::new();
    bench.append(leaves(0..90));
    let index = bench.index("index");
    bench.reached(&index);
    index.close();
    // Every leaf is said to be of the brand, and every place is that of the leaf before.
    change(
        &bench.path("index"),
        "INSERT OR IGNORE INTO posting SELECT term.id, leaf.idx FROM term, leaf WHERE name = 'brand:acme';
         UPDATE leaf SET offset = (SELECT offset FROM leaf AS other WHERE other.idx = max(leaf.idx - 1, 0))",
    );
    let index = bench.index("index");
    bench.reached(&index);
    let reach = Reach::Brands(vec![BrandPath::new("acme")]);
    let filter = Filter { reach, ..Filter::default() };
    let expected: Vec<u64> = (0..90).filter(|index| index % 3 == 0).collect();
    assert_eq!(pages(&index, &filter, Order::OldestFirst, 10), expected);
}

#[test]
fn a_file_that_can_not_be_made_refuses_searches_and_nothing_else() {
    let bench = Bench::new();
    bench.append(leaves(0..10));
    std::fs::create_dir(bench.path("index")).unwrap();
    let index = bench.index("index");
    std::thread::sleep(Duration::from_millis(50));
    assert!(matches!(index.search(&Query::default()), Err(SearchError::NotReady)));
    assert_eq!(Facets::of(&index.leaf(3).unwrap().unwrap()).at_ms, 30);
    assert_eq!(index.leaf(10).unwrap(), None);
    let start = std::time::Instant::now();
    index.close();
    assert!(start.elapsed() < Duration::from_secs(2), "it does not wait for the next try");
}
