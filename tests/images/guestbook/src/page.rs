//! The one page of the guest book as HTML. No I/O.

use crate::store::Entry;

const STYLE: &str = "body{font:18px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#222}\
form{display:grid;gap:.5rem;margin:2rem 0}input,textarea,button{font:inherit;padding:.5rem;border:1px solid #bbb;border-radius:.4rem}\
button{background:#14532d;border-color:#14532d;color:#fff}article{border-top:1px solid #ddd;padding:1rem 0}\
article p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}small{color:#666}";

/// The whole page: form first, newest entry on top.
pub(crate) fn render(title: &str, entries: &[Entry]) -> String {
    let title = escape(title);
    let list = if entries.is_empty() {
        "<p>Nobody has written here yet.</p>".to_owned()
    } else {
        entries.iter().map(article).collect()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n\
         <form method=\"post\" action=\"/entries\">\
         <input name=\"name\" placeholder=\"Your name\" aria-label=\"Your name\" maxlength=\"80\" required>\
         <textarea name=\"message\" rows=\"3\" placeholder=\"Your message\" aria-label=\"Your message\" maxlength=\"500\" required></textarea>\
         <button>Sign the guest book</button></form>\n<main>{list}</main></body></html>\n"
    )
}

fn article(entry: &Entry) -> String {
    format!(
        "<article><p>{}</p><small>{}, {}</small></article>\n",
        escape(&entry.message),
        escape(&entry.name),
        escape(&entry.written)
    )
}

/// Makes a text safe inside HTML text and quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_stays_text() {
        let entry = Entry {
            name: "<script>".to_owned(),
            message: "\"it's\" & so on".to_owned(),
            written: "now".to_owned(),
        };
        let page = render("A <b>", &[entry]);
        assert!(page.contains("<title>A &lt;b&gt;</title>"));
        assert!(page.contains("<small>&lt;script&gt;, now</small>"));
        assert!(page.contains("<p>&quot;it&#39;s&quot; &amp; so on</p>"));
    }

    #[test]
    fn an_empty_book_says_so() {
        assert!(render("Book", &[]).contains("Nobody has written here yet."));
    }
}
