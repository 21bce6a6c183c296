//! What an audit found, as PDF: to be printed, signed and handed over.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::LazyLock,
};

use krilla::{
    Document,
    color::rgb,
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::Metadata,
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, FillRule},
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph},
};
use kubewise_audit::{
    Severity,
    format::{Item, Output},
};
use skrifa::{
    FontRef, MetadataProvider as _,
    instance::{LocationRef, Size},
};

/// A4 (ISO 216), in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 48.0;
/// Where the last line of a page may be; below it is the page's number.
const BOTTOM: f32 = HEIGHT - MARGIN - 20.0;
/// Lines are this much higher than their letters.
const LEADING: f32 = 1.42;

/// `DejaVu` Sans has Latin, Greek, Cyrillic and more; its licence (server/fonts/LICENSE) lets it be embedded.
static FACES: LazyLock<Option<[Face; 2]>> = LazyLock::new(|| {
    Some([
        Face::new(include_bytes!("../fonts/DejaVuSans.ttf"))?,
        Face::new(include_bytes!("../fonts/DejaVuSans-Bold.ttf"))?,
    ])
});

/// A font, to measure with and to be written into the file.
struct Face {
    /// The glyph of each letter, and how wide it is in parts of the font's size.
    glyphs: HashMap<char, (GlyphId, f32)>,
    embedded: Font,
}

impl Face {
    fn new(bytes: &'static [u8]) -> Option<Self> {
        let font = FontRef::new(bytes).ok()?;
        let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
        let glyphs = (font.charmap().mappings())
            .filter_map(|(letter, glyph)| {
                let advance = metrics.advance_width(glyph)?;
                Some((char::from_u32(letter)?, (GlyphId::new(glyph.to_u32()), advance)))
            })
            .collect();
        Some(Self { glyphs, embedded: Font::new(bytes.into(), 0)? })
    }

    fn glyph(&self, letter: char) -> Option<(GlyphId, f32)> {
        self.glyphs.get(&letter).copied()
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().filter_map(|letter| self.glyph(letter)).map(|(_, advance)| advance * size).sum()
    }
}

/// Red, green, blue.
#[derive(Clone, Copy)]
struct Colour(u8, u8, u8);

#[derive(Clone, Copy)]
struct Style {
    size: f32,
    is_bold: bool,
    colour: Colour,
}

const TEXT: Colour = Colour(0x1b, 0x1d, 0x1f);
const QUIET: Colour = Colour(0x5c, 0x60, 0x66);
const RULE: Colour = Colour(0xd5, 0xd5, 0xcf);

const TITLE: Style = Style { size: 20.0, is_bold: true, colour: TEXT };
const HEADING: Style = Style { size: 13.0, is_bold: true, colour: TEXT };
const NAME: Style = Style { size: 10.0, is_bold: true, colour: TEXT };
const BODY: Style = Style { size: 9.0, is_bold: false, colour: TEXT };
const OBJECT: Style = Style { size: 9.0, is_bold: true, colour: TEXT };
const SMALL: Style = Style { size: 8.0, is_bold: false, colour: QUIET };

/// As on the pages of the product, in the light.
const fn colour(severity: Severity) -> Colour {
    match severity {
        Severity::Critical => Colour(0xa3, 0x12, 0x3a),
        Severity::High => Colour(0xb3, 0x40, 0x0a),
        Severity::Medium => Colour(0x7a, 0x5b, 0x00),
        Severity::Low => Colour(0x0b, 0x5f, 0x7a),
        Severity::Info => QUIET,
    }
}

enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Line { y: f32 },
}

/// Pages as they are filled. How many there are is known at the end, when they are drawn.
struct Sheets {
    faces: &'static [Face; 2],
    pages: Vec<Vec<Mark>>,
    y: f32,
    outline: Outline,
}

