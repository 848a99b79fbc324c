//! A hostile adapter in a running gateway: what callers and operators are told, and that nobody else suffers.

use sample_network::Running as Network;
use tests::harness::{Gate, network};
use tests::plugins;

/// The account `acme-hostile` is spoken for by the hostile adapter, `acme-mastodon` by an ordinary one.
fn plan(net: &Network) -> Gate {
    let secrets = vec![("token".to_owned(), "a-token".to_owned())];
    let plan = Gate::new().account("acme-mastodon", net);
    plan.account_on("hostile", "acme/snacks", "acme-hostile", &net.url, "token", secrets)
}

#[tokio::test]
async fn an_adapter_that_describes_itself_badly_keeps_the_gateway_from_starting_and_is_named() {
    let net = network().await;
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(plugins::folder()).expect("components") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let mut wasm = plugins::plugin("hostile");
    let at = wasm.windows(11).position(|bytes| bytes == b"post.create").expect("the action's name");
    wasm[at + 10] = b'X';
    std::fs::write(folder.path().join("hostile.wasm"), wasm).expect("written");
    let plan = plan(&net).setting("plugins.dir", &format!("{:?}", folder.path().display().to_string()));
    let started = tokio::spawn(plan.start()).await;
    let panic = started.err().expect("no start").into_panic();
    let told = panic.downcast_ref::<String>().expect("a text");
    assert!(told.contains("hostile") && told.contains("`post.creatX` is not in the gateway's list"), "{told}");
}
