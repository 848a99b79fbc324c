//! Tests of all kinds of sets together, and the properties that every one of them keeps.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn decl(set: &str, kind: SetKind, fold: Fold) -> MatchDecl {
    MatchDecl { set: set.into(), kind, pointer: format!("/{set}"), field: Some("kind".into()), fold }
}

fn phrases(fold: Fold, list: &[&str]) -> PatternSets {
    PatternSets::build(&[decl("p", SetKind::Phrases, fold)], &json!({ "p": list })).unwrap()
}

fn found<'t>(sets: &PatternSets, set: &str, text: &'t str) -> Vec<(u32, &'t str, bool)> {
    let hits = sets.scan(set, text, &mut FoldCache::new()).unwrap();
    hits.iter().map(|h| (h.pattern, &text[h.start as usize..h.end as usize], h.disguised)).collect()
}

#[test]
fn phrases_match_whole_words_and_endings_on_demand() {
    let sets = phrases(Fold::Case, &["acme", "tajn* projekt*", "*פרויקט", "free money"]);
    assert_eq!(found(&sets, "p", "ACME, acmeology, Acme's"), [(0, "ACME", false), (0, "Acme", false)]);
    assert_eq!(found(&sets, "p", "z tajného projektu firmy"), [(1, "tajného projektu", false)]);
    assert_eq!(found(&sets, "p", "netajný projekt; tajný nový projekt"), []);
    assert_eq!(found(&sets, "p", "על הפרויקט הזה"), [(2, "הפרויקט", false)]);
    assert_eq!(found(&sets, "p", "Free\n  money"), [(3, "Free\n  money", false)]);
    assert_eq!(found(&sets, "p", "fr\u{200b}ee money"), []);
}

#[test]
fn strict_phrases_see_what_a_reader_sees() {
    let sets =
        phrases(Fold::Strict, &["tajné", "confidential", "project aurora", "проект аврора", "דו\"ח סודי", "acme"]);
    for (text, expect) in [
        ("taj\u{200b}né", (0, "taj\u{200b}né", true)),
        ("TAJNÉ", (0, "TAJNÉ", false)),
        ("tajne\u{301}", (0, "tajne\u{301}", false)),
        ("tаjné", (0, "tаjné", true)),
        ("t a j n é", (0, "t a j n é", true)),
        ("a t a j n é!", (0, "t a j n é", true)),
        ("con-fi-den-tial", (1, "con-fi-den-tial", true)),
        ("c.o.n.f.i.d.e.n.t.i.a.l", (1, "c.o.n.f.i.d.e.n.t.i.a.l", true)),
        ("c0nf1dent1al", (1, "c0nf1dent1al", true)),
        ("ｃｏｎｆｉｄｅｎｔｉａｌ", (1, "ｃｏｎｆｉｄｅｎｔｉａｌ", true)),
        ("Y29uZmlkZW50aWFs", (1, "Y29uZmlkZW50aWFs", true)),
        ("636f6e666964656e7469616c", (1, "636f6e666964656e7469616c", true)),
        ("the project_aurora file", (2, "project_aurora", true)),
        ("p r o j e c t a u r o r a", (2, "p r o j e c t a u r o r a", true)),
        ("#ProjectAurora", (2, "ProjectAurora", true)),
        ("Project  Aurora", (2, "Project  Aurora", false)),
        ("прoект аврoра", (3, "прoект аврoра", true)),
        ("דו״ח סודי", (4, "דו״ח סודי", true)),
        ("Acme™ and more", (5, "Acme", false)),
        ("it is very ᴄᴏɴғɪᴅᴇɴᴛɪᴀʟ indeed", (1, "ᴄᴏɴғɪᴅᴇɴᴛɪᴀʟ", true)),
        ("→c0nfidential← 5€", (1, "c0nfidential", true)),
        ("a plain beginning, then x-y, “so” … con-fi-den-tial", (1, "con-fi-den-tial", true)),
        ("c\u{336}o\u{336}nfidential", (1, "c\u{336}o\u{336}nfidential", true)),
        ("c🎉o🎉n🎉f🎉i🎉d🎉e🎉n🎉t🎉i🎉a🎉l", (1, "c🎉o🎉n🎉f🎉i🎉d🎉e🎉n🎉t🎉i🎉a🎉l", true)),
        ("𝓬𝓸𝓷𝓯𝓲𝓭𝓮𝓷𝓽𝓲𝓪𝓵", (1, "𝓬𝓸𝓷𝓯𝓲𝓭𝓮𝓷𝓽𝓲𝓪𝓵", true)),
        ("ⓒⓞⓝⓕⓘⓓⓔⓝⓣⓘⓐⓛ", (1, "ⓒⓞⓝⓕⓘⓓⓔⓝⓣⓘⓐⓛ", true)),
        ("соnfidеntiаl", (1, "соnfidеntiаl", true)),
        ("p-r-о-j-e-c-t a-u-r-0-r-a", (2, "p-r-о-j-e-c-t a-u-r-0-r-a", true)),
    ] {
        assert_eq!(found(&sets, "p", text), [expect], "{text}");
    }
}

