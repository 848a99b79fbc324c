//! A figure and its bar.

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Less than that.
    Below(f64),
    /// That or less.
    AtMost(f64),
    /// That or more.
    AtLeast(f64),
    /// It is only reported.
    None,
}

/// One measured value.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name in the summary; it never changes its meaning.
    pub name: String,
    /// The median over all rounds, where there are several.
    pub value: f64,
    /// Unit of value, bar and spread.
    pub unit: &'static str,
    /// What it should be.
    pub bar: Bar,
    /// The least and the most that a round gave.
    pub spread: Option<(f64, f64)>,
}

impl Figure {
    /// A figure that was measured once and is only reported.
    pub fn once(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, bar: Bar::None, spread: None }
    }

    /// The median of rounds, only reported.
    pub fn of_rounds(name: &str, rounds: &[f64], unit: &'static str) -> Self {
        let sorted = crate::rounds::sorted(rounds);
        let spread = sorted.first().copied().zip(sorted.last().copied());
        Self { spread, ..Self::once(name, crate::rounds::at(&sorted, 0.5), unit) }
    }

    /// The same with a bar.
    #[must_use]
    pub fn bar(self, bar: Bar) -> Self {
        Self { bar, ..self }
    }

    /// `met`, `missed`, or `-` where there is no bar.
    pub fn verdict(&self) -> &'static str {
        let met = match self.bar {
            Bar::Below(most) => self.value < most,
            Bar::AtMost(most) => self.value <= most,
            Bar::AtLeast(least) => self.value >= least,
            Bar::None => return "-",
        };
        if met { "met" } else { "missed" }
    }
}

/// The figures for a reader.
pub fn table(figures: &[Figure]) -> String {
    let mut rows = vec![["figure", "value", "unit", "bar", "", "rounds"].map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let [name, value, unit, bar, verdict, rounds] = row;
        let [a, b, c, d, e, _] = widths;
        let line = format!("{name:a$}  {value:>b$} {unit:c$}  {bar:>d$}  {verdict:e$}  {rounds}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(figure: &Figure) -> [String; 6] {
    let bar = match figure.bar {
        Bar::Below(most) => format!("< {}", short(most)),
        Bar::AtMost(most) => format!("≤ {}", short(most)),
        Bar::AtLeast(least) => format!("≥ {}", short(least)),
        Bar::None => "-".to_owned(),
    };
    let rounds = figure.spread.map(|(least, most)| format!("{} … {}", short(least), short(most)));
    let (name, value) = (figure.name.clone(), short(figure.value));
    [name, value, figure.unit.to_owned(), bar, figure.verdict().to_owned(), rounds.unwrap_or_default()]
}

/// As many digits as mean something.
pub fn short(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_or_missed() {
        let figure = |value: f64, bar: Bar| Figure::once("x", value, "µs").bar(bar).verdict();
        assert_eq!(figure(19.99, Bar::Below(20.0)), "met");
        assert_eq!(figure(20.0, Bar::Below(20.0)), "missed");
        assert_eq!(figure(2.0, Bar::AtMost(2.0)), "met");
        assert_eq!(figure(2.01, Bar::AtMost(2.0)), "missed");
        assert_eq!(figure(1000.0, Bar::AtLeast(1000.0)), "met");
        assert_eq!(figure(999.9, Bar::AtLeast(1000.0)), "missed");
        assert_eq!(figure(1.0, Bar::None), "-");
    }

    #[test]
    fn nothing_measured_is_never_met() {
        assert_eq!(Figure::of_rounds("x", &[], "µs").bar(Bar::Below(20.0)).verdict(), "missed");
        assert_eq!(Figure::of_rounds("x", &[], "ms").bar(Bar::AtMost(100.0)).verdict(), "missed");
        assert_eq!(Figure::of_rounds("x", &[], "calls/s").bar(Bar::AtLeast(0.0)).verdict(), "missed");
    }

    #[test]
    fn the_table_shows_value_bar_verdict_and_spread() {
        let figures = [
            Figure::of_rounds("fast_us", &[12.26, 11.5, 30.0], "µs").bar(Bar::Below(20.0)),
            Figure::once("size_kib", 61.0, "KiB"),
        ];
        let expected = "figure    value unit   bar       rounds\n\
                        fast_us    12.3 µs    < 20  met  11.5 … 30\n\
                        size_kib     61 KiB      -  -\n";
        assert_eq!(table(&figures), expected);
    }
}
