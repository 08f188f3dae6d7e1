//! What a store must do for us, and what it may do otherwise: the same questions to six stores.
//!
//! Each question is a function. One that every store has to answer well asserts it, and shows `yes`. Where stores differ and
//! the charm can live with it, the function shows what it saw. The store in this process and versitygw are asked by the ordinary
//! suite; `make contract` asks all six, with and without TLS, and writes `docs/reference/stores.md` from what they showed.

mod checksums;
mod conditions;
mod listing;
mod objects;
mod refusals;
mod scene;
mod table;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use harness::s3::{CertificateAuthority, Product};

use scene::{Scene, Shown};
use tokio::task::{LocalSet, spawn_local};

/// How long one question may take on the slowest store.
const PATIENCE: Duration = Duration::from_secs(180);

/// A question, and what the charm does where the answer is no.
struct Question {
    name: &'static str,
    remedy: &'static str,
}

macro_rules! contract {
    ($($room:ident { $($name:ident: $remedy:literal,)* })*) => {
        const QUESTIONS: &[Question] = &[
            $($(Question { name: stringify!($name), remedy: $remedy },)*)*
        ];

        async fn ask(name: &str, scene: &Scene) -> Shown {
            match name {
                $($(stringify!($name) => $room::$name(scene).await,)*)*
                unknown => panic!("there is no question {unknown}"),
            }
        }

        mod embedded {
            $($(#[tokio::test]
            async fn $name() {
                super::alone(super::Product::Embedded, stringify!($name)).await;
            })*)*
        }

        mod versitygw {
            $($(#[tokio::test]
            async fn $name() {
                super::alone(super::Product::Versitygw, stringify!($name)).await;
            })*)*
        }
    };
}

contract! {
    objects {
        a_small_object_is_written_replaced_and_read: "stops: it is no store without",
        an_empty_object_is_an_object: "stops",
        a_missing_object_is_told_as_such: "stops",
        what_was_written_or_deleted_is_seen_at_once: "reads again what it relies on",
        odd_names_come_back_as_they_were: "uses plain names only; the operator's path may be odd",
        a_name_of_nine_hundred_bytes_is_taken: "uses short names; the operator's path may be long",
        an_object_lies_beside_a_folder_of_its_name: "never does that",
        the_tag_of_a_small_object_is_its_md5: "compares it where it looks like one; the SHA-256 in the manifest counts",
        an_object_tells_when_it_was_written: "takes the time from the backup's name",
        an_object_read_ahead_comes_back_byte_for_byte: "stops",
        the_first_bytes_are_read_alone: "stops",
        an_object_that_is_replaced_under_its_reader_is_told: "stops; the SHA-256 in the manifest finds it, too",
        a_path_shuts_the_rest_of_the_bucket_out: "stops",
    }
    listing {
        a_bucket_that_is_there_can_be_used: "waits and says why",
        more_than_a_thousand_keys_are_listed_and_deleted: "asks page by page",
        keys_come_in_the_order_of_their_bytes: "sorts what it tells; its names are plain letters and digits",
        one_level_tells_folders_once: "stops",
        a_prefix_ends_anywhere_in_a_name: "stops",
    }
    uploads {
        an_object_in_parts_comes_back_byte_for_byte: "stops",
        an_object_within_one_part_comes_back_byte_for_byte: "stops",
        an_upload_of_nothing_is_an_empty_object: "never does that: what is sealed has a head",
        an_object_of_exactly_two_parts_has_no_third: "stops",
        several_parts_at_a_time_come_back_in_order: "sends fewer (backup_parallelism)",
        an_object_is_replaced_only_when_the_upload_is_complete: "names are never used twice",
        two_uploads_of_one_name_stand_side_by_side: "names are never used twice",
        an_aborted_upload_leaves_nothing: "tries again when it next tidies up",
        a_dropped_upload_is_found_and_aborted: "keeps a record of its own uploads beside the backups",
        open_uploads_are_found_by_the_beginning_of_a_name: "asks for the whole bucket and chooses itself",
        an_aborted_upload_takes_no_more_parts: "completes only what it did not abort",
        a_completed_upload_can_be_completed_again: "looks for the object before it calls that a failure",
        parts_of_uneven_size_are_taken: "sends parts of one size",
        a_small_part_in_the_middle_is_taken: "sends no part below 5 MiB but the last",
        an_upload_whose_line_is_cut_leaves_no_object: "compares size and digests, and aborts",
        a_small_object_whose_line_is_cut_leaves_the_old_one: "compares tag and digests",
        parts_are_copied_by_the_store: "reads and sends the object once more",
    }
    conditions {
        an_object_is_written_only_where_none_is: "reads again after a while; the last who wrote has it",
        an_object_is_written_only_over_the_one_that_was_seen: "reads again after a while; the last who wrote has it",
        of_several_writers_at_once_one_is_told_that_it_won: "reads again after a while; the last who wrote has it",
        an_upload_is_completed_only_where_no_object_is: "does not rely on it: names are never used twice",
        a_lease_is_for_one_and_taken_over_when_it_has_ended: "stops",
        of_several_at_once_one_gets_the_lease: "stops",
    }
    checksums {
        a_wrong_crc32c_is_refused: "compares each part's tag with its MD5, and the SHA-256 when it verifies",
        a_wrong_crc64nvme_is_refused: "sends CRC32C unless asked otherwise",
        a_wrong_content_md5_is_refused: "sends CRC32C unless asked otherwise",
        a_checksum_is_kept_and_told: "keeps SHA-256 in the manifest",
        a_storage_class_is_taken: "names one only when the relation does, and tells the refusal",
        tags_are_taken: "sets none unless the relation does, and tells the refusal",
        encryption_by_the_store_is_taken: "never asks for it: what it sends is sealed already",
    }
    refusals {
        a_missing_bucket_is_named: "says which bucket is missing",
        a_wrong_secret_is_told: "says what is wrong as far as the store does",
        an_unknown_key_is_told: "says what is wrong as far as the store does",
        a_key_without_rights_is_told: "says what is not allowed",
        a_wrong_region_is_noticed: "takes the region that the store names",
    }
}