#[test]
fn ordinary_words_of_one_script_stay_words_of_that_script() {
    let sets = phrases(Fold::Strict, &["cop", "pak", "onto", "рак", "сор"]);
    assert_eq!(found(&sets, "p", "Вынесли сор из избы, и врач лечит рак."), [(4, "сор", false), (3, "рак", false)]);
    assert_eq!(found(&sets, "p", "The Russian words «это рак» mean something else"), [(3, "рак", false)]);
    assert_eq!(found(&sets, "p", "The brave сор arrested him on the street"), [(0, "сор", true), (4, "сор", false)]);
    assert_eq!(found(&sets, "p", "Хороший cop — это полицейский по-английски"), [(0, "cop", false), (4, "cop", true)]);
}

#[test]
fn regexes_report_each_expression() {
    let config = json!({ "r": [r"order-\d{4}", r"\d{4}"] });
    let sets = PatternSets::build(&[decl("r", SetKind::Regex, Fold::Strict)], &config).unwrap();
    assert_eq!(
        found(&sets, "r", "ORDER-1234 and or\u{ad}der-5678"),
        [(0, "ORDER-1234", false), (1, "1234", false), (0, "or\u{ad}der-5678", true), (1, "5678", false)]
    );
    for bad in ["(", "a*", r"(?=x)"] {
        let error =
            PatternSets::build(&[decl("r", SetKind::Regex, Fold::None)], &json!({ "r": ["x", bad] })).unwrap_err();
        assert_eq!(error.at.as_deref(), Some("/r/1"), "{error}");
    }
}

#[test]
fn domains_are_found_as_a_browser_would() {
    let config = json!({ "d": ["acme.example", "shop.acme.example", "пример.рф", "192.0.2.7"] });
    let sets = PatternSets::build(&[decl("d", SetKind::Domains, Fold::Strict)], &config).unwrap();
    let none = NO_PATTERN;
    for (text, expect) in [
        ("https://acme.example/x", vec![(0, "acme.example", false)]),
        ("HTTPS://WWW.ACME.EXAMPLE.", vec![(0, "WWW.ACME.EXAMPLE", false)]),
        (
            "see shop.acme.example:8443/a, notacme.example",
            vec![(1, "shop.acme.example", false), (none, "notacme.example", false)],
        ),
        ("https://acme.example@evil.example/", vec![(none, "evil.example", false)]),
        (
            "https://user:pw@acme.example:443/?u=https://evil.example/a",
            vec![(0, "acme.example", false), (none, "evil.example", false)],
        ),
        ("на ПРИМЕР.РФ и xn--e1afmkfd.xn--p1ai", vec![(2, "ПРИМЕР.РФ", false), (2, "xn--e1afmkfd.xn--p1ai", false)]),
        ("http://192.0.2.7/ http://3221225991/", vec![(3, "192.0.2.7", false), (3, "3221225991", false)]),
        ("evil\u{200b}.com", vec![(none, "evil\u{200b}.com", true)]),
        ("https:\\\\evil.example\\x", vec![(none, "evil.example", false)]),
        ("//cdn.example/x", vec![(none, "cdn.example", false)]),
        ("https://аcme.example", vec![(none, "аcme.example", false)]),
        ("mail jan@acme.example or jan@other.example", vec![(0, "acme.example", false)]),
        ("konec.Na začátku, a.s., s.r.o., 14.30, README.md, v1.2, t.j. 3.5.2027, e.g. this... Ano.To", vec![]),
        ("@eva@social.example", vec![]),
        ("(viz firma.cz)", vec![(none, "firma.cz", false)]),
        ("https://[2001:db8::1]:80/x", vec![(none, "[2001:db8::1]", false)]),
    ] {
        assert_eq!(found(&sets, "d", text), expect, "{text}");
    }
}

