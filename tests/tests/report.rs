//! The reports of measurements as a reader sees them: the runs under perf/results, rendered by a real browser, in light
//! and dark, on a desk and on a telephone.

use boxcar_perf::bench::{Record, RunKind};
use boxcar_perf::report::{Drawing, Figure, Flame, Section, Table};
use boxcar_tests::browser::Browser;
use boxcar_tests::programs::stands_down;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Widths of a desk's window and of a telephone, and heights.
const SIZES: [(u32, u32); 2] = [(1280, 900), (420, 860)];

/// A flame graph with a script of its own, as inferno's are.
const FLAME: &str = r##"<svg width="1200" height="120" viewBox="0 0 1200 120" xmlns="http://www.w3.org/2000/svg"><rect width="1200" height="120" fill="#eeeeb0"/><rect x="10" y="80" width="1180" height="30" fill="#e0803a"/><rect id="late" x="10" y="40" width="600" height="30" fill="#d0502a"/><script>document.getElementById("late").setAttribute("width", "900")</script></svg>"##;

/// What is wrong with the page as it stands: text that is cut off or too small, labels over labels.
const FAULTS: &str = r#"(() => {
  document.querySelectorAll('details').forEach(details => details.open = true);
  const faults = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest('title, style') || !parent.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (!box.width) continue;
      texts++;
      if (box.left < -0.5 || box.right > width + 0.5) faults.push(`cut off: ${node.data.trim().slice(0, 60)}`);
      if (box.height < 9.5) faults.push(`too small (${box.height}): ${node.data.trim().slice(0, 60)}`);
    }
  }
  if (texts < 50) faults.push(`only ${texts} pieces of text`);
  for (const svg of document.querySelectorAll('.drawing svg')) {
    if (!svg.checkVisibility()) continue;
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([text, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1) faults.push(`outside of its drawing: ${text}`);
      for (const [other, second] of boxes.slice(index + 1)) {
        const across = Math.min(box.right, second.right) - Math.max(box.left, second.left);
        const down = Math.min(box.bottom, second.bottom) - Math.max(box.top, second.top);
        if (across > 1 && down > 3) faults.push(`${text} over ${other}`);
      }
    });
  }
  return faults.slice(0, 20);
})()"#;

/// Where the drawings are.
const DRAWINGS: &str = r#"[...document.querySelectorAll('.drawing')].filter(drawing => drawing.checkVisibility()).map(drawing => {
  const box = drawing.getBoundingClientRect();
  return [box.left + scrollX, box.top + scrollY, box.width, box.height];
})"#;

/// Shows a drawing, and waits until it is painted.
const SHOW: &str = r#"(index => new Promise(painted => {
  const drawings = [...document.querySelectorAll('.drawing')].filter(drawing => drawing.checkVisibility());
  drawings[index].scrollIntoView({behavior: 'instant', block: 'center'});
  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(painted)), drawings[index].querySelector('iframe') ? 500 : 0);
}))"#;

/// The latest run of each kind.
fn runs() -> Vec<Record> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../perf/results");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut latest: HashMap<String, Record> = HashMap::new();
    for record in folders.iter().filter_map(|folder| Record::read(folder).ok()) {
        latest.insert(format!("{:?}", record.kind), record);
    }
    latest.into_values().collect()
}

