//! What the test runners said, added up, and the closing lines made of it.

/// Counts, with a line for each test that failed or was skipped.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    failures: Vec<String>,
    skips: Vec<String>,
}

impl Report {
    /// Something that is no test failed: a build, a missing Python.
    pub(crate) fn fail(&mut self, what: String) {
        self.failed += 1;
        self.failures.push(what);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.skips.extend(other.skips);
    }

    /// `runner` has ended. Whatever its lines said, success without a test and failure without a failed test are failures.
    pub(crate) fn ended(&mut self, runner: &str, how: &str, success: bool) {
        if !success && self.failed == 0 {
            self.fail(format!("{runner}: {how}, and no test said so: see its output above"));
        } else if success && self.passed + self.failed + self.skipped == 0 {
            self.fail(format!("{runner}: ran no test"));
        }
    }

    /// One line of `cargo test`.
    pub(crate) fn cargo_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            // "ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s"
            let counts = counts.split_once(". ").map_or("", |(_, counts)| counts);
            for (count, word) in counts.split("; ").filter_map(counted) {
                match word {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" => self.skipped += count,
                    _ => {}
                }
            }
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            if outcome == "FAILED" {
                self.failures.push(name.to_owned());
            } else if let Some(reason) = outcome.strip_prefix("ignored") {
                let reason = reason.strip_prefix(", ").unwrap_or("no reason given");
                self.skips.push(format!("{name}: {reason}"));
            }
        }
    }

    /// One line of `pytest -q -rfEs --color=no`.
    pub(crate) fn pytest_line(&mut self, line: &str) {
        if let Some(skip) = line.strip_prefix("SKIPPED [") {
            // "SKIPPED [2] python/tests/test_save.py:12: needs strace"
            match skip.split_once("] ") {
                Some(("1", reason)) => self.skips.push(reason.to_owned()),
                Some((times, reason)) => self.skips.push(format!("{reason} ({times} times)")),
                None => self.skips.push(skip.to_owned()),
            }
        } else if let Some(test) =
            line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "))
        {
            self.failures.push(test.to_owned());
        } else if let Some(counts) = pytest_closing(line) {
            for (count, word) in counts {
                match word {
                    "passed" => self.passed += count,
                    "skipped" => self.skipped += count,
                    "failed" | "error" | "errors" => self.failed += count,
                    // A test that is expected to fail proves nothing.
                    "xfailed" | "xpassed" => {
                        self.failed += count;
                        self.failures
                            .push(format!("pytest: {count} {word}; here each counts as failed"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// The lines that close a run: each failure, each skip, and the counts alone on the last one.
    pub(crate) fn closing(&self) -> String {
        let mut text = String::new();
        let failures = self.failures.iter().map(|what| ("FAIL", what));
        for (word, what) in failures.chain(self.skips.iter().map(|what| ("SKIP", what))) {
            text.push_str(&format!("{word} {what}\n"));
        }
        let Self { passed, failed, skipped, .. } = self;
        text + &format!("{passed} passed, {failed} failed, {skipped} skipped\n")
    }
}

/// The counts of pytest's last line, "2100 passed, 1 skipped in 3.20s", if `line` is that line.
fn pytest_closing(line: &str) -> Option<Vec<(usize, &str)>> {
    let line = line.trim_matches(['=', ' ']);
    let (counts, time) = line.rsplit_once(" in ")?;
    let seconds = time.split_whitespace().next()?.strip_suffix('s')?;
    seconds.parse::<f64>().ok()?;
    counts.split(", ").map(counted).collect()
}

/// "3 passed" is 3 and "passed".
fn counted(text: &str) -> Option<(usize, &str)> {
    let (count, word) = text.trim().split_once(' ')?;
    Some((count.parse().ok()?, word))
}

#[cfg(test)]
mod tests {
    use super::Report;

    fn cargo(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.cargo_line(line));
        report
    }

    fn pytest(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.pytest_line(line));
        report
    }

    #[test]
    fn cargo_lines_add_up_over_binaries() {
        let report = cargo(
            "running 3 tests\n\
             test layout::span ... ok\n\
             test io::enospc ... ignored, needs root\n\
             test slow ... ignored\n\
             test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test npy::v3 ... FAILED\n\
             test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s\n",
        );
        assert_eq!(
            report.closing(),
            "FAIL npy::v3\nSKIP io::enospc: needs root\nSKIP slow: no reason given\n5 passed, 1 failed, 2 skipped\n"
        );
    }

    #[test]
    fn pytest_closing_line_is_read() {
        let report = pytest(
            "..s.  [100%]\n\
             SKIPPED [1] python/tests/test_save.py:12: needs strace\n\
             SKIPPED [3] python/tests/test_io.py:7: needs root\n\
             2100 passed, 4 skipped, 2 warnings in 3.20s\n",
        );
        assert_eq!(
            report.closing(),
            "SKIP python/tests/test_save.py:12: needs strace\n\
             SKIP python/tests/test_io.py:7: needs root (3 times)\n\
             2100 passed, 0 failed, 4 skipped\n"
        );
    }

    #[test]
    fn errors_and_expected_failures_count_as_failed() {
        let report = pytest(
            "FAILED python/tests/a.py::b - AssertionError\n\
             ERROR python/tests/c.py\n\
             ==== 1 failed, 2 passed, 1 xfailed, 1 error in 75.01s (0:01:15) ====\n",
        );
        assert_eq!(
            report.closing(),
            "FAIL python/tests/a.py::b - AssertionError\n\
             FAIL python/tests/c.py\n\
             FAIL pytest: 1 xfailed; here each counts as failed\n\
             2 passed, 3 failed, 0 skipped\n"
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        let text = "no tests ran in 0.01s\n3 passed in spirit\nwritten in 3.2s\ntest result: odd\n";
        assert_eq!(pytest(text), Report::default());
        assert_eq!(cargo(text), Report::default());
    }

    #[test]
    fn an_end_that_the_lines_do_not_explain_is_a_failure() {
        let mut silent = Report::default();
        silent.ended("pytest", "exit status: 5", false);
        assert_eq!((silent.passed, silent.failed), (0, 1));

        let mut empty = Report::default();
        empty.ended("cargo test", "exit status: 0", true);
        assert_eq!(
            empty.closing(),
            "FAIL cargo test: ran no test\n0 passed, 1 failed, 0 skipped\n"
        );

        let mut told = cargo("test result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured");
        told.ended("cargo test", "exit status: 101", false);
        assert_eq!(told.failed, 2);
    }
}
