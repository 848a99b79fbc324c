//! Rust source as a rule needs it: code without comments and literals, literals with their lines, code that is only for tests.
//!
//! This is a scanner, not a parser: it knows where comments, strings and characters end, and which braces belong together.

/// One Rust file, scanned. `code` has as many lines as the file, and as many characters on each.
#[derive(Debug)]
pub struct Source {
    /// The code: what is in comments and in literals is blank.
    pub code: Vec<char>,
    /// The text of each string literal with its line, from 1.
    pub strings: Vec<(usize, String)>,
}

impl Source {
    /// Scans the text of a file.
    pub fn scan(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        let mut source = Self { code: text.clone(), strings: Vec::new() };
        let mut at = 0;
        while at < text.len() {
            let end = skip(&text, at);
            if let Some(inside) = end.string {
                source.strings.push((line(&text, at), text[inside].iter().collect()));
            }
            if end.blank {
                blank(&mut source.code, at, end.at);
            }
            at = end.at;
        }
        source
    }

    /// The same source with all that `#[cfg(test)]` covers made blank.
    pub fn without_tests(mut self) -> Self {
        let mut from = 0;
        while let Some(start) = find(&self.code, "#[cfg(test)]", from) {
            let end = item_end(&self.code, start);
            let lines = line(&self.code, start)..=line(&self.code, end);
            self.strings.retain(|(at, _)| !lines.contains(at));
            blank(&mut self.code, start, end);
            from = end;
        }
        self
    }

    /// The names of the modules that are files of their own and only for tests: `#[cfg(test)] mod tests;`.
    pub fn test_modules(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut from = 0;
        while let Some(start) = find(&self.code, "#[cfg(test)]", from) {
            from = item_end(&self.code, start);
            let item: String = self.code[start..from].iter().collect();
            if let Some(name) = item.trim_end().strip_suffix(';').and_then(|item| item.split("mod ").nth(1)) {
                names.push(name.trim().to_owned());
            }
        }
        names
    }

    /// The line, from 1, of a place in `code`.
    pub fn line(&self, at: usize) -> usize {
        line(&self.code, at)
    }

    /// Every identifier with its place.
    pub fn words(&self) -> Vec<(usize, String)> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.code.len() {
            if !is_word(self.code[at]) {
                at += 1;
                continue;
            }
            let end = word_end(&self.code, at);
            words.push((at, self.code[at..end].iter().collect()));
            at = end;
        }
        words
    }

    /// The place after the brace, bracket or parenthesis that closes the one at `open`.
    pub fn close(&self, open: usize) -> usize {
        close(&self.code, open)
    }

    /// The place of the first character from `at` on that is not white space.
    pub fn solid(&self, at: usize) -> usize {
        (at..self.code.len()).find(|at| !self.code[*at].is_whitespace()).unwrap_or(self.code.len())
    }

    /// Whether `pattern` stands in the code at `at`.
    pub fn stands(&self, pattern: &str, at: usize) -> bool {
        stands(&self.code, pattern, at)
    }
}

/// Whether a character may be part of an identifier.
pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The place after the identifier at `at`.
pub fn word_end(code: &[char], at: usize) -> usize {
    (at..code.len()).find(|at| !is_word(code[*at])).unwrap_or(code.len())
}

/// Where the thing at a place ends.
struct End {
    at: usize,
    blank: bool,
    string: Option<std::ops::Range<usize>>,
}

fn skip(text: &[char], at: usize) -> End {
    let code = |end| End { at: end, blank: false, string: None };
    let comment = |end| End { at: end, blank: true, string: None };
    match text[at] {
        '/' if stands(text, "//", at) => comment(position(text, at, |at| text[at] == '\n')),
        '/' if stands(text, "/*", at) => comment(comment_end(text, at)),
        '"' => string_end(text, at, 0, true),
        '\'' => match text.get(at + 1) {
            Some('\\') => comment(position(text, at + 3, |at| text[at] == '\'') + 1),
            Some(_) if text.get(at + 2) == Some(&'\'') => comment(at + 3),
            _ => code(at + 1),
        },
        letter if is_word(letter) => {
            let end = word_end(text, at);
            let word: String = text[at..end].iter().collect();
            let hashes = text[end..].iter().take_while(|letter| **letter == '#').count();
            let quoted = text.get(end + hashes) == Some(&'"');
            match word.as_str() {
                "r" | "br" | "cr" if quoted => string_end(text, end + hashes, hashes, false),
                "b" | "c" if quoted && hashes == 0 => string_end(text, end, 0, true),
                _ => code(end),
            }
        }
        _ => code(at + 1),
    }
}