/// As PDF. None if it cannot be written, which its parts do not allow for.
pub(crate) fn pdf(output: &Output) -> Option<Vec<u8>> {
    let mut sheets = Sheets { faces: FACES.as_ref()?, pages: vec![Vec::new()], y: MARGIN, outline: Outline::new() };
    let title = match &output.origin {
        Some(origin) => format!("Kubewise audit {} of {}", origin.audit, origin.cluster),
        None => "Kubewise audit".to_owned(),
    };
    sheets.head(output, &title);
    for severity in Severity::ALL.iter().rev() {
        sheets.severity(output, *severity);
    }
    sheets.not_judged(output);
    sheets.draw(&title)
}

impl Sheets {
    /// Begins a page where less than this is left on this one.
    fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// A paragraph.
    fn write(&mut self, indent: f32, style: Style, text: &str) {
        let face = face_of(self.faces, style);
        for text in wrapped(face, style.size, &shown(face, text), WIDTH - 2.0 * MARGIN - indent) {
            self.need(style.size * LEADING);
            self.y += style.size * LEADING;
            // The line's foot is a bit below the letters'.
            self.mark(Mark::Text { x: MARGIN + indent, y: self.y - style.size * 0.3, style, text });
        }
    }

    fn rule(&mut self) {
        self.mark(Mark::Line { y: self.y });
    }

    fn head(&mut self, output: &Output, title: &str) {
        let summary = &output.summary;
        self.write(0.0, TITLE, title);
        self.y += 4.0;
        let mut figures = vec![several(summary.objects, "object"), several(summary.rules, "rule")];
        if !summary.kubernetes_version.is_empty() {
            figures.push(format!("Kubernetes {}", summary.kubernetes_version));
        }
        if let Some(origin) = &output.origin {
            self.write(
                0.0,
                BODY,
                &format!("Cluster {}, audit {}, ended {}", origin.cluster, origin.audit, origin.finished_at),
            );
        }
        self.write(0.0, BODY, &figures.join(", "));
        for note in &summary.notes {
            self.write(0.0, BODY, note);
        }
        self.y += 12.0;
        self.rule();
        self.counts(output);
        self.rule();
        self.y += 4.0;
        if summary.findings == 0 {
            self.y += 10.0;
            self.write(0.0, BODY, "Nothing was found.");
        }
    }

