//! What holds for every text: it is read and shown in bounded time, and the answer is consistent.

use podinit::spec::{Options, Profile, Severity, Source, Syntax, load, render_all, to_json};

pub fn check(data: &[u8], syntax: Syntax) {
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    let source = match Source::from_bytes("manifest", data.to_vec(), syntax) {
        Ok(source) => source,
        Err(no_text) => {
            safe(&no_text.problem.render(std::slice::from_ref(&no_text.source), false));
            // Read on with what can be read, so that no input is wasted.
            no_text.source
        }
    };
    let sources = [source];
    let loaded = load(&sources, &options);
    let errors = loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert_eq!(loaded.pod.is_some(), errors == 0, "{:?}", loaded.problems);
    for problem in &loaded.problems {
        if let Some(span) = problem.span {
            let text = &sources[0].text;
            assert!(span.start <= span.end, "{problem:?}");
            assert!(span.end <= text.len() + 1, "{problem:?}");
            assert!(text.is_char_boundary(span.start), "{problem:?}");
            assert!(span.end > text.len() || text.is_char_boundary(span.end), "{problem:?}");
        }
        assert!(problem.severity == Severity::Warning || !problem.help.is_empty(), "{problem:?}");
    }
    safe(&render_all(&loaded.problems, &sources, false));
    let json = to_json(&loaded.problems, &sources);
    assert!(json["diagnostics"].as_array().is_some_and(|list| list.len() <= loaded.problems.len()));
    if let Some(pod) = loaded.pod {
        assert!(!pod.containers.is_empty());
        for (_, _, container) in pod.iter() {
            assert!(!container.name.is_empty() && container.name.len() <= 63);
            assert!(!container.command.is_empty());
            let strings = container.command.iter().chain(&container.args);
            assert!(strings.chain(container.env.iter().map(|env| &env.name)).all(|text| !text.contains('\0')));
        }
    }
}

/// Nothing of the manifest can steer a terminal.
fn safe(shown: &str) {
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(shown.lines().all(|line| line.chars().count() < 20_000_000));
}
