//! Leaves as bytes, of this version and of others, and the parser on whatever bytes.

use pressgate_audit::format::{Expected, Header, encode_batch, find_later_commit, parse_batch};
use pressgate_audit::leaf::{Change, Changed, Intent, Lifecycle, LifecycleEvent, Outcome, OutcomeResult, Refused};
use pressgate_audit::leaf::{EffectKind, VerdictNote};
use pressgate_audit::{Event, LEAF_BYTES_MAX, Leaf, LeafError};
use proptest::prelude::*;

fn intent() -> Intent {
    Intent {
        post: "p1".into(),
        account: "acme-net".into(),
        action: "post.create".into(),
        step: "create".into(),
        attempt: 1,
        effect_kind: EffectKind::Effect,
        safety: "native-key".into(),
        app: Some("newsroom".into()),
        person: None,
        on_behalf_of: Some("u7".into()),
        key: "k1".into(),
        grant: "g1".into(),
        content_digest: "sha256:00".into(),
        post_digest: Some("sha256:04".into()),
        request_digest: "sha256:01".into(),
        brand: Some("acme".into()),
        door: Some("publish".into()),
        session: None,
        commitments: vec![],
        adapter: "net 0.1.0".into(),
        adapter_digest: "sha256:02".into(),
        verdicts: vec![VerdictNote {
            policy: "p".into(),
            plugin: "q 1".into(),
            plugin_digest: "sha256:03".into(),
            outcome: "allow".into(),
            codes: vec![],
        }],
        approvals: vec!["u9".into()],
    }
}

#[test]
fn leaves_come_back_as_they_were_written() {
    let outcome = Outcome {
        intent: u64::MAX,
        post: "p1".into(),
        account: "acme-net".into(),
        brand: None,
        action: None,
        step: "create".into(),
        result: OutcomeResult::NotSent,
        status: Some(503),
        response_digest: None,
        target_state: Some("failed".into()),
        platform_ids: vec!["1\n2".into()],
        recovered: true,
    };
    let refused = Refused { stage: "review".into(), problem: "policy-denied".into(), ..Refused::default() };
    let stop = Lifecycle { event: LifecycleEvent::Stop, version: "0.1.0".into() };
    let events: [Event; 4] = [intent().into(), outcome.into(), refused.into(), stop.into()];
    for event in events {
        let leaf = Leaf::new(-5, event);
        let bytes = leaf.to_bytes().unwrap();
        assert!(!bytes.contains(&b'\n'), "one line");
        assert_eq!(Leaf::from_bytes(&bytes).unwrap(), leaf);
    }
    let stop = Leaf::new(7, Lifecycle { event: LifecycleEvent::Stop, version: "1".into() });
    let text = r#"{"v":1,"at_ms":7,"kind":"lifecycle","event":"stop","version":"1"}"#;
    assert_eq!(String::from_utf8(stop.to_bytes().unwrap()).unwrap(), text);
}

#[test]
fn leaves_of_before_a_field_was_added_are_read() {
    for (text, commitments) in [
        (r#"{"v":1,"at_ms":7,"kind":"read","what":"profile.read","app":"newsroom","key":"k1"}"#, 0),
        (r#"{"v":1,"at_ms":7,"kind":"refused","stage":"classify","problem":"not-classified","door":"native"}"#, 0),
        (
            r#"{"v":1,"at_ms":7,"kind":"read","what":"profile.read","app":"newsroom","door":"native","session":"s1","commitments":[{"field":"source","hmac":"00"}],"later":1}"#,
            1,
        ),
    ] {
        let leaf = Leaf::from_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_ne!(leaf.event, Event::Unknown, "{text}");
        assert_eq!(leaf.event.commitments().len(), commitments);
        assert_eq!(Leaf::from_bytes(&leaf.to_bytes().unwrap()).unwrap(), leaf);
        if commitments > 0 {
            assert_eq!(leaf.event.subject().as_deref(), Some("app:newsroom"));
        }
    }
}

#[test]
fn other_versions_and_kinds_are_unknown_and_not_an_error() {
    for text in [
        r#"{"v":1,"at_ms":7,"kind":"freeze","brand":"acme","deep":{"a":[1]}}"#,
        r#"{"v":1,"at_ms":7,"kind":"unknown"}"#,
        r#"{"v":2,"at_ms":7,"kind":"intent","post":{"id":1}}"#,
    ] {
        let leaf = Leaf::from_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((leaf.at_ms, &leaf.event), (7, &Event::Unknown), "{text}");
        assert!(matches!(leaf.to_bytes(), Err(LeafError::Unknown)));
    }
    let later = r#"{"v":1,"at_ms":7,"kind":"change","what":"weather","action":"a","subject":"s","by":"u1","new":1}"#;
    let change =
        Change { what: Changed::Other, action: "a".into(), subject: "s".into(), digest: None, by: "u1".into() };
    assert_eq!(Leaf::from_bytes(later.as_bytes()).unwrap().event, Event::Change(change));
    for text in ["", "7", "{}", r#"{"v":1,"at_ms":7,"kind":"vote"}"#, "{\"v\":1"] {
        assert!(Leaf::from_bytes(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_longest_leaf_fits_and_one_byte_more_does_not() {
    let leaf = |bytes: usize| Leaf::new(0, Lifecycle { event: LifecycleEvent::Start, version: "x".repeat(bytes) });
    let frame = leaf(0).to_bytes().unwrap().len();
    assert_eq!(leaf(LEAF_BYTES_MAX - frame).to_bytes().unwrap().len(), LEAF_BYTES_MAX);
    assert!(matches!(leaf(LEAF_BYTES_MAX - frame + 1).to_bytes(), Err(LeafError::TooLong { bytes: 65_536 })));
}

const EXPECTED: Expected = Expected { segment: 3, batch: 2, index: 77, batch_bytes_max: 1 << 20 };

proptest! {
    #[test]
    fn no_bytes_disturb_the_parsers(bytes in proptest::collection::vec(any::<u8>(), 0..9_000)) {
        let _ = parse_batch(&bytes, EXPECTED);
        let _ = find_later_commit(&bytes, EXPECTED);
        let _ = Header::decode(&bytes);
        let _ = Leaf::from_bytes(&bytes);
    }

    #[test]
    fn batches_come_back_and_only_in_their_own_place(
        leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..700), 0..12),
        rest in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = Vec::new();
        encode_batch(EXPECTED, &leaves, &mut bytes);
        prop_assert_eq!(bytes.len() % 4096, 0);
        bytes.extend(rest);
        let batch = parse_batch(&bytes, EXPECTED).unwrap();
        let found: Vec<&[u8]> = batch.leaves.iter().map(|leaf| &bytes[leaf.clone()]).collect();
        prop_assert_eq!(found, leaves.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for other in [
            Expected { segment: 4, ..EXPECTED },
            Expected { batch: 3, ..EXPECTED },
            Expected { index: 78, ..EXPECTED },
        ] {
            prop_assert!(parse_batch(&bytes, other).is_err());
        }
        let earlier = Expected { batch: 1, ..EXPECTED };
        prop_assert!(find_later_commit(&bytes, earlier).is_some());
        prop_assert!(find_later_commit(&bytes, EXPECTED).is_none());
    }

    #[test]
    fn headers_come_back(segment: u64, first_index: u64, origin in "[a-z/é]{1,40}") {
        let header = Header { segment, first_index, batch_bytes_max: 70_000, origin };
        let mut block = Vec::new();
        header.encode(&mut block);
        prop_assert_eq!(Header::decode(&block), Ok(header));
    }
}
