//! One piece of an object on its way in, asked for again from where it broke.

use std::mem;
use std::ops::Range;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Sender;

use super::cells::{CELL, Cells};
use super::source::{Body, Source};
use crate::s3::error::S3Error;

/// As much as this has to come before a connection that breaks again counts as another one: a store that gives a few
/// bytes at a time would be asked for ever.
const STEP: u64 = 64 << 10;

/// A piece, as far as it has come.
#[derive(Debug)]
pub(super) struct Piece {
    source: Source,
    /// What is missing.
    span: Range<u64>,
    cells: Cells,
    filling: Vec<u8>,
    chunks: Sender<Result<Bytes, S3Error>>,
}

/// Why a body brought no more.
enum Broken {
    /// It broke off; another may go on.
    Passing(S3Error),
    /// It is not what it should be.
    Lasting(S3Error),
}

impl Piece {
    pub(super) fn new(
        source: Source,
        span: Range<u64>,
        cells: Cells,
        chunks: Sender<Result<Bytes, S3Error>>,
    ) -> Self {
        Self {
            source,
            span,
            cells,
            filling: Vec::new(),
            chunks,
        }
    }

    /// Reads the piece to its end, or puts the error behind the bytes that came. `body` is there if it was asked for.
    pub(super) async fn read(mut self, body: Option<Body>) {
        let outcome = self.read_again(body).await;
        self.hand_out().await;
        if let Err(error) = outcome {
            // Fails only when the fetch is gone, and this task is being ended.
            let _ = self.chunks.send(Err(error)).await;
        }
    }

    async fn read_again(&mut self, mut body: Option<Body>) -> Result<(), S3Error> {
        let limits = *self.source.bucket.limits();
        let (mut fruitless, mut from) = (0, self.span.start);
        loop {
            // That request has retries of its own. What it fails of after them does not pass.
            let opened = match body.take() {
                Some(body) => body,
                None => self.source.open(self.span.clone()).await?,
            };
            let error = match self.drain(opened).await {
                Ok(()) => return Ok(()),
                Err(Broken::Lasting(error)) => return Err(error),
                Err(Broken::Passing(error)) => error,
            };
            fruitless = match self.span.start >= from + STEP {
                true => 0,
                false => fruitless + 1,
            };
            if fruitless == 0 {
                from = self.span.start;
            }
            let retries = self.source.bucket.shared().retries.clone();
            if fruitless >= limits.part_attempts
                || !self.source.is_pinned()
                || (fruitless > 0 && retries.failed(limits.fruitless))
            {
                return Err(error);
            }
            self.hand_out().await;
            let mut random = [u8::MAX];
            // Without randomness the pause is the longest.
            let _ = getrandom::fill(&mut random);
            let pause = limits.pause(fruitless, random[0]);
            let task = format!("read {} from byte {}", self.source.key, self.span.start);
            retries.tell(&task, &error.to_string(), pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes a body in to its end.
    async fn drain(&mut self, mut body: Body) -> Result<(), Broken> {
        let silence = self.source.bucket.limits().silence;
        loop {
            let next = tokio::time::timeout(silence, body.stream.next()).await;
            // The end of a body is waited for, too, because its connection can be used again only behind it.
            let complete = self.span.is_empty();
            let task = || self.source.task();
            let scene = self.source.bucket.scene();
            match next {
                Ok(Some(Ok(mut bytes))) => {
                    let skipped = body.skip.min(bytes.len() as u64);
                    body.skip -= skipped;
                    // Its turn is waited for outside the watch on silence.
                    let shared = self.source.bucket.shared();
                    shared.retries.flowed();
                    shared.download.pass(bytes.len()).await;
                    bytes.advance(usize::try_from(skipped).unwrap_or_default());
                    self.take_in(bytes).await?;
                }
                _ if complete => return Ok(()),
                Ok(None) => return Err(Broken::Passing(self.source.truncated(self.span.start))),
                Ok(Some(Err(error))) => {
                    return Err(Broken::Passing(scene.explain_body(&task(), &error)));
                }
                Err(_) => return Err(Broken::Passing(scene.timed_out(&task()))),
            }
        }
    }

    /// Copies bytes into cells. A full one goes into the queue, and any as soon as the queue is empty.
    async fn take_in(&mut self, mut bytes: Bytes) -> Result<(), Broken> {
        let length = bytes.len() as u64;
        if length > self.span.end - self.span.start {
            return Err(Broken::Lasting(
                self.source.truncated(self.span.start + length),
            ));
        }
        self.span.start += length;
        while !bytes.is_empty() {
            if self.filling.capacity() == 0 {
                self.filling = self.cells.take();
            }
            let now = bytes.split_to(bytes.len().min(CELL - self.filling.len()));
            self.filling.extend_from_slice(&now);
            if self.filling.len() == CELL {
                self.hand_out().await;
            }
        }
        let waiting = self.chunks.max_capacity() - self.chunks.capacity();
        if waiting == 0 || self.span.is_empty() {
            self.hand_out().await;
        }
        Ok(())
    }

    async fn hand_out(&mut self) {
        if !self.filling.is_empty() {
            let chunk = self.cells.lend(mem::take(&mut self.filling));
            // Fails only when the fetch is gone, and this task is being ended.
            let _ = self.chunks.send(Ok(chunk)).await;
        }
    }
}
