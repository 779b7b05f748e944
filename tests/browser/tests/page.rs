//! The report page in a real browser, written by lbsim as it is: `cargo test --package lbsim-browser`. Needs `chromium`, `chromedriver` and
//! `pdftotext` (Debian: `chromium`, `chromium-driver`, `poppler-utils`).
//! `LBSIM_SHOTS=folder` leaves screenshots there, to be looked at.

use lbsim_browser::{Browser, browse};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

/// Two variants and nearly every picture; twelve with hostile and long names; one server and no failure; two hundred servers; a sweep.
const SCENARIOS: [&str; 5] = ["plain", "hostile", "calm", "crowd", "sweep"];

struct Pages {
    folder: TempDir,
}

/// Written once by the program as it is now.
static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join("lbsim");
    let root = here.join("../..");
    let built = Command::new(env!("CARGO")).args(["build", "--release", "--quiet", "--package", "lbsim"]).current_dir(root).status();
    assert!(built.expect("cargo runs").success(), "lbsim builds");
    let folder = TempDir::new().expect("a folder");
    for name in SCENARIOS {
        let scenario = here.join("scenarios").join(name).with_extension("yaml");
        let done = Command::new(&program).arg(&scenario).arg("--out").arg(folder.path().join(name)).arg("--quiet").status();
        assert!(done.expect("lbsim runs").success(), "{name}");
    }
    Pages { folder }
});

impl Pages {
    fn of(name: &str) -> PathBuf {
        PAGES.folder.path().join(name).join("report.html")
    }
}

/// Things that a function body lists, as text.
async fn list(browser: &Browser, body: &str) -> Vec<String> {
    let told = browser.ask(body).await;
    told.as_array().unwrap_or_else(|| panic!("a list: {told}")).iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

/// The middle of an element that a selector finds, after it was scrolled to.
async fn middle_of(browser: &Browser, selector: &str) -> (f64, f64) {
    let place = browser
        .ask(&format!(
            "const found = document.querySelector({selector:?}); document.documentElement.style.scrollBehavior = 'auto';
             found.scrollIntoView({{ block: 'center', inline: 'center' }});
             const box = found.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2];"
        ))
        .await;
    (place[0].as_f64().expect("a number"), place[1].as_f64().expect("a number"))
}

#[test]
fn no_console_entry_and_no_request() {
    browse(|browser| async move {
        for name in SCENARIOS {
            let page = Pages::of(name);
            browser.open(&page).await;
            // Whatever it does when it is used.
            browser.ask("for (const part of document.querySelectorAll('button, summary')) part.click();").await;
            let own = url::Url::from_file_path(&page).expect("a path").to_string();
            assert_eq!(browser.requests().await, [own], "{name}");
            assert_eq!(browser.console().await, [] as [String; 0], "{name}");
        }
    });
}

/// What a name would have to do to fetch something: without the page's policy it is fetched and noticed, with it it is not.
#[test]
fn a_request_would_be_noticed_and_the_policy_stops_it() {
    use std::net::TcpListener;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    std::thread::spawn(move || listener.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::SeqCst)));
    let page = std::fs::read_to_string(Pages::of("plain")).expect("a page");
    let smuggled = format!("<img src=\"http://127.0.0.1:{port}/seen\" alt=\"\"><script>document.title = 'harmed'</script></main>");
    let harmed = page.replacen("</main>", &smuggled, 1);
    let policy = harmed.find("<meta http-equiv=\"Content-Security-Policy\"").expect("a policy");
    let end = policy + harmed[policy..].find('>').expect("its end") + 1;
    let open = harmed[..policy].to_owned() + &harmed[end..];
    let folder = TempDir::new().expect("a folder");
    let (closed_page, open_page) = (folder.path().join("closed.html"), folder.path().join("open.html"));
    std::fs::write(&closed_page, harmed).expect("written");
    std::fs::write(&open_page, open).expect("written");
    browse(move |browser| async move {
        let seen = format!("http://127.0.0.1:{port}/seen");
        browser.open(&closed_page).await;
        // The attempt is in the log, but it comes nowhere.
        assert!(browser.requests().await.contains(&seen));
        assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody connected");
        assert_eq!(browser.ask("return document.title").await, "plain: lbsim");
        let told = browser.console().await.join("\n");
        assert!(told.contains("Content Security Policy"), "{told}");
        browser.open(&open_page).await;
        let requests = browser.requests().await;
        assert!(requests.contains(&seen), "{requests:?}");
        assert!(visits.load(Ordering::SeqCst) > 0, "somebody connected");
        assert_eq!(browser.ask("return document.title").await, "harmed");
    });
}

