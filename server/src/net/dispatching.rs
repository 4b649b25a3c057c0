//! `rings` dispatch: collecting runs into batches, handing them to workers, taking them back.

use super::io_thread::State;
use crate::commands::Args;
use crate::shard::batch::Batch;

impl State {
    /// Puts the parsed commands, whose bytes are `input`, into the batch of a worker. False when no batch is
    /// free: the connection will be served when one comes back.
    pub fn dispatch(&mut self, index: usize, input: &[u8]) -> bool {
        let worker = self.worker_for(input);
        if self.open_batches[worker].as_ref().is_some_and(Batch::is_full) {
            self.push_open(worker);
        }
        if self.open_batches[worker].is_none() {
            let Some(batch) = self.free_batches.pop() else {
                let connection = &mut self.connections[index];
                connection.held.starved = true;
                connection.parser = boxcar_resp::Parser::new();
                self.starved.push_back(connection.token);
                return false;
            };
            self.open_batches[worker] = Some(batch);
        }
        let batch = self.open_batches[worker].as_mut().expect("opened just now");
        let connection = &mut self.connections[index];
        let run = batch.add(input.len());
        run.token = connection.token;
        run.session = connection.session.take();
        run.sample = connection.sample.take();
        run.input.extend_from_slice(input);
        std::mem::swap(&mut run.commands, &mut self.commands);
        true
    }

    /// The worker that owns the shard of the first command's first key; keyless runs stay with one worker.
    fn worker_for(&self, input: &[u8]) -> usize {
        let args = Args::new(input, self.commands.argv(0));
        let mut shard = self.index as u32;
        if let Some(entry) = self.server.table.find_called(args)
            && let Some(spec) = entry.keys.first()
        {
            let mut first = None;
            spec.positions(args, &mut |i| {
                first.get_or_insert(i);
            });
            if let Some(i) = first {
                shard = self.server.keyspace.locate(args.at(i)).shard;
            }
        }
        self.workers.owner_of(shard)
    }

    /// Hands all batches that were filled in this turn to their workers.
    pub fn dispatch_open(&mut self) {
        for worker in 0..self.open_batches.len() {
            self.push_open(worker);
        }
    }

    fn push_open(&mut self, worker: usize) {
        let Some(batch) = self.open_batches[worker].take() else { return };
        assert!(!batch.is_empty(), "an open batch has runs");
        self.stats.metrics.batches_dispatched.add(1);
        if self.workers.push(worker, batch) {
            self.stats.metrics.worker_wakeups.add(1);
        }
    }

    /// Takes executed batches back: sessions to their connections, replies to their output.
    pub fn take_returns(&mut self) {
        while let Some(mut batch) = self.returns.pop() {
            self.rang = true;
            self.take_batch(&mut batch);
            batch.recycle();
            self.free_batches.push(batch);
        }
        while !self.free_batches.is_empty()
            && let Some(token) = self.starved.pop_front()
        {
            if let Some(connection) = self.connection(token) {
                connection.held.starved = false;
                self.ready.push_back(token);
            }
        }
    }

    fn take_batch(&mut self, batch: &mut Batch) {
        for run in batch.runs() {
            let session = run.session.take();
            let index = run.token.index();
            let connection = &mut self.connections[index];
            assert!(connection.token == run.token, "a connection waits for its session");
            connection.session = session;
            if connection.gone && connection.session.is_some() {
                self.remove(index);
                continue;
            }
            if connection.out.is_empty() {
                std::mem::swap(connection.out.buffer_mut(), run.reply.buffer_mut());
            } else {
                connection.out.raw(run.reply.as_bytes());
            }
            connection.sample = run.sample.take();
            connection.settle_sample(run.stop);
            connection.put_back(run.rest());
            self.hold(index, run.stop);
            let connection = &self.connections[index];
            if connection.may_execute() && !connection.input.is_empty() || connection.reading_paused {
                self.ready.push_back(run.token);
            }
            self.mark_dirty(index);
        }
    }
}
