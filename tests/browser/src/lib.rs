//! A browser to look at pages with: Chromium, headless, by way of chromedriver on a port of this machine. It starts with a profile of its own,
//! resolves no name but this machine's, and is ended by its process number.

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// What is not of the standard: the logs, and what the developer tools can do.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// chromedriver, running.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// On a port that was free; the driver says which.
    fn start(home: &Path) -> Driver {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("chromedriver: `apt-get install chromium chromium-driver`");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let told = lines.by_ref().map_while(Result::ok).find(|line| line.contains("started successfully on port"));
        // Somebody has to read what else it says, or it waits for that.
        std::thread::spawn(move || lines.for_each(drop));
        let port = told.and_then(|line| line.trim_end_matches('.').rsplit(' ').next().and_then(|port| port.parse().ok()));
        Driver { process, port: port.expect("chromedriver says its port") }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It is a child that was not waited for, so the number is still its own.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An open browser.
#[derive(Clone)]
pub struct Browser {
    pub client: Client,
    /// Files of the browser go here; it outlives the browser.
    _home: Arc<TempDir>,
}

/// Opens a browser, lets `look` look, and closes it, also where `look` panics.
pub fn browse<F: Future<Output = ()> + 'static>(look: impl FnOnce(Browser) -> F + 'static) {
    let home = Arc::new(TempDir::new().expect("a folder"));
    let driver = Driver::start(home.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let outcome = local.block_on(&runtime, async {
        let client = connect(driver.port, home.path()).await;
        let browser = Browser { client: client.clone(), _home: home.clone() };
        // What the browser showed before is its own affair.
        client.goto("about:blank").await.expect("an empty page");
        browser.requests().await;
        browser.console().await;
        let outcome = tokio::task::spawn_local(look(browser)).await;
        client.close().await.expect("the browser closes");
        outcome
    });
    drop(driver);
    if let Err(panicked) = outcome {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

async fn connect(port: u16, home: &Path) -> Client {
    let arguments = [
        "--headless".to_owned(),
        // Containers have no name spaces to give; the pages are our own.
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--window-size=1200,900".to_owned(),
        // Nothing of its own business, and no names but this machine's.
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-default-apps".to_owned(),
        "--disable-extensions".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1".to_owned(),
        format!("--user-data-dir={}", home.join("profile").display()),
    ];
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "args": arguments, "perfLoggingPrefs": { "enableNetwork": true } },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
    let capabilities: Capabilities = capabilities.into_iter().collect();
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities);
    builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("a browser")
}

impl Browser {
    pub async fn open(&self, page: &Path) {
        let url = url::Url::from_file_path(page).expect("an absolute path");
        self.client.goto(url.as_str()).await.expect("the page opens");
    }

    /// What a function body returns in the page.
    pub async fn ask(&self, body: &str) -> Value {
        self.client.execute(body, Vec::new()).await.unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// A command of the developer tools.
    pub async fn tools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Vendor { path: "goog/cdp/execute", body }).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Dark or light, screen or paper.
    pub async fn media(&self, kind: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tools("Emulation.setEmulatedMedia", json!({ "media": kind, "features": features })).await;
    }

    /// A window of this width and height, in CSS pixels.
    pub async fn window(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Moves the pointer to a place of the window.
    pub async fn point(&self, x: f64, y: f64) {
        let to = PointerAction::MoveTo { duration: Some(Duration::from_millis(20)), x, y };
        self.client.perform_actions(MouseActions::new("mouse".to_owned()).then(to)).await.expect("the pointer moves");
    }

    /// Presses and releases at a place of the window.
    pub async fn click(&self, x: f64, y: f64) {
        let (down, up) = (PointerAction::Down { button: MOUSE_BUTTON_LEFT }, PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        self.point(x, y).await;
        self.client.perform_actions(MouseActions::new("mouse".to_owned()).then(down).then(up)).await.expect("a click");
    }

    /// What stands in the console, since it was last asked.
    pub async fn console(&self) -> Vec<String> {
        self.log("browser").await.iter().map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The addresses of all that a page asked for since this was last called, over whatever protocol, also of what a policy then stopped.
    pub async fn requests(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default()).expect("an event is JSON");
            let parameters = &event["message"]["params"];
            let url = match event["message"]["method"].as_str() {
                Some("Network.requestWillBeSent") => &parameters["request"]["url"],
                Some("Network.webSocketCreated" | "Network.webTransportCreated") => &parameters["url"],
                _ => continue,
            };
            found.push(url.as_str().unwrap_or_default().to_owned());
        }
        found
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let told = self.client.issue_cmd(Vendor { path: "se/log", body: json!({ "type": kind }) }).await.expect("a log");
        told.as_array().expect("a list").clone()
    }
}
