//! A real Request Tracker 5 of Debian, on SQLite in a folder of its own.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::http;

/// Where Debian puts the server.
const SERVER: &str = "/usr/share/request-tracker5/libexec/rt-server";
/// The queue that tickets are opened in.
pub const QUEUE: &str = "Social media";

/// What an administrator sets up: a queue, its custom field, a user who may do no more than the connector needs, and a token.
const SETUP: &str = r#"
use lib '/usr/share/request-tracker5/lib';
use RT -init;
sub must { my ($ok, $why) = @_; die "$why\n" unless $ok; }
my $queue = RT::Queue->new(RT->SystemUser);
must($queue->Create(Name => 'Social media'));
my $field = RT::CustomField->new(RT->SystemUser);
must($field->Create(Name => 'Pressgate', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket'));
must($field->AddToObject($queue));
my $user = RT::User->new(RT->SystemUser);
must($user->Create(Name => 'pressgate', Privileged => 1));
for my $right (qw(SeeQueue ShowTicket ShowTicketComments CreateTicket CommentOnTicket ModifyTicket SeeCustomField ModifyCustomField
    SetInitialCustomField)) {
    must($user->PrincipalObj->GrantRight(Right => $right, Object => $queue));
}
my $token = RT::AuthToken->new(RT->SystemUser);
my ($ok, $why, $text) = $token->Create(Owner => $user->id, Description => 'pressgate');
must($ok, $why);
print "$text\n";
"#;

/// A Request Tracker. It ends, with its workers, when this is dropped.
#[derive(Debug)]
pub struct RequestTracker {
    /// Address without a slash at the end.
    pub url: String,
    /// What the connector's user shows: the whole value of the header.
    pub token: String,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl RequestTracker {
    /// Sets one up and starts it; none where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        if !Path::new(SERVER).exists() {
            crate::skip::skipped("Debian's request-tracker5 is not installed; `make deps` does it");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pressgate-rt-").tempdir().expect("a folder");
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = probe.local_addr().expect("an address").port();
        drop(probe);
        let config = format!(
            "Set($rtname, 'pressgate.test'); Set($Organization, 'pressgate.test'); Set($WebDomain, '127.0.0.1'); Set($WebPort, {port});\n\
             Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{}'); Set($MailCommand, 'testfile');\n\
             Set($LogToSTDERR, 'warning'); Set($LogToSyslog, undef); Set($WebSessionClass, 'Apache::Session::File'); 1;\n",
            folder.path().join("rt.sqlite").display()
        );
        std::fs::write(folder.path().join("RT_SiteConfig.pm"), config).expect("written");
        std::fs::write(folder.path().join("setup.pl"), SETUP).expect("written");
        let mut rt = Self { url: format!("http://127.0.0.1:{port}"), token: String::new(), port, child: None, folder };
        let database = ["--action", "init", "--skip-create", "--dba", "root", "--dba-password", ""];
        rt.run("rt-setup-database-5", &database).await;
        let setup = rt.folder.path().join("setup.pl").display().to_string();
        rt.token = format!("token {}", rt.run("perl", &[&setup]).await.trim());
        rt.restart().await;
        Some(rt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("RT_SITE_CONFIG", self.folder.path().join("RT_SiteConfig.pm"))
            .env("RT_SITE_CONFIG_DIR", self.folder.path().join("none"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        let mut command = self.command("perl");
        command.args([SERVER, "--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        // Its workers outlive it otherwise.
        command.process_group(0);
        self.child = Some(command.spawn().expect("it runs"));
        let url = format!("{}/REST/2.0/rt", self.url);
        crate::harness::until("Request Tracker answers", || async {
            let headers = [("authorization", self.token.as_str())];
            let answer = http::try_call("GET", &url, &headers, Vec::new(), http::TIMEOUT).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Ends it, with its workers.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        self.end();
        if let Some(mut child) = self.child.take() {
            child.wait().await.expect("ended");
        }
    }

    fn end(&self) {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    /// Asks as the connector's user.
    ///
    /// # Panics
    /// When the answer is no JSON.
    pub async fn ask(&self, path: &str) -> Value {
        let headers = [("authorization", self.token.as_str())];
        let answer = http::call("GET", &format!("{}{path}", self.url), &headers, Vec::new()).await;
        answer.expect(200)
    }

    /// The tickets of a post: id and status.
    ///
    /// # Panics
    /// When they can't be read.
    pub async fn tickets(&self, post: &str) -> Vec<(String, String)> {
        let query = format!("%27CF.%7BPressgate%7D%27%20%3D%20%27{post}%27");
        let found = self.ask(&format!("/REST/2.0/tickets?query={query}&fields=Status&orderby=id")).await;
        let text = |item: &Value, name: &str| item[name].as_str().map(str::to_owned).expect("a text");
        let items = found["items"].as_array().expect("tickets");
        items.iter().map(|item| (text(item, "id"), text(item, "Status"))).collect()
    }

    /// The subjects of a ticket's comments, in order: the events that they tell.
    ///
    /// # Panics
    /// When they can't be read.
    pub async fn comments(&self, ticket: &str) -> Vec<String> {
        let history = self.ask(&format!("/REST/2.0/ticket/{ticket}/history?fields=Type,Data&per_page=100")).await;
        let items = history["items"].as_array().expect("a history");
        let comments = items.iter().filter(|item| item["Type"] == "Comment");
        comments.map(|item| item["Data"].as_str().expect("a subject").trim().to_owned()).collect()
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        self.end();
    }
}
