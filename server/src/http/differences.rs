//! What is different between two versions of a text, for people to read: paragraph by paragraph, and word by word in those
//! that were changed. Said in words besides colours.

use std::{fmt::Write, ops::Range};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use similar::{Algorithm, ChangeTag, DiffTag, TextDiff, capture_diff_slices};

/// Two paragraphs are one that was changed if so much of their words is the same.
const ALIKE: f32 = 0.6;

/// What is read at once: a heading, a paragraph, an item of a list, a row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Block {
    is_heading: bool,
    text: String,
}

/// A block of either version, or of both.
struct Piece {
    is_changed: bool,
    is_heading: bool,
    html: String,
}

/// The differences of two texts in Markdown, as HTML; none when they read the same.
pub(super) fn between(old: &str, new: &str) -> Option<String> {
    let (old, new) = (blocks(old), blocks(new));
    let mut pieces = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, &old, &new) {
        match op.as_tag_tuple() {
            (DiffTag::Equal, _, range) => pieces.extend(new[range].iter().map(same)),
            (_, before, after) => replaced(&old[before], &new[after], &mut pieces),
        }
    }
    pieces.iter().any(|piece| piece.is_changed).then(|| shown(&pieces))
}

/// Changes with what stands next to them, and headings; what is left out is marked.
fn shown(pieces: &[Piece]) -> String {
    let is_near = |at: usize| {
        let near: Range<usize> = at.saturating_sub(1)..(at + 2).min(pieces.len());
        pieces[near].iter().any(|piece| piece.is_changed)
    };
    let mut html = String::new();
    let mut is_left_out = false;
    for (at, piece) in pieces.iter().enumerate() {
        if piece.is_heading || is_near(at) {
            html.push_str(&piece.html);
            is_left_out = false;
        } else if !std::mem::replace(&mut is_left_out, true) {
            html.push_str("<p class=\"left-out\">… what is here is the same …</p>");
        }
    }
    html
}

/// Blocks that stand in the place of others: each is one that was changed, one that was removed, or one that was added.
fn replaced(old: &[Block], new: &[Block], pieces: &mut Vec<Piece>) {
    let mut rest = new;
    for before in old {
        let Some(at) = rest.iter().position(|after| is_changed_from(before, after)) else {
            pieces.push(whole(before, "Removed", "del"));
            continue;
        };
        pieces.extend(rest[..at].iter().map(|added| whole(added, "Added", "ins")));
        pieces.push(changed(before, &rest[at]));
        rest = &rest[at + 1..];
    }
    pieces.extend(rest.iter().map(|added| whole(added, "Added", "ins")));
}

fn is_changed_from(before: &Block, after: &Block) -> bool {
    before.is_heading == after.is_heading
        && TextDiff::from_words(before.text.as_str(), after.text.as_str()).ratio() >= ALIKE
}

fn same(block: &Block) -> Piece {
    piece(block, false, escaped(&block.text))
}

fn whole(block: &Block, label: &str, element: &str) -> Piece {
    piece(block, true, format!("{}<{element}>{}</{element}>", labelled(label), escaped(&block.text)))
}

/// Words in place of others that only white space parts are shown together: one reads them together too.
fn changed(before: &Block, after: &Block) -> Piece {
    let diff = TextDiff::from_words(before.text.as_str(), after.text.as_str());
    let mut html = labelled("Changed");
    let (mut removed, mut added, mut space) = (String::new(), String::new(), "");
    for change in diff.iter_all_changes() {
        let text = change.value();
        match change.tag() {
            ChangeTag::Equal => {
                let is_replaced = !removed.is_empty() && !added.is_empty();
                if is_replaced && text.trim().is_empty() && space.is_empty() {
                    space = text;
                    continue;
                }
                words(&mut html, &mut removed, &mut added);
                html.push_str(&escaped(std::mem::take(&mut space)));
                html.push_str(&escaped(text));
            }
            tag => {
                removed.push_str(space);
                added.push_str(space);
                space = "";
                if tag == ChangeTag::Delete { removed.push_str(text) } else { added.push_str(text) }
            }
        }
    }
    words(&mut html, &mut removed, &mut added);
    html.push_str(&escaped(space));
    piece(after, true, html)
}

/// For who hears the page, what is struck out and what is underlined is said.
fn words(html: &mut String, removed: &mut String, added: &mut String) {
    for (text, element, said) in [(removed, "del", "removed"), (added, "ins", "added")] {
        if !text.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(
                html,
                "<{element}><span class=\"visually-hidden\"> [{said}:] </span>{}<span class=\"visually-hidden\"> [end] \
                 </span></{element}>",
                escaped(text)
            );
            text.clear();
        }
    }
}

fn labelled(label: &str) -> String {
    format!("<span class=\"tag\">{label}</span> ")
}

fn piece(block: &Block, is_changed: bool, html: String) -> Piece {
    let element = if block.is_heading { "h2" } else { "p" };
    let class = if is_changed { " class=\"changed\"" } else { "" };
    Piece { is_changed, is_heading: block.is_heading, html: format!("<{element}{class}>{html}</{element}>") }
}