#[test]
fn detectors_keep_their_configured_positions() {
    let config = json!({ "s": ["iban", { "kind": "email", "allowed_domains": ["acme.example"] }, "card"] });
    let sets = PatternSets::build(&[decl("s", SetKind::Detectors, Fold::Strict)], &config).unwrap();
    assert_eq!(
        found(&sets, "s", "４１１１ 1111 1111 1111, a@b.cz, x@acme.example"),
        [(2, "４１１１ 1111 1111 1111", true), (1, "a@b.cz", false)]
    );
    assert_eq!(found(&sets, "s", "4111\u{200b}111111111111"), [(2, "4111\u{200b}111111111111", true)]);
    assert_eq!(found(&sets, "s", "NDExMSAxMTExIDExMTEgMTExMQ=="), [(2, "NDExMSAxMTExIDExMTEgMTExMQ==", true)]);
    let error =
        PatternSets::build(&[decl("s", SetKind::Detectors, Fold::Strict)], &json!({ "s": ["cvv"] })).unwrap_err();
    assert!(error.to_string().contains("no such detector"), "{error}");
}

#[test]
fn fingerprints_score_by_what_was_copied() {
    let secret =
        "The board will meet on Tuesday to vote about the merger with Borealis and its two plants in Ostrava and Brno";
    let hex: Vec<String> = fingerprint(secret).iter().map(|h| format!("{h:016x}")).collect();
    let config = json!({ "f": [{ "shingles": hex, "min_per_mille": 300 }] });
    let sets = PatternSets::build(&[decl("f", SetKind::Fingerprints, Fold::Strict)], &config).unwrap();
    let scan = |text: &str| sets.scan("f", text, &mut FoldCache::new()).unwrap();
    assert_eq!(scan(secret)[0].score, 1000);
    let part = scan("Rumour: the board will meet on TUESDAY to vote about the merger with B0realis, they say.");
    assert!(part.len() == 1 && (300..800).contains(&part[0].score), "{part:?}");
    assert_eq!(scan("The board will meet on Friday to talk about lunch."), []);
    assert!(scan(&secret.replace('o', "о"))[0].disguised);
}

#[test]
fn limits_and_mistakes_are_named() {
    let build =
        |kind, value: Value| PatternSets::build(&[decl("x", kind, Fold::Strict)], &json!({ "x": value })).unwrap_err();
    assert_eq!(build(SetKind::Phrases, json!("a")).at.as_deref(), Some("/x"));
    assert_eq!(build(SetKind::Phrases, json!(["a", 1])).at.as_deref(), Some("/x/1"));
    assert!(build(SetKind::Phrases, json!(["a*b"])).reason.contains("star"));
    assert!(build(SetKind::Phrases, json!(["--"])).reason.contains("empty"));
    assert!(build(SetKind::Domains, json!(["https://a.example"])).reason.contains("domain alone"));
    assert!(build(SetKind::Fingerprints, json!([{ "shingles": ["zz"] }])).reason.contains("hexadecimal"));
    assert!(!build(SetKind::Phrases, json!(["sec*ret"])).to_string().contains("sec"));
    let sets = phrases(Fold::Strict, &["a b"]);
    assert_eq!(sets.scan("y", "a", &mut FoldCache::new()), Err(ScanError::UnknownSet));
    assert_eq!(sets.scan("p", &"x".repeat(TEXT_BYTES_MAX + 1), &mut FoldCache::new()), Err(ScanError::TextTooLong));
    assert_eq!(
        PatternSets::build(&[decl("x", SetKind::Phrases, Fold::Case)], &json!({})).unwrap().scan(
            "x",
            "a",
            &mut FoldCache::new()
        ),
        Ok(vec![])
    );
}

static EVERYTHING: std::sync::LazyLock<PatternSets> = std::sync::LazyLock::new(everything);

fn everything() -> PatternSets {
    let kinds = [
        ("p", SetKind::Phrases),
        ("r", SetKind::Regex),
        ("d", SetKind::Domains),
        ("f", SetKind::Fingerprints),
        ("s", SetKind::Detectors),
    ];
    let decls: Vec<MatchDecl> = kinds.iter().map(|(n, k)| decl(n, *k, Fold::Strict)).collect();
    let config = json!({
        "p": ["tajn*", "a", "aa", "*bb*", "a b c", "сор", "aurora", "שלום", "e\u{301}", "日本"],
        "r": ["a+b", r"\w{3}-\d"],
        "d": ["a.cz", "b.example"],
        "f": [{ "shingles": ["0"], "min_per_mille": 1 }],
        "s": ["card", "iban", "email", "jwt", "private-key", "secret-assignment", "github-token"],
    });
    PatternSets::build(&decls, &config).unwrap()
}

