//! A medium that goes in pieces is what was approved, or it is not shown.

use serde_json::json;

use super::*;
use crate::model::Part;

/// Addresses of media, where none is public.
fn private() -> PublicMedia {
    PublicMedia::new(&[7; 32], None, 60)
}

/// Checks a `prepare` after these steps.
fn prepared(done: &[Answered], classification: &Classification, request: &PluginRequest) -> Result<Put, Mismatch> {
    let (draft, account, public) = (draft(), AccountId::new("acme"), private());
    prepare(&Approved { draft: &draft, done, account: &account, public: &public }, classification, request)
}

fn medium(id: &str, size_bytes: u64, alt: Option<&str>) -> MediaRef {
    MediaRef {
        id: MediaId::new(id),
        media_type: "video/mp4".to_owned(),
        size_bytes,
        width: None,
        height: None,
        digest: "00".repeat(32),
        alt: alt.map(str::to_owned),
    }
}

fn draft() -> Draft {
    Draft {
        action: Action::POST_CREATE,
        parts: vec![Part {
            text: "a".to_owned(),
            media: vec![medium("m0", 10, Some("A dog.")), medium("m1", 10, None)],
        }],
        language: None,
        target: None,
        options: serde_json::Map::default(),
        labels: Vec::new(),
        campaign: None,
    }
}

fn upload(target: Option<&str>, alt: Option<(&str, &str)>) -> Classification {
    Classification::Act(Classified {
        action: Action::MEDIA_UPLOAD,
        target: target.map(str::to_owned),
        text: String::new(),
        texts: Vec::new(),
        media: alt.map(|(reference, alt)| (Some(reference.to_owned()), Some(alt.to_owned()))).into_iter().collect(),
        options: None,
        language: None,
        prepares: false,
        commits: None,
    })
}

fn request(value: Option<FormValue>) -> PluginRequest {
    let field = |value| crate::host::FormField { name: "media".to_owned(), filename: None, value };
    PluginRequest {
        method: "POST".to_owned(),
        url: "https://social.example/upload".to_owned(),
        headers: Vec::new(),
        body: value.map_or(RequestBody::Bytes(b"{}".to_vec()), |value| RequestBody::Multipart(vec![field(value)])),
        credential: None,
    }
}

fn slice(id: &str, range: Range<u64>) -> FormValue {
    FormValue::MediaSlice { id: id.to_owned(), offset: range.start, length: range.end - range.start }
}

/// What is known after an upload was begun and these pieces of media were added to it.
fn after(pieces: &[(&str, &str, Range<u64>)]) -> Vec<Answered> {
    let answered = |put, body: serde_json::Value| Answered { put, effect: false, body: body.to_string().into_bytes() };
    let mut done = vec![answered(Put::default(), json!({ "data": { "id": "7" } }))];
    for (to, id, range) in pieces {
        let request = request(Some(slice(id, range.clone())));
        let put = prepared(&done, &upload(Some(to), None), &request).unwrap();
        done.push(answered(put, json!({})));
    }
    done
}

fn show(done: &[Answered], alt: Option<&str>) -> Result<(), Mismatch> {
    let (draft, account, public) = (draft(), AccountId::new("acme"), private());
    let approved = Approved { draft: &draft, done, account: &account, public: &public };
    shown(&approved, &draft.parts[0].media[0], Some("7"), alt)
}

#[test]
fn pieces_that_make_the_whole_medium_are_it() {
    assert_eq!(show(&after(&[("7", "m0", 0..4), ("7", "m0", 4..10)]), Some("A dog.")), Ok(()));
    assert_eq!(show(&after(&[("7", "m0", 0..10)]), Some("A dog.")), Ok(()));
    for pieces in [
        &[][..],
        &[("7", "m0", 0..4)],
        &[("7", "m0", 4..10)],
        &[("7", "m0", 0..4), ("7", "m0", 5..10)],
        &[("7", "m0", 4..10), ("7", "m0", 0..4)],
        &[("7", "m0", 0..10), ("7", "m0", 0..10)],
        &[("7", "m0", 0..4), ("7", "m1", 4..10)],
        &[("7", "m1", 0..10)],
        &[("8", "m0", 0..10)],
    ] {
        assert!(show(&after(pieces), Some("A dog.")).is_err(), "{pieces:?}");
    }
    let unnamed = after(&[("7", "m0", 0..10)]).split_off(1);
    assert!(show(&unnamed, Some("A dog.")).is_err(), "the network never named it");
}

#[test]
fn a_description_that_follows_the_upload_is_the_approved_one() {
    let mut done = after(&[("7", "m0", 0..10)]);
    let before = done.clone();
    let describe = |alt: &str| prepared(&before, &upload(None, Some(("7", alt))), &request(None));
    assert!(
        prepared(&[], &upload(None, Some(("7", "A dog."))), &request(None)).is_err(),
        "the network named no such medium"
    );
    assert!(show(&done, None).is_err(), "it has one and none was sent");
    let put = describe("A dog.").unwrap();
    done.push(Answered { put, effect: false, body: b"{}".to_vec() });
    assert_eq!(show(&done, None), Ok(()));
    assert!(describe("A cat.").is_err());
}

#[test]
fn a_piece_belongs_to_an_upload() {
    let alone = prepared(&[], &upload(None, None), &request(Some(slice("m0", 0..4))));
    assert!(alone.is_err());
    let strange = prepared(&[], &upload(Some("7"), None), &request(Some(slice("m9", 0..4))));
    assert!(strange.is_err());
}