    /// The score, and the findings by severity, side by side.
    fn counts(&mut self, output: &Output) {
        let summary = &output.summary;
        let score = summary.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}"));
        let mut cells = vec![(score, "Score of 100", TEXT)];
        for severity in Severity::ALL.iter().rev() {
            cells.push((summary.count(*severity).to_string(), severity.title(), colour(*severity)));
        }
        cells.push((summary.findings.saturating_sub(summary.known).to_string(), "New", TEXT));
        let number = Style { size: 17.0, is_bold: true, colour: TEXT };
        let mut x = MARGIN;
        let step = (WIDTH - 2.0 * MARGIN) / 7.0;
        for (text, name, colour) in cells {
            self.mark(Mark::Text { x, y: self.y + 26.0, style: Style { colour, ..number }, text });
            self.mark(Mark::Text { x, y: self.y + 40.0, style: SMALL, text: name.to_owned() });
            x += step;
        }
        self.y += 52.0;
    }

    /// The findings of a severity, rule by rule.
    fn severity(&mut self, output: &Output, severity: Severity) {
        let count = output.summary.count(severity);
        if count == 0 {
            return;
        }
        self.heading(&format!("{}: {}", severity.title(), several(count, "finding")), colour(severity));
        let mut rule = None;
        for item in output.findings.iter().filter(|item| item.severity == severity) {
            if rule != Some(&item.rule) {
                rule = Some(&item.rule);
                self.rule_head(item);
            }
            self.finding(item);
        }
    }

    fn heading(&mut self, text: &str, colour: Colour) {
        self.y += 14.0;
        self.need(90.0);
        let top = XyzDestination::new(self.pages.len() - 1, Point::from_xy(0.0, self.y));
        self.outline.push_child(OutlineNode::new(text.to_owned(), top));
        self.write(0.0, Style { colour, ..HEADING }, text);
    }

    fn rule_head(&mut self, item: &Item) {
        self.y += 8.0;
        // Not without a finding below it.
        self.need(70.0);
        self.write(0.0, NAME, &item.title);
        self.write(0.0, SMALL, &item.rule);
        self.write(0.0, SMALL, &item.remediation);
        self.y += 3.0;
    }

    fn finding(&mut self, item: &Item) {
        self.y += 3.0;
        // Its first lines stay together.
        self.need(40.0);
        let new = if item.known { "" } else { " (new)" };
        self.write(12.0, OBJECT, &format!("{}{new}", item.resource.title()));
        self.write(12.0, BODY, &item.message);
        if !item.path.is_empty() {
            self.write(12.0, SMALL, &item.path);
        }
    }

    fn not_judged(&mut self, output: &Output) {
        if output.not_assessable.is_empty() {
            return;
        }
        self.heading("Not judged: that is not the same as passed", TEXT);
        let mut seen = HashSet::new();
        for unknown in &output.not_assessable {
            if seen.insert(&unknown.rule) {
                self.y += 5.0;
                self.need(40.0);
                self.write(0.0, OBJECT, &unknown.title);
            }
            let objects = several(unknown.objects as usize, "object");
            self.write(12.0, SMALL, &format!("{}, {objects}: {}", unknown.rule, unknown.reason));
        }
    }

    fn draw(self, title: &str) -> Option<Vec<u8>> {
        let mut document = Document::new();
        document.set_metadata(
            Metadata::new().title(title.to_owned()).language("en".to_owned()).creator("Kubewise".to_owned()),
        );
        document.set_outline(self.outline);
        let count = self.pages.len();
        for (at, marks) in self.pages.iter().enumerate() {
            let mut page = document.start_page_with(PageSettings::from_wh(WIDTH, HEIGHT)?);
            let mut surface = page.surface();
            for mark in marks {
                match mark {
                    Mark::Text { x, y, style, text } => {
                        text_at(&mut surface, face_of(self.faces, *style), *x, *y, *style, text);
                    }
                    Mark::Line { y } => line_at(&mut surface, *y),
                }
            }
            let number = format!("Page {} of {count}", at + 1);
            let face = face_of(self.faces, SMALL);
            let right = WIDTH - MARGIN - face.width(&number, SMALL.size);
            let foot = HEIGHT - MARGIN + 8.0;
            text_at(&mut surface, face, MARGIN, foot, SMALL, &shown(face, title));
            text_at(&mut surface, face, right, foot, SMALL, &number);
            surface.finish();
            page.finish();
        }
        document.finish().ok()
    }
}

