//! Two freezes over the same: whoever begins or lifts one hears of the other.

use super::*;

#[tokio::test]
async fn who_begins_or_lifts_one_of_two_hears_which_other_stops_the_same() {
    let (mine, theirs) = (network().await, network().await);
    let gate = plan(&mine, &theirs).spawn().await;
    let command = async |who: &str, line: &str| {
        let run = tokio::process::Command::new(tests::harness::built::program())
            .args(line.split(' '))
            .current_dir(gate.site.folder())
            .env_remove("PRESSGATE_OPERATOR_KEY")
            .env("PRESSGATE_KEY", gate.site.key(who))
            .stdin(std::process::Stdio::null())
            .output();
        let output = run.await.expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let json = |out: String| serde_json::from_str::<Value>(&out).expect("JSON");
    let ops = "person:ops-1";
    let all = json(command(ops, "freeze begin --org --reason drill --json").await);
    assert_eq!(all.get("still_frozen_by"), None, "nothing else is on: {all}");
    let told = command(ops, "freeze begin --brand acme/snacks --reason drill").await;
    assert!(told.contains(&format!("frozen already by {}; this adds one", id(&all))), "{told}");
    let brand = json(command(ops, "freeze begin --brand acme/snacks --reason flood --json").await);
    assert_eq!((&brand["already"], &brand["still_frozen_by"]), (&json!(true), &json!([id(&all)])));
    let account = json(command(ops, &format!("freeze begin --account {FROZEN} --reason drill --json")).await);
    assert_eq!(account["still_frozen_by"], json!([id(&all), id(&brand)]));

    // What stops a part stops not the whole.
    let lift = async |freeze: &Value| {
        command("person:chief-1", &format!("thaw {}", id(freeze))).await;
        command(ops, &format!("thaw {}", id(freeze))).await
    };
    let told = lift(&brand).await;
    assert!(told.contains(&format!("still frozen by {}", id(&all))) && !told.contains("is thawed"), "{told}");
    problem(&gate.publish(&post(FROZEN, "x")).await, "frozen");
    let told = lift(&all).await;
    assert!(told.contains("org is thawed") && told.contains("pressgate post confirm"), "{told}");
    let told = lift(&account).await;
    assert!(told.contains("is thawed"), "{told}");
    gate.publish(&post(FROZEN, "x")).await.expect(201);
}