#[test]
fn reports_are_whole_in_light_and_dark_on_a_desk_and_on_a_telephone() {
    if stands_down("chromium") {
        return;
    }
    let runs = runs();
    for kind in [RunKind::Peers, RunKind::Scaling] {
        assert!(runs.iter().any(|run| run.kind == kind), "perf/results has no run of kind {kind:?}");
    }
    let folder = std::env::temp_dir().join(format!("boxcar-report-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut browser = Browser::start().unwrap();
    for run in &runs {
        let mut page = run.page();
        let flame = Drawing::Flame(Flame::new(FLAME.to_owned()).unwrap());
        page.sections.push(Section {
            title: "Flame graphs".to_owned(),
            text: "One that another program drew.".to_owned(),
            figures: vec![Figure {
                caption: "flame".to_owned(),
                drawing: Some(flame),
                table: Table::default(),
            }],
        });
        let file = folder.join("index.html");
        fs::write(&file, page.html()).unwrap();
        for (size, scheme) in SIZES.iter().flat_map(|&size| ["light", "dark"].map(|scheme| (size, scheme))) {
            let what = format!("{} ({:?}), {size:?}, {scheme}", run.name, run.kind);
            browser.open(&file, size, scheme).unwrap();
            let faults = browser.evaluate(FAULTS).unwrap();
            assert_eq!(faults, Value::Array(Vec::new()), "{what}");
            look(&mut browser, &what, scheme);
            keep(&mut browser, run, size, scheme);
            quiet(&browser, &what);
        }
    }
    drop(browser);
    fs::remove_dir_all(&folder).unwrap();
}

/// No drawing is blank, and paper is light or dark as asked for.
fn look(browser: &mut Browser, what: &str, scheme: &str) {
    let drawings = browser.evaluate(DRAWINGS).unwrap();
    let drawings = drawings.as_array().unwrap();
    assert!(drawings.len() >= 2, "{what}: {} drawings", drawings.len());
    for (index, place) in drawings.iter().enumerate() {
        // What has never been on the screen may not be painted yet: documents within the page are not.
        browser.evaluate(&format!("{SHOW}({index})")).unwrap();
        let side = |index: usize| place[index].as_f64().unwrap();
        let picture = Picture::decode(&browser.picture((side(0), side(1), side(2), side(3))).unwrap());
        assert!(picture.drawn() > 0.01, "{what}: drawing {index} is blank");
        assert!(picture.colours() >= 3, "{what}: drawing {index} has {} colours", picture.colours());
    }
    let corner = Picture::decode(&browser.picture((0.0, 0.0, 8.0, 8.0)).unwrap());
    let light = corner.lightness();
    assert!(if scheme == "dark" { light < 0.2 } else { light > 0.8 }, "{what}: paper of lightness {light}");
}

/// Keeps a picture of the whole page, for people to look at, if `BOXCAR_PICTURES` names a folder.
fn keep(browser: &mut Browser, run: &Record, (width, _): (u32, u32), scheme: &str) {
    let Some(folder) = std::env::var_os("BOXCAR_PICTURES").map(PathBuf::from) else { return };
    let height = browser.evaluate("document.documentElement.scrollHeight").unwrap().as_f64().unwrap();
    let picture = browser.picture((0.0, 0.0, f64::from(width), height)).unwrap();
    let kind = format!("{:?}", run.kind).to_lowercase();
    fs::write(folder.join(format!("{kind}-{width}-{scheme}.png")), picture).unwrap();
}

/// Nothing was fetched but the file itself, and the console has nothing to say.
fn quiet(browser: &Browser, what: &str) {
    let mut asked = 0;
    for event in &browser.events {
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                asked += usize::from(url.starts_with("file:"));
                assert!(url.starts_with("file:") || url.starts_with("data:"), "{what}: {url} was fetched");
            }
            "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => {
                panic!("{what}: {event}")
            }
            _ => {}
        }
    }
    assert_eq!(asked, 1, "{what}: one file is the whole page");
}

/// The pixels of a picture.
struct Picture(Vec<[u8; 3]>);

impl Picture {
    fn decode(file: &[u8]) -> Picture {
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        assert!(samples >= 3, "browsers take pictures in colour");
        let pixels =
            bytes[..info.buffer_size()].chunks_exact(samples).map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        Picture(pixels.collect())
    }

    fn counts(&self) -> HashMap<[u8; 3], usize> {
        let mut counts = HashMap::new();
        self.0.iter().for_each(|pixel| *counts.entry(*pixel).or_default() += 1);
        counts
    }

    /// Share of pixels that do not have the commonest colour.
    fn drawn(&self) -> f64 {
        let most = self.counts().into_values().max().unwrap_or(0);
        1.0 - most as f64 / self.0.len().max(1) as f64
    }

    /// Colours of at least twenty pixels.
    fn colours(&self) -> usize {
        self.counts().into_values().filter(|&count| count >= 20).count()
    }

    fn lightness(&self) -> f64 {
        let sum: f64 = self.0.iter().flatten().map(|&part| f64::from(part)).sum();
        sum / (self.0.len().max(1) * 3 * 255) as f64
    }
}
