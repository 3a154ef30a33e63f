// The one writer of a run: takes finished records in any order, writes annotation lines in input
// order, numbers their ids, and publishes all files at the end. Event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/dataset.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/results/earlier_failures.h"
#include "auto_label_image_grounding/results/record_counts.h"
#include "auto_label_image_grounding/results/results_dir.h"
#include "auto_label_image_grounding/steps/corrections.h"
#include "auto_label_image_grounding/steps/render.h"

namespace alig {

// A record with all results of the selected steps.
struct FinishedRecord {
  std::uint32_t line = 0;  // of the input, from 1
  Sample sample;
  std::string sample_id;
  ExtractionResult extraction;               // step 0 selected
  GroundingResult grounding;                 // step 1 selected
  std::optional<RecordError> error;          // of the step that failed
  std::optional<RecordError> earlier_error;  // step 1 alone: that of its line
};

class OutputWriter {
 public:
  struct Settings {
    ResultsDir dir;
    StepSet steps = StepSet::all();
    std::int64_t first_expression_id = 0;  // for expressions without an id (step 1 alone)
    std::span<const BadLine> bad_lines{};  // ascending; must outlive the writer
    std::string input{};                   // the file that line numbers refer to
    const EarlierFailures& earlier;        // step 1 alone: what to keep in failures.jsonl
  };
  // Reads a finished record again from its checkpoints, for records that were dropped from memory.
  using Reload = std::function<Result<FinishedRecord>(std::size_t)>;

  // Opens the temporary files. kIo.
  static Result<OutputWriter> create(Settings settings, std::size_t records, Reload reload);

  // Each record once, in any order. After an error nothing more is accepted: returns the same error
  // again.
  Status put(std::size_t record, FinishedRecord finished);
  bool complete() const { return next_ == states_.size(); }

  // For the records put so far: done, failed and why; for those written: expressions, boxes.
  const RecordCounts& counts() const { return counts_; }
  // Corrections in the lines of step 0, for step 1 alone.
  const LabelCounts& label_counts() const { return label_counts_; }

  // Replaces annotations.jsonl of each step, the copy of the last one, and failures.jsonl.
  // Precondition: complete(). An edited step file is replaced as well: the caller must have refused
  // it before.
  Status publish();

  // Files replaced by publish() that were not known to be outputs of this program.
  struct KeptFile {
    std::filesystem::path path, kept_as;
  };
  const std::vector<KeptFile>& kept_files() const { return kept_files_; }

 private:
  enum class State : std::uint8_t { kPending, kInMemory, kOnDisk };
  struct Output {
    AtomicFile file;
    Sha256 hash;
  };
  OutputWriter(Settings settings, std::size_t records, Reload reload);
  Status open(Step step);
  Status open_failures();
  Status write_ready();
  Status write(const FinishedRecord& finished);
  // The record with the step's result.
  Record render(Step step, Record record, const FinishedRecord& finished);
  Status append(Step step, const Record& record);
  Result<std::string> publish_step(Step step);  // its SHA-256
  Status keep_late_edit(Step step);
  Status publish_copy(Step last, const std::string& sha256);
  void count(const FinishedRecord& finished);
  Result<std::string> failure_line(const FinishedRecord& finished, const RecordError& error) const;
  Status write_failure(const FinishedRecord& finished);
  Status write_bad_lines(std::uint32_t before);

  Settings settings_;
  Reload reload_;
  RecordCounts counts_;
  LabelCounts label_counts_;
  Status broken_;  // the first error
  std::vector<State> states_;
  std::unordered_map<std::size_t, FinishedRecord> in_memory_;
  std::size_t next_ = 0;
  PerStep<std::optional<Output>> outputs_;
  IdCounter ids_;
  ExpressionIds extracted_ids_;  // step 1 alone: those in step 0's lines
  std::optional<AtomicFile> failures_;
  std::size_t next_bad_line_ = 0;
  Sha256 bad_lines_hash_;
  std::vector<KeptFile> kept_files_;
};

}  // namespace alig