/// Text in which every view has something to do.
fn tricky() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "A",
        "b",
        " ",
        "-",
        ".",
        "_",
        "*",
        "@",
        "$",
        "0",
        "1",
        "taj",
        "n",
        "é",
        "e",
        "\u{301}",
        "\u{200b}",
        "\u{ad}",
        "\u{202e}",
        "ﬁ",
        "ß",
        "İ",
        "ŉ",
        "™",
        "²",
        "c",
        "о",
        "с",
        "р",
        "С",
        "ο",
        "Σ",
        "ς",
        "ש",
        "\u{5b0}",
        "ﬡ",
        "日",
        "本",
        "🎉",
        "🅰",
        "\u{fe0f}",
        "https://",
        "//",
        "a.cz",
        "。",
        "@b.example",
        "4111 1111 1111 1111",
        "CZ65",
        "dGFqbsO9IHBsw6Fu",
        "%C3%A9",
        "&#116;",
        "\\u0074",
        "password=",
        "eyJ",
        "-----BEGIN ",
        "(at)",
        "[.]",
        "\n",
        "\u{a0}",
        "\u{1100}\u{1161}",
        "\u{e000}",
        "aurora",
        "ａ",
        "ꓮ",
        "ⓣ",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..40).prop_map(|v| v.concat()), any::<String>()]
}

/// What the quick look for look-alikes takes for granted of the bytes F0 9F.
#[test]
fn pictures_are_no_letters_after_folding() {
    let mut folded = 0;
    for c in '\u{1F000}'..='\u{1FFFF}' {
        let view = fold::fold(&c.to_string(), fold::Depth::Strict);
        let left = view.text.chars().find(|c| ('\u{1F000}'..='\u{1FFFF}').contains(c) && c.is_alphabetic());
        assert_eq!(left, None, "{c:?}");
        folded += usize::from(view.text != c.to_string());
    }
    assert!(folded > 50, "letters in circles and boxes become letters: {folded}");
}