const fn face_of(faces: &'static [Face; 2], style: Style) -> &'static Face {
    let [plain, bold] = faces;
    if style.is_bold { bold } else { plain }
}

fn fill(Colour(red, green, blue): Colour) -> Fill {
    Fill { paint: rgb::Color::new(red, green, blue).into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

fn text_at(surface: &mut Surface<'_>, face: &Face, x: f32, y: f32, style: Style, text: &str) {
    let glyphs: Vec<KrillaGlyph> = text
        .char_indices()
        .filter_map(|(at, letter)| {
            let (glyph, advance) = face.glyph(letter)?;
            Some(KrillaGlyph::new(glyph, advance, 0.0, 0.0, 0.0, at..at + letter.len_utf8(), None))
        })
        .collect();
    surface.set_fill(Some(fill(style.colour)));
    surface.draw_glyphs(Point::from_xy(x, y), &glyphs, face.embedded.clone(), text, style.size, false);
}

fn line_at(surface: &mut Surface<'_>, y: f32) {
    let mut path = PathBuilder::new();
    if let Some(line) = Rect::from_xywh(MARGIN, y, WIDTH - 2.0 * MARGIN, 0.6) {
        path.push_rect(line);
    }
    if let Some(path) = path.finish() {
        surface.set_fill(Some(fill(RULE)));
        surface.draw_path(&path);
    }
}

/// The text as it can be shown. Letters that the font has not are named by their numbers, so that none is lost; so are
/// those that are not seen, or that turn others around (Unicode Standard Annex 9, section 2).
fn shown(face: &Face, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_unseen = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if letter.is_whitespace() || letter.is_control() {
            out.push(' ');
        } else if is_unseen || face.glyph(letter).is_none() {
            // Writing to a string does not fail.
            let _ = write!(out, "[U+{:04X}]", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

/// Lines that are at most this wide. A word that is wider than a line goes on in the next.
fn wrapped(face: &Face, size: f32, text: &str, width: f32) -> Vec<String> {
    let space = face.width(" ", size);
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0.0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let long = face.width(word, size);
        if !line.is_empty() && used + space + long > width {
            lines.push(std::mem::take(&mut line));
            used = 0.0;
        }
        if !line.is_empty() {
            line.push(' ');
            used += space;
        }
        if used + long <= width {
            line.push_str(word);
            used += long;
            continue;
        }
        for letter in word.chars() {
            let advance = face.glyph(letter).map_or(0.0, |(_, advance)| advance * size);
            if used + advance > width {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            line.push(letter);
            used += advance;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn several(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use kubewise_audit::format::{Origin, Resource};

    use super::*;

    fn faces() -> &'static [Face; 2] {
        FACES.as_ref().unwrap()
    }

    #[test]
    fn no_letter_is_lost() {
        let [face, _] = faces();
        assert_eq!(shown(face, "Привет, Ωμέγα ž\n東\u{202e}"), "Привет, Ωμέγα ž [U+6771][U+202E]");
    }

    #[test]
    fn lines_fit_and_hold_all_words() {
        let [face, _] = faces();
        let text = format!("one two {} three {}", "x".repeat(300), "word ".repeat(80));
        for width in [12.0, 60.0, 500.0] {
            let lines = wrapped(face, 9.0, &text, width);
            assert!(
                lines.iter().all(|line| !line.is_empty() && face.width(line, 9.0) <= width + 0.01),
                "{width}: {lines:?}"
            );
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(&text), "{width}");
        }
        assert_eq!(wrapped(face, 9.0, "  ", 100.0), [""; 0]);
    }

    #[test]
    fn findings_are_in_order_on_numbered_pages() {
        let item = |severity, name: &str, message: &str| Item {
            rule: "rule".into(),
            title: "A title".into(),
            severity,
            categories: Vec::new(),
            controls: Vec::new(),
            resource: Resource { kind: "Pod".to_owned(), name: name.to_owned(), ..Resource::default() },
            source: None,
            line: None,
            path: "spec".to_owned(),
            message: message.to_owned(),
            remediation: "Mend it.".into(),
            patch: String::new(),
            fingerprint: "00".to_owned(),
            known: false,
        };
        let mut output = Output {
            findings: vec![
                item(Severity::Critical, "worst", "words"),
                item(Severity::Low, "least", &"a message ".repeat(2_000)),
            ],
            origin: Some(Origin { cluster: "prod".to_owned(), audit: 3, finished_at: "2026-11-24".to_owned() }),
            ..Output::default()
        };
        for finding in &output.findings {
            output.summary.add(finding.severity);
        }
        let mut sheets = Sheets { faces: faces(), pages: vec![Vec::new()], y: MARGIN, outline: Outline::new() };
        sheets.head(&output, "Kubewise audit 3 of prod");
        for severity in Severity::ALL.iter().rev() {
            sheets.severity(&output, *severity);
        }
        assert!(sheets.pages.len() > 2, "a message is longer than a page");
        let mut said = Vec::new();
        for mark in sheets.pages.iter().flatten() {
            let Mark::Text { x, y, text, .. } = mark else { continue };
            assert!(*x >= MARGIN && *y > MARGIN / 2.0 && *y <= BOTTOM, "{text} is at {x}, {y}");
            said.push(text.as_str());
        }
        let at = |text: &str| said.iter().position(|line| *line == text).unwrap();
        assert!(at("Kubewise audit 3 of prod") < at("Critical: 1 finding"));
        assert!(at("Critical: 1 finding") < at("Pod/worst (new)") && at("Pod/worst (new)") < at("Low: 1 finding"));
        assert!(at("Low: 1 finding") < at("Pod/least (new)"));
        assert!(pdf(&output).unwrap().starts_with(b"%PDF-"));
        assert!(pdf(&Output::default()).is_some(), "nothing found is an answer too");
    }
}