/// Asks one question of a fresh store.
async fn alone(product: Product, name: &'static str) {
    let store = Arc::new(product.start(None).unwrap());
    let shown = ask(name, &Scene::new(store, name).await).await;
    println!("{name}: {shown}");
}

/// Asks all questions of one store, goes on after one that failed, and keeps what was shown.
async fn whole(product: Product, tls: bool) {
    LocalSet::new().run_until(go_through(product, tls)).await;
}

async fn go_through(product: Product, tls: bool) {
    let authority = tls.then(|| CertificateAuthority::new().unwrap());
    let store = Arc::new(product.start(authority.as_ref()).unwrap());
    let (mut shown, mut failed) = (Vec::new(), Vec::new());
    for question in QUESTIONS {
        let name = question.name;
        let store = store.clone();
        // A task of its own, so that the others are asked even if this one panics.
        let asked = spawn_local(async move {
            let scene = Scene::new(store, name).await;
            ask(name, &scene).await
        });
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(told)) => {
                println!("{name}: {told}");
                shown.push((name, told));
            }
            Ok(Err(panic)) => failed.push(format!("{name}: {panic}")),
            Err(_) => failed.push(format!("{name}: no answer after {PATIENCE:?}")),
        }
    }
    let with = if tls { " over TLS" } else { "" };
    assert!(
        failed.is_empty(),
        "{}{with} broke the contract:\n{}",
        product.name(),
        failed.join("\n")
    );
    table::keep(product, tls, &shown);
}

#[tokio::test]
async fn the_store_in_this_process_keeps_the_whole_contract_over_tls() {
    whole(Product::Embedded, true).await;
}

#[tokio::test]
async fn versitygw_keeps_the_whole_contract_over_tls() {
    whole(Product::Versitygw, true).await;
}

/// What only `make contract` runs: its servers take a quarter of an hour to build.
mod contract_all {
    use super::{Product, whole};

    macro_rules! stores {
        ($($name:ident $over_tls:ident $product:ident)*) => {
            $(#[tokio::test]
            #[ignore = "make contract runs it"]
            async fn $name() {
                whole(Product::$product, false).await;
            }

            #[tokio::test]
            #[ignore = "make contract runs it"]
            async fn $over_tls() {
                whole(Product::$product, true).await;
            })*
        };
    }

    stores! {
        embedded embedded_over_tls Embedded
        versitygw versitygw_over_tls Versitygw
        minio minio_over_tls Minio
        garage garage_over_tls Garage
        ceph ceph_over_tls Ceph
        s3proxy s3proxy_over_tls S3Proxy
    }
}

#[test]
#[ignore = "make contract runs it after all stores were asked"]
fn the_table_of_stores_is_written() {
    table::write(QUESTIONS);
}

#[test]
fn the_table_of_stores_has_a_row_for_each_question_and_a_column_for_each_store() {
    table::check(QUESTIONS);
}