#[test]
fn a_picture_neither_hides_a_word_nor_makes_its_neighbours_suspicious() {
    let sets = phrases(Fold::Strict, &["confidential", "tajný projekt"]);
    for (text, expect) in [
        ("🎉c0nf1dential🎉", Some((0, "c0nf1dential", true))),
        ("Dnes 🎉 соnfidеntiаl 🥔", Some((0, "соnfidеntiаl", true))),
        ("🥔 taj-ný pr0jekt 🥔", Some((1, "taj-ný pr0jekt", true))),
        ("🎉 1 000 🎉 hostů, 🥔2🥔", None),
    ] {
        assert_eq!(found(&sets, "p", text).first().copied(), expect, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hits_are_ordered_limited_and_on_boundaries(text in tricky()) {
        let sets = &*EVERYTHING;
        let mut folds = FoldCache::new();
        for set in ["p", "r", "d", "f", "s"] {
            let hits = sets.scan(set, &text, &mut folds).unwrap();
            prop_assert!(hits.len() <= HITS_MAX);
            prop_assert!(hits.windows(2).all(|w| w[0].start <= w[1].start));
            for hit in &hits {
                prop_assert!(hit.start < hit.end, "{set} {hit:?}");
                prop_assert!(text.get(hit.start as usize..hit.end as usize).is_some(), "{set} {hit:?}");
            }
            prop_assert_eq!(&hits, &sets.scan(set, &text, &mut FoldCache::new()).unwrap());
        }
        scripts(&text);
        fingerprint(&text);
    }

    #[test]
    fn the_exact_fold_is_left_out_only_where_it_changes_nothing(text in tricky()) {
        if fold::fold(&text, fold::Depth::Strict).is_exact {
            prop_assert_eq!(fold::fold(&text, fold::Depth::Exact).text, text);
        }
    }

    #[test]
    fn work_is_linear_in_the_text(text in tricky()) {
        let sets = &*EVERYTHING;
        let steps = |text: &str| {
            let mut folds = FoldCache::new();
            for set in ["p", "r", "d", "f", "s"] {
                sets.scan(set, text, &mut folds).unwrap();
            }
            folds.steps()
        };
        let once = format!("{text}\n").repeat(8);
        let twice = once.repeat(2);
        let (one, two) = (steps(&once), steps(&twice));
        prop_assert!(two <= one * 5 / 2 + 512, "{one} steps, then {two}");
    }

    #[test]
    fn a_phrase_is_found_where_it_stands(before in "[a-z ]{0,20}", after in "[ .,!][a-z ]{0,20}") {
        let sets = phrases(Fold::Strict, &["tajný plán"]);
        let text = format!("{before} Tajný Plán{after}");
        let hits = sets.scan("p", &text, &mut FoldCache::new()).unwrap();
        prop_assert_eq!(hits.len(), 1);
        prop_assert!(!hits[0].disguised);
        prop_assert_eq!(hits[0].start as usize, before.len() + 1);
    }
}

/// Not a test of time but a printed table: `cargo test --release -p pressgate patterns::tests::speed -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn speed() {
    let stems = ["risiko", "gewinn", "сделка", "прибыль", "zisk", "tajn", "záruka", "gwaranc", "סודי", "guarantee"];
    let list: Vec<String> = (0..200).map(|i| format!("{} {}{}", stems[i % 10], stems[(i / 10) % 10], i)).collect();
    let domains: Vec<String> = (0..50).map(|i| format!("brand{i}.example")).collect();
    let documents: Vec<Value> = (0..10)
        .map(|d| json!({ "shingles": (0..1000).map(|i| format!("{:016x}", (d * 1000 + i) as u64 * 0x9e37_79b9_7f4a_7c15 % u64::MAX)).collect::<Vec<_>>() }))
        .collect();
    let decls = [
        decl("p", SetKind::Phrases, Fold::Strict),
        decl("d", SetKind::Domains, Fold::Strict),
        decl("f", SetKind::Fingerprints, Fold::Strict),
        decl("s", SetKind::Detectors, Fold::Strict),
    ];
    let config = json!({ "p": list, "d": domains, "f": documents, "s": ["card", "iban", "email", "aws-key", "github-token", "slack-token", "google-key", "stripe-key", "jwt", "private-key", "pressgate-key", "secret-assignment"] });
    let sets = PatternSets::build(&decls, &config).unwrap();
    let english = "We are happy to tell you that our new range of snacks arrives in shops this spring. It took two years of work with farmers in three regions, and every bag now has a label that says where the potatoes grew. Come and taste it on Saturday in the garden behind the museum; entry is free and children are welcome. Read more about the people who made it at https://www.brand7.example/stories and tell us what you think. The first hundred guests get a small present from our team in Brno";
    let czech = "S radostí oznamujeme, že naše nová řada pochoutek dorazí do obchodů už letos na jaře. Dva roky jsme na ní pracovali s pěstiteli ze tří krajů a na každém sáčku teď najdete, kde brambory vyrostly. Přijďte ochutnat v sobotu do zahrady za muzeem, vstup je volný a děti jsou vítány. Více o lidech, kteří za tím stojí, čtěte na https://www.brand7.example/pribehy a napište nám, co si o tom myslíte. Prvních sto hostů dostane malý dárek od našeho týmu v Brně";
    let russian = "Рады сообщить, что наша новая линейка закусок появится в магазинах уже этой весной. Два года мы работали над ней вместе с фермерами из трёх областей, и теперь на каждой пачке указано, где вырос картофель. Приходите пробовать в субботу в сад за музеем, вход свободный, детям будем рады. Подробнее о людях, которые это сделали, читайте на https://www.brand7.example/istorii и напишите нам, что вы думаете. Первые сто гостей получат подарок от команды Acme";
    let evasive = format!("{czech} t a j n é con-fi-den-tial tаjné c0nf1d Y29uZmlkZW50aWFs");
    for (name, text) in [("english", english), ("czech", czech), ("russian", russian), ("evasive", &evasive)] {
        let mut line = format!("{name} {} chars:", text.chars().count());
        let base = fold::fold(text, fold::Depth::Strict);
        let joined = split::joined_view(text, &base);
        line += &format!("  fold {:.2}", timed(|| drop(fold::fold(text, fold::Depth::Strict))));
        line += &format!("  join {:.2}", timed(|| drop(split::joined_view(text, &base))));
        line += &format!("  alike {:.2}", timed(|| drop(words::lookalike_views(text, &base, joined.as_ref()))));
        line += &format!("  decode {:.2}", timed(|| drop(decode::decoded_runs(text))));
        for group in [&["p"][..], &["d"], &["p", "d"], &["f"], &["s"], &["p", "f", "s"]] {
            let spent = timed(|| {
                let mut folds = FoldCache::new();
                for set in group {
                    std::hint::black_box(sets.scan(set, text, &mut folds).unwrap());
                }
            });
            line += &format!("  {} {spent:.2}", group.join("+"));
        }
        println!("{line} (µs of CPU)");
    }
}

/// Microseconds of this thread's CPU time for one round.
fn timed(mut work: impl FnMut()) -> f64 {
    let spent = || -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let rounds = 20_000;
    let start = spent();
    (0..rounds).for_each(|_| work());
    (spent() - start) / 1000.0 / f64::from(rounds)
}
