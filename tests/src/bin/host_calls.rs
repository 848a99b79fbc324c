//! Makes a number of reviews in fresh instances, for a test that counts system calls: `host-calls <component> <calls>`.

use pressgate::host::{MediaFiles, PluginGrant};
use tests::samples;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let wasm = std::fs::read(&arguments[1]).expect("the component can be read");
    let calls: u32 = arguments[2].parse().expect("a number of calls");
    let host = samples::host(None);
    let config = serde_json::json!({"greeting": "hello", "phrases": ["risk-free", "guaranteed"]});
    let release = host.load(&wasm, &PluginGrant::default(), &config).expect("the plugin loads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let draft = samples::draft(&["Our new snack is here, and it is guaranteed to be crisp."]);
        let context = samples::context();
        for _ in 0..calls {
            let (_, findings) = release.review(&draft, &context, &MediaFiles::none()).await.expect("a verdict");
            assert_eq!(findings.len(), 1);
        }
    });
}
