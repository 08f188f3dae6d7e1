//! What is in a backup, a page at a time.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{LEAD, RESULT_LIMIT, bounded};
use crate::archive::{Kind as MemberKind, Member};
use crate::backup::{self, BackupId, Catalogue, Page, Pattern, Question};
use crate::charm::actions::backup_id::absent;
use crate::charm::actions::standing::moment;
use crate::charm::actions::{Parameters, Results, led};
use crate::charm::failure::{Failure, Kind};
use crate::openpgp::Passphrase;

/// Members on a page, unless another number is asked for.
const LIMIT: usize = 100;
/// The most that may be asked for.
const MOST: i64 = 10_000;

/// A member, for programs.
#[derive(Serialize)]
struct Row<'a> {
    path: &'a str,
    kind: MemberKind,
    size: u64,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// Reads the parameters that are about members; nothing when they are not asked for.
pub(super) fn asked(parameters: &Parameters) -> Result<Option<Question>, Failure> {
    let whole = |name: &str, least: i64, most: i64| match parameters.whole(name) {
        None => Ok(None),
        Some(number) if (least..=most).contains(&number) => Ok(Some(number.cast_unsigned())),
        Some(number) => {
            let cause = format!("{name} is {number}, and has to be from {least} to {most}");
            let failure = Failure::new(Kind::Operator, "page-invalid", cause, "");
            Err(failure.led_by(LEAD))
        }
    };
    let after = whole("after", 0, i64::MAX)?.unwrap_or_default();
    let limit = whole("limit", 1, MOST)?;
    Ok(parameters.flag("contents").then(|| Question {
        matching: Pattern::new(parameters.text("match")),
        after,
        limit: limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(LIMIT),
        room: RESULT_LIMIT,
    }))
}

/// Answers with the members that are asked for.
pub(super) async fn page(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
    id: &BackupId,
    question: Question,
) -> Result<Results, Failure> {
    let after = question.after;
    let failed = |error| absent(&error).unwrap_or_else(|| led(LEAD)(error));
    let opened = backup::contents(catalogue, passphrases, id, question).await;
    let (sealed, page) = opened.map_err(failed)?;
    let rows: Vec<Row<'_>> = page.members.iter().map(row).collect();
    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), sealed.id().to_string()),
        ("formatted".to_owned(), bounded(table(&rows, after, &page))),
        (
            "contents-json".to_owned(),
            serde_json::to_string(&rows).map_err(led(LEAD))?,
        ),
        ("count".to_owned(), rows.len().to_string()),
        ("matching".to_owned(), page.matching.to_string()),
        ("files".to_owned(), sealed.members().to_string()),
    ]);
    if let Some(next) = page.next {
        results.insert("next-after".to_owned(), next.to_string());
    }
    Ok(results)
}

fn row(member: &Member) -> Row<'_> {
    // Before 1970 it is a negative number in two's complement.
    let time = Timestamp::from_second(member.mtime.cast_signed());
    Row {
        path: &member.path,
        kind: member.kind,
        size: member.size,
        time: time.map(moment).unwrap_or_default(),
        sha256: member.sha256.as_ref().map(ToString::to_string),
    }
}

/// A line for each member, and one that says where they are among all that match.
fn table(rows: &[Row<'_>], after: u64, page: &Page) -> String {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let Row {
                path, size, time, ..
            } = row;
            let sha256 = row.sha256.as_deref().unwrap_or("directory");
            format!("{size:>14}  {time}  {sha256:<64}  {path}")
        })
        .collect();
    let matching = page.matching;
    lines.push(match (rows.len() as u64, page.next) {
        (0, _) if matching == 0 => "nothing in the backup matches".to_owned(),
        (0, _) => format!("{matching} match, and none behind {after}"),
        (shown, None) => format!("{} to {} of {matching}", after + 1, after + shown),
        (shown, Some(next)) => format!(
            "{} to {} of {matching}; the next: after={next}",
            after + 1,
            after + shown
        ),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::archive::Sha256Hex;

    fn members() -> Vec<Member> {
        let file = Member {
            path: "data/homeserver.db".to_owned(),
            kind: MemberKind::File,
            size: 1_572_864,
            mode: 0o600,
            uid: 991,
            gid: 991,
            mtime: 1_795_262_645,
            sha256: Some(Sha256Hex::of(b"x")),
        };
        let directory = Member {
            path: "data/media/local_content".to_owned(),
            kind: MemberKind::Directory,
            size: 0,
            mtime: 5_u64.wrapping_neg(),
            sha256: None,
            ..file.clone()
        };
        vec![file, directory]
    }

    #[test]
    fn page_is_a_line_for_each_member() {
        let members = members();
        let rows: Vec<Row<'_>> = members.iter().map(row).collect();
        let mut page = Page {
            members: Vec::new(),
            matching: 7,
            next: Some(4),
        };
        insta::assert_snapshot!(table(&rows, 2, &page), @r"
               1572864  2026-11-21 12:04:05+00:00  2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  data/homeserver.db
                     0  1969-12-31 23:59:55+00:00  directory                                                         data/media/local_content
        3 to 4 of 7; the next: after=4
        ");
        page.next = None;
        assert!(table(&rows, 5, &page).ends_with("\n6 to 7 of 7"));
        assert_eq!(table(&[], 9, &page), "7 match, and none behind 9");
        page.matching = 0;
        assert_eq!(table(&[], 0, &page), "nothing in the backup matches");
        insta::assert_snapshot!(serde_json::to_string_pretty(&rows).unwrap(), @r#"
        [
          {
            "path": "data/homeserver.db",
            "kind": "file",
            "size": 1572864,
            "time": "2026-11-21 12:04:05+00:00",
            "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
          },
          {
            "path": "data/media/local_content",
            "kind": "directory",
            "size": 0,
            "time": "1969-12-31 23:59:55+00:00"
          }
        ]
        "#);
    }

    #[test]
    fn parameters_are_numbers_within_bounds() {
        let asked = |text: &str| asked(&Parameters(serde_json::from_str(text).unwrap()));
        assert_eq!(asked("{}").unwrap(), None);
        let question = asked(r#"{"contents":true,"after":7.0,"limit":2,"match":"db"}"#);
        let question = question.unwrap().unwrap();
        assert_eq!((question.after, question.limit), (7, 2));
        for wrong in [r#"{"limit":0}"#, r#"{"limit":20000}"#, r#"{"after":-1}"#] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }
}
