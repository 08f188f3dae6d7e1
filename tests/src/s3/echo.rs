//! A refusal that tells more than it should.

use hyper::Request;
use hyper::body::Incoming;

use super::faults::error_body;

/// A refusal that quotes a request, and the secret that it was signed with.
pub(super) fn quoting(request: &Request<Incoming>, secret: &str) -> String {
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()));
    let quoted = format!(
        "{} {} {} {secret}",
        request.method(),
        request.uri(),
        headers.collect::<Vec<_>>().join(" ")
    );
    let quoted = quoted.replace('&', "&amp;").replace('<', "&lt;");
    let body = error_body("Strange", &format!("{secret} {quoted}"));
    let end = format!("<StringToSign>{quoted}</StringToSign></Error>");
    body.replace("</Error>", &end)
}