/// The text of a page without its marks. Where a link leads belongs to what is said.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut now = String::new();
    let mut links = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) | Event::Code(text) => now.push_str(&text),
            Event::SoftBreak | Event::HardBreak => now.push(' '),
            Event::Start(Tag::Link { dest_url, .. }) => links.push(dest_url),
            Event::End(TagEnd::Link) => {
                if let Some(link) = links.pop() {
                    let _ = write!(now, " ({link})");
                }
            }
            // What an item says before a list within it, or another paragraph.
            Event::Start(Tag::Item) => {
                end(&mut blocks, &mut now, false);
                now.push_str("• ");
            }
            Event::Start(Tag::List(_)) => end(&mut blocks, &mut now, false),
            Event::End(TagEnd::TableCell) => now.push_str(" | "),
            // The title, which the page has anyway.
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => now.clear(),
            Event::End(TagEnd::Heading(_)) => end(&mut blocks, &mut now, true),
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::TableRow | TagEnd::TableHead | TagEnd::CodeBlock) => {
                end(&mut blocks, &mut now, false);
            }
            _ => {}
        }
    }
    blocks
}

fn end(blocks: &mut Vec<Block>, now: &mut String, is_heading: bool) {
    let text = std::mem::take(now).split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.strip_suffix(" |").unwrap_or(&text);
    if !matches!(text, "" | "•") {
        blocks.push(Block { is_heading, text: text.to_owned() });
    }
}

/// As HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# Privacy\n\nWe keep your name.\n\n## Times\n\nSessions end after 7 days\nwithout use.\n\n- one\n- two\n\n\
                       | what | how long |\n|---|---|\n| mails | an hour |\n\nFirst.\n\nSecond.\n\nThird.\n\nWrite to {contact}.\n";

    #[test]
    fn what_reads_the_same_is_no_difference() {
        let wrapped = OLD.replace("7 days\nwithout", "7 days without").replace("name.", "**name**.");
        assert_eq!(between(OLD, &wrapped), None);
    }

    #[test]
    fn changed_words_stand_in_their_paragraph() {
        let html = between(OLD, &OLD.replace("7 days", "14 days")).unwrap();
        let [before, after] = ["del", "ins"].map(|element| {
            let (_, rest) = html.split_once(&format!("<{element}>")).unwrap();
            rest.split_once(&format!("</{element}>")).unwrap().0.to_owned()
        });
        assert!(before.contains(" [removed:] </span>7<span") && after.contains(" [added:] </span>14<span"), "{html}");
        assert!(html.contains("<span class=\"tag\">Changed</span> Sessions end after <del>"), "{html}");
        assert!(html.contains("</ins> days without use.</p>") && html.contains("<h2>Times</h2>"), "{html}");
        // Far from it, the text is not repeated.
        assert!(!html.contains("Second.") && html.contains("left-out"), "{html}");
    }

    #[test]
    fn what_comes_and_goes_is_said_to() {
        let new = OLD.replace("- two\n", "").replace("Second.", "Something else altogether, which nobody said before.");
        let html = between(OLD, &new).unwrap();
        assert!(html.contains("<span class=\"tag\">Removed</span> <del>• two</del>"), "{html}");
        assert!(html.contains("<span class=\"tag\">Removed</span> <del>Second.</del>"), "{html}");
        assert!(html.contains("<span class=\"tag\">Added</span> <ins>Something else"), "{html}");
        assert!(!html.contains("Changed"), "{html}");
        let html = between(OLD, &OLD.replace("| an hour |", "| a day |")).unwrap();
        assert!(html.contains("mails | <del>"), "{html}");
    }

    #[test]
    fn words_side_by_side_are_changed_together() {
        let old = "Whoever runs this installation keeps backups for seven long days and no more than that.";
        let html = between(old, &old.replace("seven long days", "thirty very long weeks")).unwrap();
        let removed = html.matches("<del>").count();
        assert!(removed <= 2, "{html}");
        let plain = |element: &str| {
            let mut rest = html.as_str();
            let mut text = String::new();
            // The text without what the other side has, and without labels.
            while let Some((before, after)) = rest.split_once(&format!("<{element}>")) {
                text.push_str(before);
                rest = after.split_once(&format!("</{element}>")).unwrap().1;
            }
            text.push_str(rest);
            let text = text.replace("<span class=\"visually-hidden\"> [removed:] </span>", "");
            let text = text.replace("<span class=\"visually-hidden\"> [added:] </span>", "");
            let text = text.replace("<span class=\"visually-hidden\"> [end] </span>", "");
            let text = text.replace("<span class=\"tag\">Changed</span> ", "");
            ["<p class=\"changed\">", "</p>", "<del>", "</del>", "<ins>", "</ins>"]
                .iter()
                .fold(text, |text, mark| text.replace(mark, ""))
        };
        assert_eq!(plain("ins"), old);
        assert_eq!(plain("del"), old.replace("seven long days", "thirty very long weeks"));
    }

    #[test]
    fn what_is_written_cannot_change_the_page() {
        let html = between("a `<b>` c d e f g", "a `<b>` c d e f h \"i\"").unwrap();
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
    }
}