#[test]
fn series_are_switched_off_and_on() {
    browse(|browser| async move {
        browser.open(&Pages::of("plain")).await;
        let shown = "return [...document.querySelectorAll('.series')]
                         .filter((group) => getComputedStyle(group).display !== 'none').map((group) => group.dataset.series)";
        let before = list(&browser, shown).await;
        assert!(before.iter().filter(|series| *series == "1").count() > 5, "{before:?}");
        let (x, y) = middle_of(&browser, "[data-toggle-series='1']").await;
        let pressed = "return document.querySelector(\"[data-toggle-series='1']\").getAttribute('aria-pressed')";
        browser.click(x, y).await;
        let off = list(&browser, shown).await;
        assert_eq!(off, before.iter().filter(|series| *series != "1").cloned().collect::<Vec<_>>());
        assert_eq!(browser.ask(pressed).await, "false");
        browser.click(x, y).await;
        assert_eq!(list(&browser, shown).await, before);
        assert_eq!(browser.ask(pressed).await, "true");
    });
}

#[test]
fn hovering_tells_values_and_time_has_one_crosshair() {
    browse(|browser| async move {
        browser.open(&Pages::of("plain")).await;
        let tip = "const tip = document.getElementById('tip'); return tip.hidden ? null : tip.textContent";
        assert_eq!(browser.ask(tip).await, Value::Null);
        let charts = list(&browser, "return [...document.querySelectorAll('figure:has([data-tip])')].map((figure) => figure.id)").await;
        assert!(charts.len() > 5, "{charts:?}");
        for chart in &charts {
            // The mark in the middle, if nothing lies on it; else the next one.
            let place = browser
                .ask(&format!(
                    "document.documentElement.style.scrollBehavior = 'auto';
                     const marks = [...document.querySelectorAll('#{chart} [data-tip]')];
                     for (let at = Math.floor(marks.length / 2); at < marks.length; at++) {{
                         marks[at].scrollIntoView({{ block: 'center' }});
                         const box = marks[at].getBoundingClientRect();
                         const [x, y] = [Math.floor(box.left + box.width / 2), Math.floor(box.top + box.height / 2)];
                         if (document.elementFromPoint(x, y) === marks[at]) return [x, y, marks[at].dataset.tip];
                     }}
                     return null;"
                ))
                .await;
            assert!(place.is_array(), "{chart}: a mark can be reached");
            browser.point(place[0].as_f64().expect("x"), place[1].as_f64().expect("y")).await;
            assert_eq!(browser.ask(tip).await, place[2], "{chart}");
            let inside = "const box = document.getElementById('tip').getBoundingClientRect();
                          return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight";
            assert_eq!(browser.ask(inside).await, true, "{chart}: the tip is within the window");
        }
        // All charts over time show the same moment, at the place of it.
        let (x, y) = middle_of(&browser, "svg[data-time-to] .axes").await;
        browser.point(x, y).await;
        let moments = browser
            .ask(
                "return [...document.querySelectorAll('svg[data-time-to]')].map((svg) => {
                     const line = svg.querySelector('.crosshair'), of = (name) => Number(svg.dataset[name]);
                     const share = (Number(line.getAttribute('x1')) - of('plotLeft')) / (of('plotRight') - of('plotLeft'));
                     return line.style.display === 'none' ? null : of('timeFrom') + share * (of('timeTo') - of('timeFrom'));
                 })",
            )
            .await;
        let moments: Vec<f64> = moments.as_array().expect("a list").iter().map(|moment| moment.as_f64().expect("it is shown")).collect();
        assert!(moments.len() > 2 && moments.iter().all(|moment| (moment - moments[0]).abs() < 0.01), "{moments:?}");
        browser.ask("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))").await;
        assert_eq!(browser.ask(tip).await, Value::Null);
    });
}