fn comment_end(text: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < text.len() {
        if stands(text, "/*", at) {
            (depth, at) = (depth + 1, at + 2);
        } else if stands(text, "*/", at) {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// A string literal whose opening quote is at `open`, closed by a quote and so many hashes.
fn string_end(text: &[char], open: usize, hashes: usize, escapes: bool) -> End {
    let mut at = open + 1;
    while at < text.len() {
        if escapes && text[at] == '\\' {
            at += 2;
        } else if text[at] == '"' && text[at + 1..].iter().take_while(|letter| **letter == '#').count() >= hashes {
            return End { at: at + 1 + hashes, blank: true, string: Some(open + 1..at) };
        } else {
            at += 1;
        }
    }
    End { at: text.len(), blank: true, string: Some(open + 1..text.len()) }
}

/// The end of the item that the attribute at `start` belongs to: after its `;`, or after its block.
fn item_end(code: &[char], start: usize) -> usize {
    let mut at = start;
    while at < code.len() {
        match code[at] {
            ';' => return at + 1,
            '{' => return close(code, at),
            '(' | '[' => at = close(code, at),
            _ => at += 1,
        }
    }
    code.len()
}

fn close(code: &[char], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code.iter().enumerate().skip(open) {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn find(code: &[char], pattern: &str, from: usize) -> Option<usize> {
    (from..code.len()).find(|at| stands(code, pattern, *at))
}

fn stands(code: &[char], pattern: &str, at: usize) -> bool {
    pattern.chars().enumerate().all(|(index, letter)| code.get(at + index) == Some(&letter))
}

fn position(text: &[char], from: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (from..text.len()).find(|at| is_end(*at)).unwrap_or(text.len())
}

fn blank(code: &mut [char], from: usize, to: usize) {
    let to = to.min(code.len());
    for letter in &mut code[from.min(to)..to] {
        if *letter != '\n' {
            *letter = ' ';
        }
    }
}

fn line(code: &[char], at: usize) -> usize {
    1 + code.iter().take(at).filter(|letter| **letter == '\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::scan(text).code.iter().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_blank() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "a c g");
        assert_eq!(code(r##"a("b \" {", r#"c " {"#, b"d", br"\", c"e") f"##), "a( , , , , ) f");
        assert_eq!(
            code(r"let a: &'b str = c('d', '\'', '\u{1F600}', '{', b'\\');"),
            "let a: &'b str = c( , , , , b );"
        );
        assert_eq!(code("a \"no end {"), "a");
    }

    #[test]
    fn strings_keep_text_and_line() {
        let source = Source::scan("a(\"x\")\n/* \"no\" */ b(r#\"y\nz\"#)");
        assert_eq!(source.strings, [(1, "x".to_owned()), (2, "y\nz".to_owned())]);
    }

    #[test]
    fn what_is_only_for_tests_is_told_apart() {
        let text =
            "use a;\n#[cfg(test)]\nmod suite;\n#[cfg(test)]\npub(crate) mod tests { fn b() { \"c\" } }\nfn d() {}\n";
        assert_eq!(Source::scan(text).test_modules(), ["suite"]);
        let source = Source::scan(text).without_tests();
        assert_eq!(
            source.code.iter().collect::<String>().split_whitespace().collect::<Vec<_>>(),
            ["use", "a;", "fn", "d()", "{}"]
        );
        assert!(source.strings.is_empty());
        assert_eq!(source.line(source.code.len()), 7);
    }
}
