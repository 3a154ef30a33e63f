// Drives the images of a run through both steps: loads them as slots become free, asks the model,
// passes finished records to the writer. Event loop's thread.
//
// An image's step 1 starts as soon as step 0 of its records is done; meanwhile the next images fill
// the slots, so that the endpoint never idles waiting for a step to end.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auto_label_image_grounding/calls/event_loop.h"
#include "auto_label_image_grounding/calls/thread_pool.h"
#include "auto_label_image_grounding/calls/vlm_caller.h"
#include "auto_label_image_grounding/results/output_writer.h"
#include "auto_label_image_grounding/run/image_job.h"

namespace alig {

class JobRunner {
 public:
  struct Parts {
    const RunContext& context;
    EventLoop& loop;
    ThreadPool& pool;
    VlmCaller& caller;
    OutputWriter& writer;
  };
  // `end_run` as for VlmCaller: the disk is full, the input changed, …
  JobRunner(Parts parts, int max_output_tokens, std::function<void(Error)> end_run);

  // Loads the first images; the rest follows by itself.
  void start() { load_more(); }
  // Threads may still be working; queued work is skipped.
  void stop() { stopped_ = true; }

  // Whether more images are left than those at which it works.
  bool has_much_left() const {
    return next_group_ + max_active_ < parts_.context.plan.dataset.groups();
  }
  // The message of the last record that failed.
  const std::string& last_failure() const { return last_failure_; }
  // Counts of records and images so far.
  const RunCounts& counts() const { return counts_; }

 private:
  using Job = std::shared_ptr<ImageJob>;
  using Texts = std::vector<std::string>;

  struct GroupRange {
    std::size_t begin, end;
  };
  void load_more();
  void load(GroupRange groups);

  // Whether the model still has to be asked for it.
  bool is_ahead(const RecordJob& record, Step step) const;
  void start_extraction(const Job& job);
  // `attempts`: requests sent for it before.
  void extract(const Job& job, std::size_t record, int attempts = 0);
  void ask_extraction(const Job& job, std::size_t record, int attempts);
  void on_extracted(const Job& job);

  void start_grounding(const Job& job);
  void ground(const Job& job, const Texts& texts, int attempts = 0);
  void ask_grounding(const Job& job, const Texts& texts, int attempts);
  void fail_texts(const Job& job, const Texts& texts, const RecordError& error);
  void on_grounded(const Job& job, const Texts& texts, const std::optional<CallFailure>& failure,
                   const std::shared_ptr<Slot>& slot);
  void settle_grounded(const Job& job, const std::shared_ptr<Slot>& slot);

  // Calls `ask` once the job's image is in a format that the endpoint accepts, or `give_up` if it
  // cannot be converted to one.
  void with_accepted_image(const Job& job, Step step, std::function<void()> ask,
                           std::function<void(RecordError)> give_up);

  void note_refused_image(ImageJob& job) const;

  void report_finished(const Job& job);
  void finish(const Job& job);
  // Runs `work` on the pool and `then` on the loop. An error of `work`, or an exception, ends the
  // run.
  void in_pool(std::function<Status(RunCounts&)> work, std::function<void()> then,
               ThreadPool::Priority priority = ThreadPool::Priority::kFirst);

  Parts parts_;
  RunCounts counts_;
  std::size_t max_expressions_;  // per call, so that the answer fits the token limit
  std::function<void(Error)> end_run_;
  std::size_t max_active_;
  std::size_t next_group_ = 0;
  std::size_t active_ = 0;  // groups being loaded and images being worked on
  std::string last_failure_;
  std::atomic<bool> stopped_{false};
};

}  // namespace alig
