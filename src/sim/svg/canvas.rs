//! A small writer of SVG: shapes with a class, and text that is escaped. Knows nothing of pods.

use std::fmt::Write as _;

/// Shapes, in the order in which they are drawn.
#[derive(Default)]
pub(super) struct Canvas(String);

/// Where a text stands to its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
}

// Writing to a String cannot fail.
impl Canvas {
    /// `hint` is shown by a browser that the pointer rests in; may be empty.
    pub fn bar(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), hint: &str) {
        let _ = write!(
            self.0,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}""#
        );
        if hint.is_empty() {
            self.0.push_str("/>\n");
        } else {
            let _ = writeln!(self.0, "><title>{}</title></rect>", escaped(hint));
        }
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.0,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    pub fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let _ = writeln!(self.0, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}"/>"#);
    }

    /// A cross as large as a dot.
    pub fn cross(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (left, right, top, bottom) = (x - radius, x + radius, y - radius, y + radius);
        let _ = writeln!(
            self.0,
            r#"<path class="{class}" d="M{left:.1} {top:.1}L{right:.1} {bottom:.1}M{left:.1} {bottom:.1}L{right:.1} {top:.1}"/>"#
        );
    }

    /// A triangle that points to the right, with its left edge at `x`.
    pub fn pointer(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (tip, top, bottom) = (x + 1.6 * radius, y - radius, y + radius);
        let _ = writeln!(
            self.0,
            r#"<path class="{class}" d="M{x:.1} {top:.1}L{tip:.1} {y:.1}L{x:.1} {bottom:.1}Z"/>"#
        );
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
        };
        let _ = writeln!(
            self.0,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{anchor}>{}</text>"#,
            escaped(text)
        );
    }

    /// The whole document.
    pub fn finish(self, (width, height): (f64, f64), title: &str, head: &str) -> String {
        let title = escaped(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n{head}\
             <rect class=\"paper\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\"/>\n{}</svg>\n",
            self.0
        )
    }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No XML document can hold these, not even escaped.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let mut canvas = Canvas::default();
        canvas.text("a", (0.0, 0.0), Anchor::Start, "</text><script>\"&\u{1b}");
        assert!(canvas.0.contains(">&lt;/text&gt;&lt;script&gt;&quot;&amp;\u{fffd}</text>"), "{}", canvas.0);
    }
}