#[test]
fn the_keyboard_reaches_everything() {
    use fantoccini::Locator;
    use fantoccini::key::Key;
    browse(|browser| async move {
        browser.open(&Pages::of("plain")).await;
        // The first stop leads to what matters.
        browser
            .client
            .find(Locator::Css("body"))
            .await
            .expect("a body")
            .send_keys(&String::from(char::from(Key::Tab)))
            .await
            .expect("a key");
        assert_eq!(browser.ask("return document.activeElement.getAttribute('href')").await, "#findings");
        // Values are told with the arrows.
        let chart = browser.client.find(Locator::Css("#latency-percentiles svg")).await.expect("a chart");
        browser.ask("document.querySelector('#latency-percentiles svg').focus()").await;
        chart.send_keys(&String::from(char::from(Key::Right))).await.expect("a key");
        let first = browser.ask("return document.getElementById('tip').textContent").await;
        chart.send_keys(&String::from(char::from(Key::Right))).await.expect("a key");
        let second = browser.ask("return document.getElementById('tip').textContent").await;
        assert!(first != "" && second != "" && first != second, "{first} {second}");
        // Whatever can be pressed has a name, whatever can be focused shows it.
        let nameless = "return [...document.querySelectorAll('button, summary, a, [role=group], svg')].filter((part) =>
            !(part.textContent.trim() || part.getAttribute('aria-label') || part.getAttribute('aria-labelledby'))).map((part) => part.outerHTML)";
        assert_eq!(list(&browser, nameless).await, [] as [String; 0]);
    });
}

#[test]
fn heads_of_columns_sort() {
    browse(|browser| async move {
        browser.open(&Pages::of("hostile")).await;
        let body = |click: &str| {
            format!(
                "const table = document.querySelector('main table'), heads = [...table.tHead.rows[0].cells];
                 const column = heads.findIndex((head) => head.textContent.startsWith('p99 ms')); {click}
                 return [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.value));"
            )
        };
        let click = "heads[column].querySelector('button').click();";
        let numbers =
            |told: Value| told.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect::<Vec<_>>();
        let before = numbers(browser.ask(&body("")).await);
        let mut sorted = before.clone();
        sorted.sort_by(f64::total_cmp);
        assert_ne!(before, sorted);
        assert_eq!(numbers(browser.ask(&body(click)).await), sorted);
        sorted.reverse();
        assert_eq!(numbers(browser.ask(&body(click)).await), sorted);
    });
}

