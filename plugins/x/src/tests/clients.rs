//! Requests of clients, and the adapter's own as they are classified before they leave.

use pressgate_sdk::http::FormField;

use super::*;

#[test]
fn own_requests_are_classified_as_what_was_approved() {
    let host = uploading(Host::new(), "part-0-media-0", "7")
        .answer("part-0", post("1"))
        .answer("delete-0", answer(200, r#"{"data":{"deleted":true}}"#))
        .install();
    let mut draft = with_media(vec![testing::picture("m0", Some("A red snack."))]);
    draft.parts[0].text = "Žluťoučký kůň".to_owned();
    draft.options = r#"{"made_with_ai":true}"#.to_owned();
    (draft.action, draft.target) = ("comment.create".to_owned(), Some("9".to_owned()));
    X::perform(&call(draft)).unwrap();
    X::perform(&call(deletion("1"))).unwrap();
    let acts: Vec<Classified> = host.sent().iter().map(|sent| act(&sent.request)).collect();
    let actions: Vec<&str> = acts.iter().map(|act| act.action.as_str()).collect();
    assert_eq!(actions[..4], ["media.upload"; 4]);
    assert_eq!(actions[4..], ["comment.create", "post.delete"]);
    assert_eq!((acts[0].media.len(), acts[0].target.as_deref()), (0, None));
    assert_eq!((acts[1].media.as_slice(), acts[1].target.as_deref()), (&[(None, None)][..], Some("7")));
    assert_eq!(acts[3].media, [(Some("7".to_owned()), Some("A red snack.".to_owned()))]);
    assert_eq!((acts[4].text.as_str(), acts[4].target.as_deref()), ("Žluťoučký kůň", Some("9")));
    assert_eq!(acts[4].media, [(Some("7".to_owned()), None)]);
    assert_eq!(acts[4].options.as_deref(), Some(r#"{"made_with_ai":true}"#));
    assert_eq!(acts[5].target.as_deref(), Some("1"));
}

#[test]
fn uploads_of_clients_are_known_in_three_forms() {
    let json = Request::post("/2/media/upload").json(r#"{"media":"aGk=","media_category":"tweet_image"}"#);
    let piece = Request::post("/2/media/upload/7/append").json(r#"{"media":"aGk=","segment_index":0}"#);
    let form = Request::post("https://social.example/2/media/upload")
        .multipart(vec![FormField::media("media", "a.png", "m"), FormField::text("media_category", "tweet_image")]);
    for (request, target) in [(json, None), (piece, Some("7")), (form, None)] {
        let act = act(&request);
        assert_eq!((act.action.as_str(), act.target.as_deref(), act.media.len()), ("media.upload", target, 1));
    }
    assert_eq!(act(&Request::post("/2/media/upload/7/finalize").json("{}")).media, []);
}

#[test]
fn what_can_not_be_reviewed_is_refused() {
    let json = |url: &str, text: &str| Request::post(url).json(text);
    let posts = "/2/tweets";
    let media = || FormField::media("media", "a", "b");
    let append = "/2/media/upload/7/append";
    for request in [
        json(posts, r#"{"text":"a","text":"b"}"#),
        json(posts, r#"{"text":"a","quote_tweet_id":"1"}"#),
        json(posts, r#"{"text":"a","poll":{"options":["a","b"],"duration_minutes":5}}"#),
        json(posts, r#"{"text":"a","card_uri":"card://1"}"#),
        json(posts, r#"{"text":"a","nullcast":true}"#),
        json(posts, r#"{"text":"a","edit_options":{"previous_post_id":"1"}}"#),
        json(posts, r#"{"text":"a","media":{"media_ids":["1"],"tagged_user_ids":["2"]}}"#),
        json(posts, r#"{"text":"a","reply":{"in_reply_to_tweet_id":"1","exclude_reply_user_ids":["2"]}}"#),
        json(posts, r#"{"text":"a","reply":{"in_reply_to_tweet_id":"x"}}"#),
        json(posts, r#"{"text":5}"#),
        json(posts, "[]"),
        json("/2/tweets?text=b", r#"{"text":"a"}"#),
        json("/2/tweets/", r#"{"text":"a"}"#),
        json("//evil.example/2/tweets", r#"{"text":"a"}"#),
        json("https://evil.example/2/tweets", r#"{"text":"a"}"#),
        json("https://social.example.evil.example/2/tweets", r#"{"text":"a"}"#),
        json("/2/users/1/following", r#"{"target_user_id":"2"}"#),
        json("/2/dm_conversations/with/1/messages", r#"{"text":"a"}"#),
        json("/1.1/statuses/update.json", r#"{"status":"a"}"#),
        Request { body: Body::Bytes(br#"{"text":"a"}"#.to_vec()), ..Request::post(posts) },
        json(posts, r#"{"text":"a"}"#).header("Content-Type", "text/plain"),
        Request::post(posts),
        Request::put("/2/tweets/1/hidden").json(r#"{"hidden":true}"#),
        Request::delete("/2/tweets/1/../2"),
        Request::delete("/2/tweets/"),
        Request { body: Body::Bytes(b"a".to_vec()), ..Request::delete("/2/tweets/1") },
        json("/2/media/upload/initialize", r#"{"media_category":"dm_image","total_bytes":1}"#),
        json("/2/media/upload/initialize", r#"{"media_type":"text/srt","total_bytes":1}"#),
        json("/2/media/upload/initialize", r#"{"total_bytes":1,"additional_owners":["1"]}"#),
        json("/2/media/upload", r#"{"media":"aGk=","media_category":"dm_image"}"#),
        json("/2/media/metadata", r#"{"id":"7","metadata":{"alt_text":{"text":"a"},"shared_info":{"shared":true}}}"#),
        Request::post(append).multipart(vec![media()]),
        Request::post(append).multipart(vec![media(), media(), FormField::text("segment_index", "0")]),
        Request::post(append).multipart(vec![media(), FormField::text("segment_index", "1000")]),
        Request::post(append).multipart(vec![
            media(),
            FormField::text("segment_index", "0"),
            FormField::text("x", "y"),
        ]),
        Request::post("/2/media/upload/7/finalize").json(r#"{"a":1}"#),
        Request::get("/2/dm_events"),
        Request::get("/2/users/1/bookmarks"),
        Request::get("/2/tweets/1?colour=red"),
        Request::get("/2/users/by/username/a%2Fb"),
        Request::get("https://social.example/2/tweets/1#a"),
    ] {
        assert!(matches!(classify(&request), Classification::Refuse(_)), "{request:?}");
    }
}

#[test]
fn what_only_asks_is_known_by_its_path() {
    for (path, action) in [
        ("/2/users/me?user.fields=username", "profile.read"),
        ("/2/users/by/username/Acme_1", "profile.read"),
        ("/2/users/7/tweets?max_results=5&exclude=replies", "timeline.read"),
        ("/2/users/7/timelines/reverse_chronological", "timeline.read"),
        ("/2/users/7/mentions?tweet.fields=created_at", "inbox.read"),
        ("/2/tweets/9", "post.read"),
        ("/2/tweets?ids=1,2", "post.read"),
        ("/2/media/upload?command=STATUS&media_id=7", "post.read"),
    ] {
        let act = act(&Request::get(path));
        assert_eq!((act.action.as_str(), act.text.as_str(), act.target), (action, "", None), "{path}");
    }
}

#[test]
fn limits_are_learned_from_answers_by_what_was_asked() {
    let headers: Vec<(String, String)> =
        [("x-rate-limit-limit", "100"), ("x-rate-limit-remaining", "99"), ("x-rate-limit-reset", "1803891900")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    let known = X::describe().rate_classes;
    for (method, path, class) in [
        ("POST", "/2/tweets", "posts"),
        ("DELETE", "/2/tweets/1", "deletes"),
        ("POST", "/2/media/upload/initialize", "media"),
        ("GET", "/2/users/7/mentions?max_results=5", "mentions"),
        ("GET", "/2/users/7/tweets", "timelines"),
        ("GET", "/2/users/me", "me"),
        ("GET", "/2/tweets/1", "lookups"),
    ] {
        let budgets = X::observe(method, &format!("https://social.example{path}"), 200, &headers);
        assert_eq!(budgets.len(), 1, "{path}");
        assert_eq!((budgets[0].class.as_str(), budgets[0].limit, budgets[0].remaining), (class, Some(100), Some(99)));
        assert_eq!(budgets[0].reset_at_ms, Some(testing::CREATED_AT_MS + 300_000));
        assert!(known.iter().any(|known| known.name == class));
    }
    assert!(X::observe("POST", "https://social.example/2/media/upload/7/append", 200, &headers).is_empty());
    assert!(X::observe("POST", "https://social.example/2/tweets", 200, &[]).is_empty());
}

#[test]
fn refusals_have_the_shape_of_the_network() {
    let refusal =
        Refusal { status: 429, code: "rate-limited".into(), message: "Later.".into(), retry_after_s: Some(7) };
    let response = X::render_refusal(&refusal, &Request::get("/2/tweets"));
    assert_eq!((response.status, response.header("Retry-After")), (429, Some("7")));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((&body["title"], &body["detail"]), (&json!("Too Many Requests"), &json!("Later.")));
}
