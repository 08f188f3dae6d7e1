//! What a store says of a call that it did not carry out, and whether it may the next time.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// Error codes of requests that were damaged on their way, and are good when sent anew.
const DAMAGED: [&str; 4] = [
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
    "IncompleteBody",
];
/// Error codes and a status by which stores ask for less.
const BUSY: [&str; 6] = [
    "SlowDown",
    "ServiceUnavailable",
    "TooManyRequests",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
];

/// What a store answered to a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    code: String,
    /// How long it asks to wait.
    pub(super) wait: Option<Duration>,
}

impl Answer {
    pub(super) fn of(response: &HttpResponse) -> Self {
        let body = response.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        let code = body
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map_or("", |(code, _)| code);
        let plain = code.chars().filter(char::is_ascii_alphanumeric).take(60);
        Self {
            status: response.status().as_u16(),
            code: plain.collect(),
            wait: response
                .headers()
                .get("retry-after")
                .and_then(|text| wait(text, response.headers().get("date"))),
        }
    }

    /// Whether the same call may be taken the next time, though its status does not say so.
    pub(super) fn passes(&self) -> bool {
        self.status == 429 || DAMAGED.contains(&&*self.code) || self.is_busy()
    }

    fn is_busy(&self) -> bool {
        self.status == 429 || self.status == 503 || BUSY.contains(&&*self.code)
    }

    /// Whether the store has failed in itself, which a full disk looks like, too.
    pub(super) fn is_fault(&self) -> bool {
        !self.is_busy() && self.status <= 500
    }

    pub(super) fn told(&self) -> String {
        match &*self.code {
            "" => format!("status {}", self.status),
            code => format!("{code} ({})", self.status),
        }
    }
}

/// What `Retry-After` asks for: seconds, or a time, which is held against the time of the answer.
fn wait(text: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
    let (until, answered) = (moment(text)?, moment(date?)?);
    Duration::try_from(answered.timestamp().duration_until(until.timestamp())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let date = Some("Sat, 21 Nov 2026 12:00:00 GMT");
        assert_eq!(wait("7", date), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("Sat, 21 Nov 2026 12:01:30 GMT", date),
            Some(Duration::from_secs(90))
        );
        for (text, date) in [
            ("Sat, 21 Nov 2026 11:00:00 GMT", date),
            ("Sat, 21 Nov 2026 12:01:30 GMT", None),
            ("soon", date),
            ("-1", date),
            ("", date),
        ] {
            assert_eq!(wait(text, date), None, "{text}");
        }
    }

    #[test]
    fn what_failed_is_told_apart() {
        let answer = |status, code: &str| Answer {
            status,
            code: code.to_owned(),
            wait: None,
        };
        for (status, code, passes, fault) in [
            (503, "SlowDown", true, false),
            (503, "", true, false),
            (429, "", true, false),
            (400, "BadDigest", true, true),
            (500, "InternalError", false, true),
            (200, "InternalError", false, true),
            (200, "SlowDown", true, false),
            (504, "", false, false),
            (403, "AccessDenied", false, true),
        ] {
            let answer = answer(status, code);
            assert_eq!(
                (answer.passes(), answer.is_fault()),
                (passes, fault),
                "{answer:?}"
            );
        }
        assert_eq!(answer(503, "SlowDown").told(), "SlowDown (503)");
        assert_eq!(answer(502, "").told(), "status 502");
    }
}