/// Every text stands out from its paper by 4.5 to 1 (WCAG 2.1, 1.4.3).
const FAINT: &str = "
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const paper = (part) => {
        for (let at = part; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
            if (alpha > 0.99) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const part = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || part.closest('script, style, title, [hidden], a.skip')) continue;
        const style = getComputedStyle(part);
        const ink = parts(part.closest('svg') ? style.fill : style.color);
        const [a, b] = [light(ink), light(paper(part))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.add(`${walker.currentNode.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    return [...found];";

#[test]
fn dark_and_light_can_be_read() {
    browse(|browser| async move {
        let paper = "return getComputedStyle(document.body).backgroundColor";
        for name in ["plain", "hostile", "crowd"] {
            for (scheme, color) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 28)")] {
                browser.media("screen", scheme).await;
                browser.open(&Pages::of(name)).await;
                assert_eq!(browser.ask(paper).await, color);
                assert_eq!(list(&browser, FAINT).await, [] as [String; 0], "{name}, {scheme}");
                shot(&browser, &format!("{name}-{scheme}")).await;
            }
        }
        // The button turns it over, whatever the system says, and tells its state.
        browser.ask("document.getElementById('theme').click()").await;
        assert_eq!(browser.ask(paper).await, "rgb(255, 255, 255)");
        assert_eq!(browser.ask("return document.getElementById('theme').getAttribute('aria-pressed')").await, "false");
        browser.media("screen", "light").await;
        browser.ask("document.getElementById('theme').click()").await;
        assert_eq!(browser.ask(paper).await, "rgb(22, 24, 28)");
        assert_eq!(list(&browser, FAINT).await, [] as [String; 0], "dark by the button");
    });
}

/// With the browser's own fonts: texts of a picture that lie on each other or reach out of it.
const CROWDED: &str = "
    const found = [];
    for (const svg of document.querySelectorAll('svg.chart')) {
        const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
        const texts = [...svg.querySelectorAll('text')].map((text) => ({ text: text.textContent, box: text.getBBox() }));
        for (const { text, box } of texts) {
            if (box.x < -0.5 || box.y < -0.5 || box.x + box.width > width + 0.5 || box.y + box.height > height + 0.5)
                found.push(`${svg.closest('figure').id}: cut: ${text}`);
        }
        texts.sort((a, b) => a.box.y - b.box.y);
        for (let one = 0; one < texts.length; one++) {
            for (let other = one + 1; other < texts.length; other++) {
                const [a, b] = [texts[one].box, texts[other].box];
                // Boxes hold the room above capitals and below the line: a fifth of the height may be shared.
                if (b.y > a.y + a.height * 0.8) break;
                const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
                const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
                if (across > 1 && down > 0.2 * a.height) found.push(`${svg.closest('figure').id}: ${texts[one].text} | ${texts[other].text}`);
            }
        }
    }
    return found;";

/// What reaches out of the window and cannot be scrolled by itself.
const WIDE: &str = "
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return ['the page', ...[...document.querySelectorAll('body *')]
        .filter((part) => part.getBoundingClientRect().right > innerWidth + 0.5 && !part.parentElement.closest('.wide, pre'))
        .map((part) => `${part.tagName} ${part.className}: ${part.textContent.slice(0, 60)}`)];";

#[test]
fn nothing_overlaps_and_nothing_is_cut() {
    browse(|browser| async move {
        for name in SCENARIOS {
            browser.open(&Pages::of(name)).await;
            assert_eq!(list(&browser, CROWDED).await, [] as [String; 0], "{name}");
            // Neither the page nor a text in it reaches out of the window, down to a telephone's.
            for width in [1600, 1200, 768, 360] {
                browser.window(width, 900).await;
                assert_eq!(list(&browser, WIDE).await, [] as [String; 0], "{name}, {width} wide");
            }
        }
    });
}

#[test]
fn names_with_markup_do_no_harm() {
    browse(|browser| async move {
        browser.open(&Pages::of("hostile")).await;
        browser.ask("for (const part of document.querySelectorAll('*')) part.dispatchEvent(new Event('mouseover'));").await;
        let title = browser.ask("return document.title").await;
        assert!(title.as_str().is_some_and(|title| title.contains("<script>") && title.ends_with(": lbsim")), "{title}");
        let foreign = "return [...document.querySelectorAll('main b, main img, main script, main iframe, main *')].filter((part) =>
            ['B', 'IMG', 'SCRIPT', 'IFRAME'].includes(part.tagName) || [...part.attributes].some((attribute) => attribute.name.startsWith('on')))
            .map((part) => part.outerHTML)";
        assert_eq!(list(&browser, foreign).await, [] as [String; 0]);
        assert_eq!(browser.ask("return document.querySelectorAll('script').length").await, 1);
        // Turned text would turn what stands beside it.
        assert_eq!(browser.ask("return document.documentElement.textContent.includes('\\u202e')").await, false);
        assert_eq!(browser.ask("return document.body.innerText.includes(\"<script>document.title='harmed'</script>\")").await, true);
        // The pictures as files of their own, which a browser would run as pages.
        let charts = Pages::of("hostile").with_file_name("charts");
        let mut seen = 0;
        for entry in std::fs::read_dir(charts).expect("pictures") {
            browser.open(&entry.expect("an entry").path()).await;
            let scripts = "return document.querySelectorAll('script, foreignObject, image, a').length";
            assert_eq!(browser.ask(scripts).await, 0);
            assert_eq!(browser.ask("return document.documentElement.tagName").await, "svg", "it is well-formed");
            seen += 1;
        }
        assert!(seen > 5, "{seen} pictures");
        assert_eq!(browser.console().await, [] as [String; 0]);
    });
}

#[test]
fn it_is_all_there_without_scripts() {
    browse(|browser| async move {
        let text = "return document.querySelector('main').innerText";
        browser.open(&Pages::of("plain")).await;
        browser.ask("for (const part of document.querySelectorAll('.scripted-only')) part.remove();").await;
        let with = browser.ask(text).await;
        browser.tools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        browser.open(&Pages::of("plain")).await;
        assert_eq!(browser.ask("return document.documentElement.classList.contains('scripted')").await, false, "scripts are off");
        let visible = "return [...document.querySelectorAll('.scripted-only')].filter((part) => part.checkVisibility()).length";
        assert_eq!(browser.ask(visible).await, 0, "nothing is shown that would do nothing");
        assert_eq!(browser.ask(text).await, with);
        // Values are told by the browser's own tips, and what is folded unfolds.
        assert!(browser.ask("return document.querySelectorAll('[data-tip] > title').length").await.as_u64() > Some(20));
        let (x, y) = middle_of(&browser, "figure summary").await;
        browser.click(x, y).await;
        assert_eq!(browser.ask("return document.querySelector('figure details').open").await, true);
    });
}

/// Paper cannot be scrolled or unfolded.
#[test]
fn it_prints_whole() {
    browse(|browser| async move {
        for (name, scripts) in [("plain", true), ("plain", false), ("hostile", true), ("sweep", true)] {
            browser.tools("Emulation.setScriptExecutionDisabled", json!({ "value": !scripts })).await;
            browser.media("", "dark").await;
            browser.open(&Pages::of(name)).await;
            if scripts {
                browser.ask("document.documentElement.dataset.theme = 'dark'").await;
            }
            // A4 in inches.
            let paper = json!({ "paperWidth": 8.27, "paperHeight": 11.69, "printBackground": true });
            let printed = browser.tools("Page.printToPDF", paper).await;
            let folder = TempDir::new().expect("a folder");
            let file = folder.path().join("page.pdf");
            let bytes = base64(printed["data"].as_str().expect("a file"));
            std::fs::write(&file, &bytes).expect("written");
            if let Some(shots) = std::env::var_os("LBSIM_SHOTS") {
                std::fs::write(Path::new(&shots).join(format!("{name}-{scripts}.pdf")), &bytes).expect("written");
            }
            let told =
                Command::new("pdftotext").arg("-layout").arg(&file).arg("-").output().expect("pdftotext: `apt-get install poppler-utils`");
            let text = String::from_utf8(told.stdout).expect("text");
            let pages = text.matches('\u{c}').count();
            assert!((3..=40).contains(&pages), "{name}: {pages} pages");
            // What was folded is open; what only a screen can do is gone.
            for part in [
                "What came out",
                "To repeat it",
                "What the numbers mean",
                "zero lies outside an interval",
                "share of the successful requests",
            ] {
                assert!(text.contains(part), "{name}, scripts {scripts}: {part} is printed");
            }
            assert!(!text.contains("copy\n") && !text.contains("Skip to"), "{name}: buttons are not printed");
            assert_eq!(browser.ask("return document.querySelector('#terms ~ details').open").await, false, "it is folded as before");
            // Paper is white, whatever the screen is.
            browser.media("print", "dark").await;
            assert_eq!(browser.ask("return getComputedStyle(document.body).color").await, "rgb(26, 26, 26)");
            // The width that A4 leaves between its margins.
            browser.window(710, 1000).await;
            let cut = "return [...document.querySelectorAll('.wide, pre')].filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth + 1)
                           .map((part) => `${part.scrollWidth} > ${part.clientWidth}: ${part.textContent.slice(0, 80)}`)";
            assert_eq!(list(&browser, cut).await, [] as [String; 0], "{name}: cut at the right");
            browser.tools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        }
    });
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(|byte| u32::from(digit(byte))).collect();
    let whole = |four: &[u32]| four.iter().fold(0, |sum, digit| sum << 6 | digit) << (6 * (4 - four.len()));
    digits.chunks(4).flat_map(|four| whole(four).to_be_bytes()[1..four.len()].to_vec()).collect()
}

/// The whole page as a picture, where somebody wants to look.
async fn shot(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("LBSIM_SHOTS") else { return };
    let options = json!({ "captureBeyondViewport": true });
    let picture = browser.tools("Page.captureScreenshot", options).await;
    std::fs::write(Path::new(&folder).join(format!("{name}.png")), base64(picture["data"].as_str().expect("a picture"))).expect("written");
}
